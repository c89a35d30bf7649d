"""Scores of classifications: chosen on the validation rows, reported on the test rows."""

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from backbench.metrics import supervised
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
        values = supervised.scores(truth[test], predicted[test])
        values["val_accuracy"] = supervised.accuracy(truth[validation], predicted[validation])
        info = {"per_class": supervised.per_class(truth[test], predicted[test], names)}
        yield Outcome(fit.hash, values, _notes(values), info, seconds=time.perf_counter() - began)


def _notes(values: Mapping[str, float]) -> dict[str, str]:
    reasons = {"val_accuracy": "there are no validation rows"}
    return {name: reasons.get(name, _shard.NO_TEST_ROWS) for name, value in values.items() if np.isnan(value)}
