"""Scores of fits in batches: as they are fitted, in the same job, or of stored fits by themselves.

Clusterings of one matrix share the passes over its distances, so they are scored together, and yet soon after they are
fitted. Other fits are scored one by one.
"""

import importlib
import time
from collections.abc import Callable, Iterator, Sequence

from backbench.stage import Context, Inputs, Outcome
from backbench.stages.scores import Fit
from backbench.store import StoreError

# Seconds of fits that a kill may leave to be scored, and how many times as long they take as the pass that scores them.
SCORE_AFTER_SECONDS = 30.0
FIT_TO_SCORE = 8.0
# Of a pass that is still to come, for each pair of rows that it measures.
PAIR_SECONDS = 2e-9
IN_BATCHES = ("clustering",)


class Scoring:
    """Scores the fits of one kind that it is given, and hands each `Outcome` to `write`.

    Parameters
    ----------
    inputs
        What the fits are of; its arrays should be read once (`Held`).
    soon
        Whether a batch is to be scored before its fits have taken long; else all of them are one batch.
    """

    def __init__(
        self, kind: str, inputs: Inputs, context: Context, write: Callable[[Outcome], None], soon: bool = True
    ):
        self.kind, self.inputs, self.context, self.write, self.soon = kind, inputs, context, write, soon
        self._batch: list[Fit] = []
        self._since, self._cost = time.perf_counter(), 0.0

    def add(self, fit: Fit) -> None:
        """Score a fit, or keep it for a batch."""
        self._batch.append(fit)
        began = time.perf_counter()
        late = began - self._since > max(SCORE_AFTER_SECONDS, FIT_TO_SCORE * (self._cost or _expected(fit)))
        if self.kind not in IN_BATCHES or (self.soon and late):
            self.finish()
            self._since = time.perf_counter()
            self._cost = self._since - began

    def finish(self) -> None:
        """Score what is waiting."""
        batch, self._batch = self._batch, []
        for outcome in self.outcomes(batch):
            self.write(outcome)

    def outcomes(self, fits: Sequence[Fit]) -> Iterator[Outcome]:
        """Scores of `fits`; where a pass fails they are scored one by one, and the one at fault is found.

        Raises
        ------
        StoreError
            If an input cannot be read.
        """
        if not fits:
            return
        try:
            yield from self._passed(fits)
        except StoreError:
            raise
        except Exception as error:  # a fit's fault is its result and leaves the others alone
            if len(fits) == 1:
                yield Outcome(fits[0].hash, failure=f"{type(error).__name__}: {error}")
                return
            for fit in fits:
                yield from self.outcomes([fit])

    def _passed(self, fits: Sequence[Fit]) -> list[Outcome]:
        from backbench.stages import _shard

        module = importlib.import_module(f"backbench.stages.scores.{self.kind}")
        computing = _shard.searching if self.kind == "retrieval" else _shard.computing
        with computing(self.context):
            return list(module.scores(fits, self.inputs))


def _expected(fit: Fit) -> float:
    """Seconds of a pass over the distances of the rows of a fit."""
    n = len(fit.array)
    return PAIR_SECONDS * n * min(n, fit.config.get("silhouette_rows") or n)
