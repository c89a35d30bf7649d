"""The retrieval stage: exact nearest neighbours of each query, the query itself left out.

Protocols: `leave_one_out` takes each row as a query against all others; `test_against_train` the test rows against the
training rows. The array `neighbours` (queries, k) holds row numbers of the dataset, nearest first. One search at the
largest k serves all members of a metric and protocol; `seconds` are divided equally among them.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from backbench.metrics import neighbours, retrieval
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _shard


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Neighbours of each member, and precision and hit rate where the dataset is labelled."""
    x, truth = _shard.matrix(inputs), _shard.truth(inputs)
    split = inputs.array("dataset", "split")
    done = 0
    for (metric, protocol), group in _shard.families(members, lambda m: (m.config["metric"], m.config["protocol"])):
        began = time.perf_counter()
        try:
            _shard.refuse_non_finite(x)
            with _shard.computing(context):
                queries, found = _search(x, split, metric, protocol, max(m.config["at"] for m in group))
        except Exception as error:  # the fault of every member of the search, and of no other
            yield from (_shard.failure(member, error) for member in group)
            continue
        share = (time.perf_counter() - began) / len(group)
        for member in group:
            done += 1
            yield _outcome(member, queries, found, truth, share)
            context.progress(done, len(members))


def _search(x: np.ndarray, split: np.ndarray, metric: str, protocol: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(row numbers of the queries, row numbers of their neighbours); fewer than `most` where there are fewer rows."""
    if protocol == "leave_one_out":
        rows = queries = np.arange(len(x))
        own, limit = queries, len(x) - 1
    else:
        rows, queries = np.flatnonzero(split == _shard.TRAIN), np.flatnonzero(split == _shard.TEST)
        own, limit = None, len(rows)
    count = min(most, limit)
    if count < 1:
        return queries, np.empty((len(queries), 0), dtype=np.int64)
    return queries, rows[neighbours.nearest(x[queries], x[rows], count, metric, own)[0]]


def _outcome(
    member: Member, queries: np.ndarray, found: np.ndarray, truth: np.ndarray | None, seconds: float
) -> Outcome:
    at = member.config["at"]
    found = found[:, :at].astype(np.int32)
    info = {"queries": len(queries), "neighbours": found.shape[1]}
    if found.shape[1] < at:
        info["fewer"] = f"only {found.shape[1]} of {at} neighbours: there are no more rows"
    metrics: dict[str, float] = {}
    notes: dict[str, str] = {}
    if truth is not None:
        metrics, notes = _metrics(truth[queries], truth[found], at)
    return Outcome(member.hash, metrics, notes, info, {"neighbours": found}, seconds)


def _metrics(asked: np.ndarray, found: np.ndarray, at: int) -> tuple[dict[str, float], dict[str, str]]:
    names = (f"precision_at_{at}", f"hit_rate_at_{at}")
    if found.size == 0:
        reason = "there are no queries" if len(asked) == 0 else "there are no rows to retrieve"
        return dict.fromkeys(names, float("nan")), dict.fromkeys(names, reason)
    values = (retrieval.precision(asked, found), retrieval.hit_rate(asked, found))
    less = f"over {found.shape[1]} neighbours: there are no more rows"
    return dict(zip(names, values, strict=True)), dict.fromkeys(names, less) if found.shape[1] < at else {}
