"""One peer's side of `peers.py`: the grid of a family by its estimators, in an environment that knows no backbench.

``python _peer_work.py ARGUMENTS`` takes JSON and works in turns (`_rounds`): ``fits`` leaves the labels in a file, and
``scores`` computes the metrics of these labels as a user does it by hand.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _loops
import _rounds
import numpy as np

TRIAL = 300
PARTS = ("x", "truth", "split")


@dataclass
class Asked:
    """What `peers.py` asks for.

    `peer` is the name of a distribution, `loop` a function of `_loops`, `beside` whether the members run beside each
    other, one core each, rather than one after the other on all cores. Labels of all members go to `answer`.
    """

    peer: str
    kind: str
    loop: str
    beside: bool
    members: list[dict[str, Any]]
    folder: str
    answer: str


class Work:
    """The family on the rows in the folder; `answers` are the labels of the last fits."""

    def __init__(self, asked: Asked, rows: int | None = None):
        self.asked = asked
        self.x, self.truth, self.split = (np.load(Path(asked.folder) / f"{name}.npy")[:rows] for name in PARTS)
        self.answers: list[np.ndarray] = []

    def fits(self) -> dict[str, Any]:
        asked = self.asked
        members = asked.members if len(self.x) > TRIAL else asked.members[:2]
        loop = _loops.of(asked.loop, asked.peer)
        if asked.loop == "cached_trees":
            self.answers = loop(self.x, members)
        elif asked.kind == "retrieval":
            self.answers = [loop(self.x, members[0])]
        else:
            rows = (self.x,) if asked.kind == "clustering" else self._divided()
            self.answers = _loops.fits(loop, rows, members, asked.beside)
        return {}

    def scores(self) -> dict[str, Any]:
        if self.asked.kind == "clustering":
            return {"metrics": _loops.scores(self.x, self.truth, self.answers, self.asked.peer)}
        if self.asked.kind == "retrieval":
            return {"metrics": [_loops.precision(self.truth, self.answers[0])]}
        test = self.split[self.split != _loops.TRAIN] == _loops.TEST
        truth = self.truth[self.split == _loops.TEST]
        return {"metrics": [_loops.accuracy(truth, classes[test]) for classes in self.answers]}

    def save(self) -> dict[str, Any]:
        np.save(self.asked.answer, np.array(self.answers, dtype=np.int32))
        return {}

    def _divided(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        train = self.split == _loops.TRAIN
        return self.x[train], self.truth[train], self.x[~train]


def _open(asked: Asked) -> dict[str, Any]:
    trial, work = Work(asked, TRIAL), Work(asked)
    trial.fits()
    trial.scores()
    if asked.peer == "fast_hdbscan":
        # numba compiles at the first call with each kind of rows and options: 5 s that no later fit takes.
        work.fits()
    return {"fits": work.fits, "scores": work.scores, "save": work.save}


if __name__ == "__main__":
    # Processes that joblib starts find this folder by it.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    _rounds.serve(lambda: _open(Asked(**json.loads(sys.argv[1]))))
