"""Scores of classifications: chosen on the validation rows, reported on the test rows.

Metrics of the probabilities are of those that the fit has stored; a classifier without any has none of them. The
threshold above which a classifier is to answer is chosen on the validation rows (`info["answering"]`).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backbench.metrics import answering, probabilistic, supervised
from backbench.stage import Inputs, Outcome
from backbench.stages import _shard
from backbench.stages.scores import Fit


def scores(fits: Sequence[Fit], inputs: Inputs) -> Iterator[Outcome]:
    """Metrics of the predictions of each fit, and those of each class as `info["per_class"]`."""
    truth = inputs.array("dataset", "labels")
    names = [str(name) for name in inputs.info("dataset")["classes"]]
    splits = _shard.Splits(inputs)
    for fit in fits:
        began = time.perf_counter()
        split = splits.of(fit.config)
        test, validation = np.flatnonzero(split == _shard.TEST), np.flatnonzero(split == _shard.VALIDATION)
        predicted = fit.array
        probabilities, decision = (_of(fit, name, test) for name in ("probabilities", "decision"))
        values = supervised.scores(truth[test], predicted[test])
        values["val_accuracy"] = supervised.accuracy(truth[validation], predicted[validation])
        values |= probabilistic.scores(truth[test], probabilities, decision)
        notes = _notes(values) | _impossible(truth[test], probabilities)
        info: dict[str, Any] = {"per_class": supervised.per_class(truth[test], predicted[test], names)}
        held = _of(fit, "probabilities", validation)
        if probabilities is not None and held is not None and len(test):
            info["answering"] = _answering((truth[validation], held), (truth[test], probabilities))
        yield Outcome(fit.hash, values, notes, info, seconds=time.perf_counter() - began)


def _of(fit: Fit, name: str, rows: np.ndarray) -> np.ndarray | None:
    """The scores (m, classes) of this name of the `rows` (m,), where the fit has any."""
    return fit.arrays[name][rows] if name in fit.arrays else None


def _answering(held: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """The threshold that validation images ask for, and what it does to test images.

    Both are classes (m,) and probabilities (m, classes).
    """
    return answering.facts(answering.choose(*probabilistic.confidence(*held)), *probabilistic.confidence(*test))


def _notes(values: Mapping[str, float]) -> dict[str, str]:
    reasons = {"val_accuracy": "there are no validation rows"}
    return {name: reasons.get(name, _shard.NO_TEST_ROWS) for name, value in values.items() if np.isnan(value)}


def _impossible(truth: np.ndarray, probabilities: np.ndarray | None) -> dict[str, str]:
    """The note on images whose class (m,) has the probability 0 of (m, classes), which the log-loss hangs on."""
    if probabilities is None:
        return {}
    none = int((probabilities[np.arange(len(truth)), truth] <= 0).sum())
    most = -np.log(np.finfo(probabilities.dtype).eps)
    words = f"{none} of {len(truth)} images have the probability 0 for their class; each counts as {most:.1f}"
    return {"log_loss": words} if none else {}
