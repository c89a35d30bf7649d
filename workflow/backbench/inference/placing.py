"""Which cluster a new image belongs to: one rule for each kind of clusterer.

- ``centres`` (k-means and its mini-batch form): the cluster whose centre, the mean of its members, is nearest.
- ``component`` (Gaussian mixtures): the component with the highest posterior probability; the mixture is fitted again.
- ``core`` (DBSCAN): the cluster of the nearest core point within the radius, else noise.
- ``reach`` (HDBSCAN, OPTICS, PLSCAN): the cluster of the nearest member, else noise where that is farther away than any
  member of that cluster is from its own nearest member.
- ``members`` (agglomerative, BIRCH, spectral, FINCH, Leiden and others): the cluster of the nearest member.

Under every rule a row that equals a member, but for rounding, belongs to its cluster. A plugin may name its
own rule in `PLACEMENT`.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backbench import plugins
from backbench.inference import _umap, skops_files
from backbench.inference.nearby import Nearby

if TYPE_CHECKING:
    import numpy as np


CENTRES, COMPONENT, CORE, REACH, MEMBERS = "centres", "component", "core", "reach", "members"
RULES = {
    "kmeans": CENTRES,
    "minibatch_kmeans": CENTRES,
    "gaussian_mixture": COMPONENT,
    "dbscan": CORE,
    "hdbscan": REACH,
    "optics": REACH,
}
NOISE = -1


@dataclass(frozen=True)
class Placed:
    """Clusters (n,) int64 of rows, -1 for noise, and their Euclidean distances (n,) to the centre, NaN for noise."""

    clusters: "np.ndarray"
    distances: "np.ndarray"


@dataclass(frozen=True)
class Placement:
    """The members (m, d) of a clustering with their clusters (m,), and what its rule needs.

    `numbers` (c,) are the clusters and `centres` (c, d) the means of their members. `reach` (m,) is how near a new row
    has to come to a member, infinite under rules without a limit; `core` (m,) marks the members that take in new rows.
    """

    rule: str
    metric: str
    members: "np.ndarray"
    clusters: "np.ndarray"
    numbers: "np.ndarray"
    centres: "np.ndarray"
    core: "np.ndarray"
    reach: "np.ndarray"
    mixture: Any = None

    def __call__(self, queries: "np.ndarray") -> Placed:
        """The cluster of each row (n, d)."""
        import numpy as np

        if not len(queries) or not len(self.members):
            return Placed(np.full(len(queries), NOISE, np.int64), np.full(len(queries), np.nan))
        near, lengths = _first(self._members, queries)
        same = _umap.equal(queries, lengths, self.metric)
        clusters = np.where(same, self.clusters[near], self._by_rule(queries, near, lengths))
        return Placed(clusters, self._to_centre(queries, clusters))

    def _by_rule(self, queries: "np.ndarray", near: "np.ndarray", lengths: "np.ndarray") -> "np.ndarray":
        """The clusters (n,) of rows (n, d) whose nearest members (n,) are at these distances (n,)."""
        import numpy as np

        if self.rule == CENTRES and len(self.centres):
            return self.numbers[_first(self._centres, queries)[0]]
        if self.rule == COMPONENT and self.mixture is not None:
            return self.numbers[self.mixture.predict(queries.astype(np.float64))]
        if not len(self._taking):
            return np.full(len(queries), NOISE, np.int64)
        if len(self._taking) < len(self.core):
            near, lengths = _first(self._core, queries)
            near = self._taking[near]
        return np.where(lengths <= self.reach[near], self.clusters[near], NOISE)

    @cached_property
    def _members(self) -> Nearby:
        return Nearby(self.members, self.metric)

    @cached_property
    def _centres(self) -> Nearby:
        return Nearby(self.centres, self.metric)

    @cached_property
    def _taking(self) -> "np.ndarray":
        """Numbers (c,) of the members that take in new rows."""
        import numpy as np

        return np.flatnonzero(self.core)

    @cached_property
    def _core(self) -> Nearby:
        return Nearby(self.members[self._taking], self.metric)

    def _to_centre(self, queries: "np.ndarray", clusters: "np.ndarray") -> "np.ndarray":
        """Distances (n,) of rows (n, d) to the centres of their clusters (n,)."""
        import numpy as np

        lengths = np.full(len(queries), np.nan)
        inside = np.isin(clusters, self.numbers)
        places = np.searchsorted(self.numbers, clusters[inside])
        gaps = queries[inside].astype(np.float64) - self.centres[places]
        lengths[inside] = np.sqrt((gaps * gaps).sum(axis=1))
        return lengths


def _first(among: Nearby, queries: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """The nearest row to each query (n, d), and its distance, both (n,)."""
    near, lengths = among(queries, 1)
    return near[:, 0], lengths[:, 0]


def rule(name: str) -> str:
    """The rule of a clusterer: its own, or that of its kind."""
    chosen: str = getattr(plugins.load("clusterer", name), "PLACEMENT", RULES.get(name, MEMBERS))
    return chosen


def fit(config: Mapping[str, Any], info: Mapping[str, Any], rows: "np.ndarray", clusters: "np.ndarray") -> Placement:
    """The placement of new rows in a clustering.

    Parameters
    ----------
    config : the configuration of the clustering: ``clusterer`` with its options, perhaps ``k`` and ``seed``
    info : what its record says
    rows, clusters : the rows (m, d) float32 that were clustered together, and their clusters (m,), -1 for noise
    """
    import numpy as np

    name = config["clusterer"]["name"]
    kind, metric = rule(name), config["clusterer"].get("metric") or "euclidean"
    numbers = np.unique(clusters[clusters >= 0])
    centres = np.array([rows[clusters == number].mean(axis=0, dtype=np.float64) for number in numbers])
    core, reach = np.ones(len(rows), bool), np.full(len(rows), np.inf)
    if kind == CORE:
        core, reach = _dense(rows, clusters, float(info["eps"]), config["clusterer"]["min_samples"])
    elif kind == REACH:
        core, reach = _reach(rows, clusters, metric)
    mixture = _mixture(config, rows, clusters) if kind == COMPONENT else None
    whole = np.ascontiguousarray(rows), clusters.astype(np.int64), numbers.astype(np.int64)
    return Placement(kind, metric, *whole, centres.reshape(len(numbers), rows.shape[1]), core, reach, mixture)


def pack(placement: Placement) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """A placement as plain JSON and arrays (m, ...)."""
    names = ("members", "clusters", "numbers", "centres", "core", "reach")
    arrays = {f"placement.{name}": getattr(placement, name) for name in names}
    if placement.mixture is not None:
        arrays["placement.mixture"] = skops_files.dumps(placement.mixture)
    return {"rule": placement.rule, "metric": placement.metric}, arrays


def unpack(about: Mapping[str, Any], arrays: "Mapping[str, np.ndarray]") -> Placement:
    """The placement that :func:`pack` made arrays (m, ...) of."""
    given = {name.removeprefix("placement."): array for name, array in arrays.items() if name.startswith("placement.")}
    mixture = given.pop("mixture", None)
    return Placement(
        about["rule"], about["metric"], **given, mixture=None if mixture is None else skops_files.loads(mixture)
    )


def _dense(rows: "np.ndarray", clusters: "np.ndarray", eps: float, least: int) -> tuple["np.ndarray", "np.ndarray"]:
    """Which rows (m, d) are core points, (m,), and the radius, (m,)."""
    import numpy as np

    from backbench.metrics import neighbours

    others = min(least - 1, len(rows) - 1)
    core = clusters >= 0
    if others > 0:
        core &= neighbours.nearest(rows, rows, others, "euclidean", np.arange(len(rows)))[1][:, -1] <= eps
    return core, np.full(len(rows), eps)


def _reach(rows: "np.ndarray", clusters: "np.ndarray", metric: str) -> tuple["np.ndarray", "np.ndarray"]:
    """Which rows (m, d) belong to clusters (m,), and how far (m,) their cluster reaches from them."""
    import numpy as np

    core, reach = clusters >= 0, np.zeros(len(rows))
    for number in np.unique(clusters[core]):
        inside = np.flatnonzero(clusters == number)
        if len(inside) > 1:
            reach[inside] = Nearby(rows[inside], metric)(rows[inside], 2)[1][:, 1].max()
    return core, reach


def _mixture(config: Mapping[str, Any], rows: "np.ndarray", clusters: "np.ndarray") -> Any:
    """The mixture fitted again to rows (m, d), its components in the order of the clusters (m,).

    None where it gives the members other clusters than the stored ones, or a component has none: then the nearest
    member decides.
    """
    import numpy as np
    from sklearn.mixture import GaussianMixture

    options = {key: value for key, value in config["clusterer"].items() if key != "name"}
    x = rows.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whatever it warns of happened in the sweep too
        model = GaussianMixture(config["k"], **options, random_state=config.get("seed")).fit(x)
    components, numbers = model.predict(x), np.unique(clusters)
    order = [components[np.flatnonzero(clusters == number)[0]] for number in numbers]
    if sorted(order) != list(range(config["k"])):
        return None
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        if name in ("weights_", "means_") or model.covariance_type != "tied":
            setattr(model, name, getattr(model, name)[order])
    return model if (numbers[model.predict(x)] == clusters).all() else None
