"""The retrieval stage: nearest neighbours of each query, the query itself left out.

Protocols: `leave_one_out` takes each row as a query against all others; `test_against_train` the test rows against the
training rows. The array `neighbours` (queries, k) holds row numbers of the dataset, nearest first. The search is exact
and uses the stored graph if possible, or, with `search: approximate`, reports its recall. One search at the largest k
serves all members of a metric and protocol; `seconds` are divided equally among them. With `junk`, images that count
neither as right nor as wrong (`_junk`) are taken out of the lists, which stay as long. `stages.scores` computes the
metrics of the order.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backbench.metrics import near, neighbours
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _junk, _shard


@dataclass(frozen=True)
class _Neighbours:
    """The number of queries, the row numbers (queries, k) of their neighbours, and the quality of the search."""

    queries: int
    nearest: np.ndarray
    quality: Mapping[str, float] = field(default_factory=dict)


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Neighbours of each member."""
    x, splits, stored = _shard.matrix(inputs), _shard.Splits(inputs), _shard.graphs(inputs)
    done = 0
    for (metric, protocol, deep, junk, _), group in _shard.families(members, _family):
        began = time.perf_counter()
        try:
            _shard.refuse_non_finite(x)
            groups = _junk.groups(junk, inputs)
            with _shard.searching(context):
                most = deep or max(member.config["at"] for member in group)
                queries, rows = _shard.retrieved(protocol, splits.of(group[0].config))
                more = most + _most_junk(groups, rows)
                if deep is None:
                    nearest = _exact(x, queries, rows, metric, more, stored)
                else:
                    nearest = _rough(x, queries, rows, metric, more)
                nearest = nearest if groups is None else _without_junk(nearest, queries, groups, most)
        except Exception as error:  # affects every member of the search, and no other
            yield from (_shard.failure(member, error, where=_shard.representation(inputs)) for member in group)
            continue
        share = (time.perf_counter() - began) / len(group)
        for member in group:
            done += 1
            yield _outcome(member, nearest, share)
            context.progress(done, len(members))


def _family(member: Member) -> tuple[str, str, int | None, str, str]:
    """Exact searches share the deepest; an approximate one depends on its depth, so only equal depths share."""
    config = member.config
    rough = config.get("search", "exact") == "approximate"
    deep, junk = config["at"] if rough else None, config.get("junk", _junk.NONE)
    return config["metric"], config["protocol"], deep, junk, _shard.division(config)


def _most_junk(groups: np.ndarray | None, rows: np.ndarray) -> int:
    """The most images among `rows` (m,) that are of one of the `groups` (n,), 0 for none: so many may be junk."""
    return 0 if groups is None or not len(rows) else int(np.bincount(groups[rows]).max())


def _without_junk(search: _Neighbours, queries: np.ndarray, groups: np.ndarray, most: int) -> _Neighbours:
    """The first `most` neighbours of each of `queries` (q,) that are not of its group; as many for all as there are."""
    nearest = search.nearest
    kept = groups[nearest] != groups[queries][:, None]
    count = min(most, int(kept.sum(axis=1).min(initial=nearest.shape[1])))
    first = np.argsort(~kept, axis=1, kind="stable")[:, :count]
    return replace(search, nearest=np.take_along_axis(nearest, first, axis=1))


def _exact(
    x: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    metric: neighbours.Metric,
    most: int,
    stored: Mapping[str, near.Graph],
) -> _Neighbours:
    """The `most` nearest of the numbers `rows` (m,) of each of `queries` (q,), row numbers of `x` (n, d)."""
    source = near.among(x, queries, rows, stored)
    count = min(most, source.most)
    if count < 1:
        return _Neighbours(len(queries), np.empty((len(queries), 0), dtype=np.int64))
    return _Neighbours(len(queries), rows[source.nearest(metric, count)[0]])


def _rough(x: np.ndarray, queries: np.ndarray, rows: np.ndarray, metric: neighbours.Metric, most: int) -> _Neighbours:
    """Like `_exact`, but approximate; the quality is measured on sampled queries.

    `queries` (q,) and `rows` (m,) are row numbers of `x` (n, d).
    """
    from backbench.metrics import approximate

    whole = len(queries) == len(x)
    count = min(most, len(rows) - whole)
    if count < 1 or not len(queries):
        return _Neighbours(len(queries), np.empty((len(queries), max(count, 0)), dtype=np.int64))
    source = x if whole else x[rows]
    asked, excluded = (source, queries) if whole else (x[queries], None)
    nearest, _, quality = approximate.nearest_approximate(asked, source, count, metric, excluded)
    return _Neighbours(len(queries), rows[nearest], vars(quality))


def _outcome(member: Member, search: _Neighbours, seconds: float) -> Outcome:
    at = member.config["at"]
    nearest = search.nearest[:, :at].astype(np.int32)
    info: dict[str, Any] = {"queries": search.queries, "neighbours": nearest.shape[1]}
    if nearest.shape[1] < at:
        info["fewer"] = f"only {nearest.shape[1]} of {at} neighbours: there are no more rows"
    metrics: dict[str, float] = {}
    if search.quality:
        info["search"] = _shard.plain(dict(search.quality))
        metrics["search_recall"] = search.quality["recall"]
    return Outcome(member.hash, metrics, {}, info, {"neighbours": nearest}, seconds)
