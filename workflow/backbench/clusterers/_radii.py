"""Clusters by density at many radii: one spanning tree of mutual reachability, cut at each radius.

A radius joins the core points that the tree joins by edges of at most that length: edges longer than the largest radius
are not looked for, nor those that are shortest below the smallest one. A point that is not a core point has fewer than
`min_samples` points within the radius, so all of them are among its neighbours in the graph.
"""

import contextlib
from collections.abc import Sequence
from decimal import ROUND_CEILING, Context
from typing import TYPE_CHECKING, Protocol

import numpy as np

from backbench import device, threads
from backbench.clusterers import _crossing, _reachability, _within

if TYPE_CHECKING:
    from backbench.metrics.near import Near

RADIUS_DIGITS = 6


class Density(Protocol):
    """The options that say how dense a cluster is: one of three ways to give the radius, and the points within it."""

    @property
    def eps(self) -> float | None: ...

    @property
    def eps_quantile(self) -> float | None: ...

    @property
    def eps_knee(self) -> bool: ...

    @property
    def min_samples(self) -> int: ...


class Shared:
    """The neighbours of all rows and a spanning tree for each `min_samples`."""

    def __init__(self, x: np.ndarray, densities: Sequence[Density], near: "Near"):
        """For rows (n, d) and the options of all members."""
        self._x, self._near = x, near
        self._densities, radii = densities, {density.eps for density in densities}
        self._eps = radii.pop() if len(radii) == 1 else None
        self._once = threads.Once()
        if self._once.attempt("pairs", self._pairs)[0] is None:
            self._once.attempt("all", self._compute)

    def result(self, params: Density) -> tuple[np.ndarray, float, int]:
        """Labels (n,), the radius, and the number of core points."""
        pairs = self._once.get("pairs", self._pairs)
        if pairs is not None and params.eps is not None and params.eps == self._eps:
            clusters, count = _within.labels(pairs, len(self._x), params.min_samples)
            return clusters, params.eps, count
        known, trees = self._once.get("all", self._compute)
        core = _reachability.core_distances(known, params.min_samples)
        radius = _radius(params, core)
        clusters = labels(known, trees[params.min_samples], core, radius, params.min_samples)
        return clusters, radius, int((core <= radius).sum())

    def _pairs(self) -> _within.Pairs | None:
        """The pairs within the radius, if it is the only one and no neighbours are known that answer it faster."""
        depth = max((density.min_samples for density in self._densities), default=1) - 1
        if self._eps is None or device.accelerated() or self._near.knows("euclidean", depth):
            return None
        return _within.pairs(self._x, self._eps)

    def _compute(self) -> tuple[_reachability.Graph, dict[int, _crossing.Edges]]:
        """The neighbour graph, two arrays (n, depth), and the tree of each rank as far as its radii need it."""
        known = _reachability.graph(self._near, sorted({density.min_samples for density in self._densities}))
        radii: dict[int, list[float]] = {density.min_samples: [] for density in self._densities}
        for density in self._densities:
            with contextlib.suppress(ValueError):  # raised again for the member that has no radius
                core = _reachability.core_distances(known, density.min_samples)
                radii[density.min_samples].append(_radius(density, core))
        ranges = {rank: (min(lengths), max(lengths)) for rank, lengths in radii.items() if lengths}
        return known, _reachability.forests(self._x, known, ranges)


def labels(
    known: _reachability.Graph,
    tree: _crossing.Edges,
    core_distances: np.ndarray,
    radius: float,
    min_samples: int,
) -> np.ndarray:
    """Labels (n,) in scikit-learn's order, from core distances (n,); -1 is noise."""
    core = core_distances <= radius
    clusters = _within.numbered(_parts(tree, radius, len(core)), core)
    count = int(clusters.max(initial=-1)) + 1
    border = np.flatnonzero(~core)
    near, apart = known[0][border, : min_samples - 1], known[1][border, : min_samples - 1]
    reached = np.where((apart <= radius) & core[near], clusters[near], count)
    lowest = reached.min(axis=1, initial=count)
    clusters[border] = np.where(lowest < count, lowest, -1)
    return clusters


def _parts(tree: _crossing.Edges, radius: float, n: int) -> np.ndarray:
    """Number (n,) of the part of each row when the tree's edges longer than `radius` are cut."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kept = int(np.searchsorted(tree.length, radius, side="right"))
    joined = coo_array((np.ones(kept, dtype=np.int8), (tree.a[:kept], tree.b[:kept])), shape=(n, n))
    return connected_components(joined, directed=False)[1]


def _radius(params: Density, core: np.ndarray) -> float:
    """The radius that is given, or read from the core distances (n,); each row is its own first neighbour."""
    if params.eps is not None:
        return params.eps
    if params.eps_quantile is None:
        radius, where = knee(core), "the knee"
    else:
        radius, where = float(np.quantile(core, params.eps_quantile)), f"eps_quantile = {params.eps_quantile}"
    if radius == 0:
        raise ValueError(
            f"the radius at {where} is 0: that share of the samples has duplicates; "
            "remove them, raise min_samples or give eps"
        )
    return float(Context(prec=RADIUS_DIGITS, rounding=ROUND_CEILING).create_decimal(radius))


def knee(values: np.ndarray) -> float:
    """The value where the curve of sorted `values` (n,) turns up: the highest peak of Kneedle's difference curve.

    Satopaa et al. 2011, section III. Kneedle itself takes the first peak that stands out from what follows; seen from
    the far end of these curves, that is often a gap between two outliers, which differs from sample to sample.
    """
    curve = np.sort(values)
    span = curve[-1] - curve[0]
    if len(curve) > 2 and span > 0:
        steps = np.linspace(0.0, 1.0, len(curve))
        under = steps - (curve - curve[0]) / span
        peak = int(under.argmax())
        if under[peak] > steps[1]:
            return float(curve[peak])
    raise ValueError(
        f"the sorted distances of {len(curve)} samples have no knee (they range from {curve[0]:g} to {curve[-1]:g} "
        "in a line); give eps or eps_quantile"
    )
