"""Clusters by density at many radii: two passes over blocks of distances, memory in proportion to the rows."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Context
from typing import TYPE_CHECKING

import numpy as np

from backbench import threads
from backbench.metrics import distances

if TYPE_CHECKING:
    from backbench.clusterers.dbscan import Params

RADIUS_DIGITS = 6


class Shared:
    """Two passes for all members: distances to the neighbours that decide on core points, then the clusters."""

    def __init__(self, x: np.ndarray, asked: Sequence["Params"]):
        self._x, self._asked = x, asked
        self._once = threads.Once()
        self._once.attempt("all", self._compute)

    def result(self, params: "Params") -> tuple[np.ndarray, float, int]:
        """(labels, radius, number of core points)."""
        search = self._once.get("all", self._compute)[params]
        if search is None:
            raise ValueError(
                f"the radius at eps_quantile = {params.eps_quantile} is 0: that share of the samples has duplicates"
            )
        return search.labels(), search.radius, int(search.core.sum())

    def _compute(self) -> dict["Params", "_Search | None"]:
        points = distances.Points(self._x)
        reach = _reach(points, sorted({params.min_samples for params in self._asked}))
        found: dict[Params, _Search | None] = {}
        for params in self._asked:
            own = reach[params.min_samples]
            radius = _radius(params, own)
            found[params] = _Search(radius, own <= radius * radius) if radius > 0 else None
        searches = [search for search in found.values() if search]
        for start, stop, block in points.blocks():
            for search in searches:
                search.add(start, stop, block)
        return found


def _reach(points: distances.Points, ranks: list[int]) -> dict[int, np.ndarray]:
    """Squared distance of each row to its neighbour of each rank, the row itself being the first."""
    if not ranks:
        return {}
    places = [rank - 1 for rank in ranks]
    spans = distances.spans(len(points.rows), len(points.rows))
    parts = threads.in_order(lambda span: np.partition(points.squared(*span), places, axis=1)[:, places], spans)
    return dict(zip(ranks, np.concatenate(list(parts)).T, strict=True))


def _radius(params: "Params", reach: np.ndarray) -> float:
    if params.eps is not None:
        return params.eps
    quantile = float(np.quantile(np.sqrt(reach), params.eps_quantile))
    return float(Context(prec=RADIUS_DIGITS, rounding=ROUND_CEILING).create_decimal(quantile))


class _Search:
    """Clusters at one radius, grown block by block: a representative per row and the pairs of border and core."""

    def __init__(self, radius: float, core: np.ndarray):
        self.radius, self.core = radius, core
        self._parts = np.arange(len(core))
        self._border: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, start: int, stop: int, block: np.ndarray) -> None:
        """Take in the squared distances of rows `start` to `stop` to all rows."""
        near = block <= self.radius * self.radius
        near &= self.core[None, :]
        here = self.core[start:stop]
        own, other = np.nonzero(near[~here])
        self._border.append((np.flatnonzero(~here)[own] + start, other))
        self._join(np.flatnonzero(here) + start, near[here, :stop])

    def _join(self, rows: np.ndarray, near: np.ndarray) -> None:
        """Join the parts of core `rows` with those of the core points `near` them among the rows seen so far."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        size = int(self._parts.max()) + 1
        touched = np.zeros((len(rows), size), dtype=bool)
        own, other = np.nonzero(near)
        touched[own, self._parts[other]] = True
        own, part = np.nonzero(touched)
        pairs = (np.ones(len(own), dtype=np.int8), (self._parts[rows[own]], part))
        joined = coo_array(pairs, shape=(size, size))
        self._parts = connected_components(joined, directed=False)[1][self._parts]

    def labels(self) -> np.ndarray:
        """Labels in scikit-learn's order; -1 is noise."""
        found = np.full(len(self.core), -1, dtype=np.int64)
        parts, first, codes = np.unique(self._parts[self.core], return_index=True, return_inverse=True)
        rank = np.empty(len(parts), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(parts))
        found[self.core] = rank[codes]
        border = np.concatenate([pair[0] for pair in self._border])
        reached = found[np.concatenate([pair[1] for pair in self._border])]
        lowest = np.full(len(self.core), len(parts), dtype=np.int64)
        np.minimum.at(lowest, border, reached)
        taken = lowest < len(parts)
        found[taken] = lowest[taken]
        return found
