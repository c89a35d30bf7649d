"""The engine's side of `peers.py`, which works in turns (`_rounds`).

``python _engine_work.py ARGUMENTS``: ``fits`` are the shared work and the fits of a family alone, as a job computes
them, and ``whole`` is what a job does: it reads from the store, fits, scores, and writes every result.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import _features
import _rounds
import _sides
import numpy as np
from _peer_families import KINDS

from backbench import classifiers, clusterers, plugins, threads
from backbench.metrics.near import Near
from backbench.stage import Context
from backbench.stages import _shard

TRIAL = 300
TASKS = {"clustering": clusterers.Task, "classification": classifiers.Task}


@dataclass
class Asked:
    """What `peers.py` asks for: the members of a `kind` on the rows in the `folder`; labels go to `answer`."""

    kind: str
    members: list[dict[str, Any]]
    folder: str
    answer: str


class Work:
    """The members on the rows in the folder."""

    def __init__(self, asked: Asked, rows: int | None = None):
        self.asked, self.data = asked, _features.load(Path(asked.folder)).first(rows)
        self.members = asked.members if rows is None else asked.members[:2]
        self.place = Path(asked.answer).with_suffix(".trial" if rows else ".store")
        self.answers: list[np.ndarray] = []

    def fits(self) -> dict[str, Any]:
        with _shard.computing(Context(threads=_features.CORES)):
            self.answers = {
                "clustering": self._clusterings,
                "classification": self._classifications,
                "retrieval": self._neighbours,
            }[self.asked.kind]()
        return {}

    def whole(self) -> dict[str, Any]:
        outcomes = _sides.run(self.asked.kind, self.members, self.inputs, _features.CORES)
        failures = [outcome.failure for outcome in outcomes if outcome.failure]
        if failures:
            raise RuntimeError(failures[0])
        return {"metrics": [dict(outcome.metrics) for outcome in outcomes]}

    def fresh(self) -> dict[str, Any]:
        """An empty store with the features in it."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.inputs = _sides.world(self.place, self.data)
        return {}

    def save(self) -> dict[str, Any]:
        np.save(self.asked.answer, np.array(self.answers, dtype=np.int32))
        return {}

    def _families(self) -> Iterator[tuple[Any, dict[int, Any]]]:
        """Each plugin with its tasks by their place among the members."""
        kind, make = KINDS[self.asked.kind], TASKS[self.asked.kind]
        tasks: dict[str, dict[int, Any]] = {}
        for place, member in enumerate(self.members):
            axes = {axis: member[axis] for axis in ("seed", "k") if axis in member}
            task = make(plugins.params(kind, member[kind]), **axes)
            tasks.setdefault(member[kind]["name"], {})[place] = task
        for name, of_plugin in tasks.items():
            yield plugins.load(kind, name), of_plugin

    def _clusterings(self) -> list[np.ndarray]:
        x, near, answers = self.data.x, Near(self.data.x), dict[int, np.ndarray]()
        for module, tasks in self._families():
            shared = module.prepare(x, list(tasks.values()), near)
            answers |= _beside(lambda task, fit=module.fit, shared=shared: fit(shared, x, task)[0], tasks)
        return [answers[place] for place in range(len(self.members))]

    def _classifications(self) -> list[np.ndarray]:
        train, answers = self.data.split == _shard.TRAIN, dict[int, np.ndarray]()
        rows = (self.data.x[train], self.data.truth[train], self.data.x[~train])
        near = Near(rows[0], rows[2])
        for module, tasks in self._families():
            shared = module.prepare(*rows, list(tasks.values()), near)
            predict = module.predict
            answers |= _beside(lambda task, of=predict, shared=shared: of(shared, *rows, task).classes, tasks)
        return [answers[place] for place in range(len(self.members))]

    def _neighbours(self) -> list[np.ndarray]:
        return [Near(self.data.x).nearest(self.members[0]["metric"], 10)[0]]


def _beside(fit: Callable[[Any], np.ndarray], tasks: Mapping[int, Any]) -> dict[int, np.ndarray]:
    """What `fit` makes of each task, by its place; the threads are divided among them."""
    return dict(threads.as_done(lambda place: (place, fit(tasks[place])), tasks))


def _open(asked: Asked) -> dict[str, Any]:
    trial, work = Work(asked, TRIAL), Work(asked)
    for each in (trial.fits, trial.fresh, trial.whole):
        each()
    return {name: getattr(work, name) for name in ("fits", "fresh", "whole", "save")}


if __name__ == "__main__":
    _rounds.serve(partial(_open, Asked(**json.loads(sys.argv[1]))))
