"""Scores of retrievals: how many of the neighbours of each query are of its class."""

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from backbench.metrics import retrieval
from backbench.stage import Inputs, Outcome
from backbench.stages import _shard
from backbench.stages.scores import Fit


def scores(fits: Sequence[Fit], inputs: Inputs) -> Iterator[Outcome]:
    """Metrics of the order of the neighbours of each fit, if the dataset is labelled; otherwise there are none."""
    truth, splits = _shard.compared(inputs), _shard.Splits(inputs)
    for fit in fits:
        began = time.perf_counter()
        values: dict[str, float] = {}
        notes: dict[str, str] = {}
        if truth is not None:
            queries, rows = _shard.retrieved(fit.config["protocol"], splits.of(fit.config))
            values, notes = _metrics(truth, queries, rows, fit.array, fit.config["at"])
        yield Outcome(fit.hash, values, notes, seconds=time.perf_counter() - began)


def _metrics(
    truth: np.ndarray, queries: np.ndarray, rows: np.ndarray, nearest: np.ndarray, at: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics of neighbours (queries, k) among `rows` (m,), and their notes; `truth` (n,) holds the classes of all."""
    depths = retrieval.depths(at)
    names = retrieval.names(depths)
    if nearest.size == 0:
        reason = "there are no queries" if len(nearest) == 0 else "there are no rows to retrieve"
        return dict.fromkeys(names, float("nan")), dict.fromkeys(names, reason)
    totals = _totals(truth, queries, rows)
    values = retrieval.curves(retrieval.relevant(truth[queries], truth[nearest]), totals, depths)
    return values, _notes(values, nearest.shape[1], totals)


def _totals(truth: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """How many of `rows` (m,) have the class of each query (queries,), which does not count itself; `truth` is (n,)."""
    counts = np.bincount(truth[rows], minlength=int(truth.max()) + 1)
    itself = np.isin(queries, rows, assume_unique=True)
    return counts[truth[queries]] - itself


def _notes(values: Mapping[str, float], most: int, totals: np.ndarray) -> dict[str, str]:
    """Notes on metrics; `totals` (queries,) count the rows of the class of each query."""
    alone = int((totals == 0).sum())
    notes = {}
    for name in values:
        reasons = []
        if alone and name.startswith(("recall", "map")):
            reasons.append(f"{alone} of {len(totals)} queries have no image of their class to find and are left out")
        if int(name.rpartition("_")[2]) > most:
            reasons.append(f"over {most} neighbours: there are no more rows")
        if reasons:
            notes[name] = "; ".join(reasons)
    return notes
