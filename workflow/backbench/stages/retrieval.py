"""The retrieval stage: nearest neighbours of each query, the query itself left out.

Protocols: `leave_one_out` takes each row as a query against all others; `test_against_train` the test rows against the
training rows. The array `neighbours` (queries, k) holds row numbers of the dataset, nearest first. The search is exact
and uses the stored graph where it can, or, with `search: approximate`, says what recall it has. One search at the
largest k serves all members of a metric and protocol; `seconds` are divided equally among them. The metrics of the
order are of `stages.scores`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backbench.metrics import near, neighbours
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _shard


@dataclass(frozen=True)
class _Found:
    """How many queries there are, the row numbers (queries, k) that are found, and how good the search was."""

    queries: int
    nearest: np.ndarray
    search: Mapping[str, float] = field(default_factory=dict)


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Neighbours of each member."""
    x, split, stored = _shard.matrix(inputs), inputs.array("dataset", "split"), _shard.graphs(inputs)
    done = 0
    for (metric, protocol, deep), group in _shard.families(members, _family):
        began = time.perf_counter()
        try:
            _shard.refuse_non_finite(x)
            with _shard.computing(context):
                most = max(member.config["at"] for member in group)
                parts = _shard.retrieved(protocol, split)
                found = _exact(x, *parts, metric, most, stored) if deep is None else _rough(x, *parts, metric, deep)
        except Exception as error:  # the fault of every member of the search, and of no other
            yield from (_shard.failure(member, error, where=_shard.representation(inputs)) for member in group)
            continue
        share = (time.perf_counter() - began) / len(group)
        for member in group:
            done += 1
            yield _outcome(member, found, share)
            context.progress(done, len(members))


def _family(member: Member) -> tuple[str, str, int | None]:
    """Exact searches share the deepest; an approximate one depends on its depth, so only members of one depth share."""
    config = member.config
    rough = config.get("search", "exact") == "approximate"
    return config["metric"], config["protocol"], config["at"] if rough else None


def _exact(
    x: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    metric: neighbours.Metric,
    most: int,
    stored: Mapping[str, near.Graph],
) -> _Found:
    source = near.among(x, queries, rows, stored)
    count = min(most, source.most)
    if count < 1:
        return _Found(len(queries), np.empty((len(queries), 0), dtype=np.int64))
    return _Found(len(queries), rows[source.nearest(metric, count)[0]])


def _rough(x: np.ndarray, queries: np.ndarray, rows: np.ndarray, metric: neighbours.Metric, most: int) -> _Found:
    """Approximate neighbours; how good they are is judged on sampled queries."""
    from backbench.metrics import approximate

    own = queries if len(queries) == len(x) else None
    count = min(most, len(rows) - (own is not None))
    if count < 1 or not len(queries):
        return _Found(len(queries), np.empty((len(queries), max(count, 0)), dtype=np.int64))
    whole = own is not None
    source = x if whole else x[rows]
    found, _, quality = approximate.nearest_approximate(source if whole else x[queries], source, count, metric, own)
    return _Found(len(queries), rows[found], vars(quality))


def _outcome(member: Member, found: _Found, seconds: float) -> Outcome:
    at = member.config["at"]
    nearest = found.nearest[:, :at].astype(np.int32)
    info: dict[str, Any] = {"queries": found.queries, "neighbours": nearest.shape[1]}
    if nearest.shape[1] < at:
        info["fewer"] = f"only {nearest.shape[1]} of {at} neighbours: there are no more rows"
    metrics: dict[str, float] = {}
    if found.search:
        info["search"] = _shard.plain(dict(found.search))
        metrics["search_recall"] = found.search["recall"]
    return Outcome(member.hash, metrics, {}, info, {"neighbours": nearest}, seconds)
