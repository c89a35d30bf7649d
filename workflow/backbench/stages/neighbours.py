"""The neighbours stage: the exact nearest rows of each row of a matrix, the row itself left out.

The distances that k-NN, retrieval, DBSCAN, spectral clustering and UMAP need, computed once for each matrix and metric.
A graph serves all who need as many neighbours as it has, or fewer. Arrays: `indices` (n, K) int32 and `distances` (n,
K) float64, nearest first, the lower row number first among equals; K is at most n - 1. One search at the largest K
serves all members of a metric; `seconds` are divided equally among them.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from backbench.metrics import near, neighbours
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _shard


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """The graph of each member."""
    x = _shard.matrix(inputs)
    done = 0
    for metric, group in _shard.families(members, lambda member: member.config["metric"]):
        began = time.perf_counter()
        try:
            _shard.refuse_non_finite(x)
            with _shard.searching(context):
                graph = _graph(x, metric, max(member.config["count"] for member in group))
        except Exception as error:  # affects every member of the search, and no other
            yield from (_shard.failure(member, error) for member in group)
            continue
        share = (time.perf_counter() - began) / len(group)
        for member in group:
            done += 1
            yield _outcome(member, graph, share)
            context.progress(done, len(members))


def _graph(x: np.ndarray, metric: neighbours.Metric, count: int) -> near.Graph:
    """The graph of `count` neighbours of the rows of `x` (n, d), or of as many as there are."""
    source = near.Near(x)
    count = min(count, source.most)
    if count < 1:
        return np.empty((len(x), 0), np.int64), np.empty((len(x), 0))
    return source.nearest(metric, count)


def _outcome(member: Member, graph: near.Graph, seconds: float) -> Outcome:
    rows, lengths = (np.ascontiguousarray(array[:, : member.config["count"]]) for array in graph)
    info = {"n": len(rows), "count": rows.shape[1], "metric": member.config["metric"]}
    return Outcome(
        member.hash, info=info, arrays={"indices": rows.astype(np.int32), "distances": lengths}, seconds=seconds
    )
