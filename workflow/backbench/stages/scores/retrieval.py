"""Scores of retrievals: how many of the neighbours of each query are of its class.

A fit whose config has `full` is also scored by the ranking of all images for each query; the values of the queries are
the arrays `r_precision` and `average_precision` (q,) float64, NaN for a query that nothing is relevant to.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from backbench.metrics import rankings, retrieval
from backbench.stage import Inputs, Outcome
from backbench.stages import _junk, _shard
from backbench.stages.scores import Fit

ALONE = "{} of {} queries have no image of their class to find and are left out"
# The arrays that hold the value of each query.
ARRAYS = {"r_precision": "r_precision", "map_full": "average_precision"}


def scores(fits: Sequence[Fit], inputs: Inputs) -> Iterator[Outcome]:
    """Metrics of the order of the neighbours of each fit, if the dataset is labelled; otherwise there are none."""
    truth, splits = _shard.compared(inputs), _shard.Splits(inputs)
    for fit in fits:
        began = time.perf_counter()
        if truth is None:
            yield Outcome(fit.hash, {}, {}, seconds=time.perf_counter() - began)
            continue
        groups = _junk.groups(fit.config.get("junk", _junk.NONE), inputs)
        asked = rankings.Asked(*_shard.retrieved(fit.config["protocol"], splits.of(fit.config)), truth, groups)
        values, notes = _metrics(asked, fit.array, fit.config["at"])
        arrays: dict[str, np.ndarray] = {}
        if fit.config.get("full"):
            of_queries = rankings.of_queries(_shard.matrix(inputs), asked, fit.config["metric"])
            values |= {name: _mean(array) for name, array in of_queries.items()}
            notes |= _left_out(of_queries, asked.totals())
            arrays = {ARRAYS[name]: array for name, array in of_queries.items() if name in ARRAYS}
        yield Outcome(fit.hash, values, notes, arrays=arrays, seconds=time.perf_counter() - began)


def _mean(values: np.ndarray) -> float:
    """Mean of the values (q,) that there are; NaN of none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _metrics(asked: rankings.Asked, nearest: np.ndarray, at: int) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics of neighbours (queries, k) at depths up to `at`, and their notes."""
    depths = retrieval.depths(at)
    names = retrieval.names(depths)
    if nearest.size == 0:
        reason = "there are no queries" if len(nearest) == 0 else "there are no rows to retrieve"
        return dict.fromkeys(names, float("nan")), dict.fromkeys(names, reason)
    totals = asked.totals()
    hits = retrieval.relevant(asked.truth[asked.queries], asked.truth[nearest])
    values = retrieval.curves(hits, totals, depths)
    return values, _notes(values, nearest.shape[1], totals)


def _left_out(names: Iterable[str], totals: np.ndarray) -> dict[str, str]:
    """The note on queries that nothing is relevant to; `totals` (queries,) count what is."""
    alone = int((totals == 0).sum())
    return dict.fromkeys(names, ALONE.format(alone, len(totals))) if alone or not len(totals) else {}


def _notes(values: Mapping[str, float], most: int, totals: np.ndarray) -> dict[str, str]:
    """Notes on metrics; `totals` (queries,) count the rows of the class of each query."""
    alone = int((totals == 0).sum())
    notes = {}
    for name in values:
        reasons = []
        if alone and name.startswith(("recall", "map")):
            reasons.append(ALONE.format(alone, len(totals)))
        if int(name.rpartition("_")[2]) > most:
            reasons.append(f"over {most} neighbours: there are no more rows")
        if reasons:
            notes[name] = "; ".join(reasons)
    return notes
