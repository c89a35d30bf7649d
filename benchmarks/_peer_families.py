"""What `peers.py` measures: families of the engine, and how a user of each peer computes the same."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import _features
import numpy as np

from backbench import plugins
from backbench.metrics.near import Near

PLAIN, INTELEX, FAST = "scikit-learn", "scikit-learn-intelex", "fast_hdbscan"
# Of the distances to the fourth other row: what DBSCAN's eight radii are.
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9)
KS, FEW_KS = tuple(range(2, 16)), (2, 5, 10, 15)
# Columns up to which full covariances are measured.
MOST_FULL = 100
Options = dict[str, Any]
KINDS = {"clustering": "clusterer", "classification": "classifier"}
# Whether a peer's members run beside each other on one core each, the way that is faster.
IN_TURN, ALONE = {PLAIN: False, INTELEX: False}, {PLAIN: False}


@dataclass(frozen=True)
class Grid:
    """A family: one plugin with each of `options` and each of `ks`.

    `peers` have estimators for it. `quantiles` give radii as numbers, which all sides understand. `needs` is a module
    without which the engine has none of it.
    """

    kind: str
    plugin: str
    peers: Mapping[str, bool]
    options: tuple[Options, ...] = ({},)
    ks: tuple[int, ...] = ()
    quantiles: tuple[float, ...] = ()
    shapes: tuple[str, ...] = ("narrow", "wide", "digits")
    needs: str | None = None

    def there(self, shape: str) -> bool:
        """Whether the family is measured on a shape, here."""
        return shape in self.shapes and (self.needs is None or importlib.util.find_spec(self.needs) is not None)

    def loop(self, peer: str) -> str:
        """The function of `_loops` by which a user of the peer fits a member, or all of them."""
        if self.plugin == "agglomerative":
            return "cached_trees"
        return FAST if peer == FAST else self.plugin

    def members(self, x: np.ndarray) -> list[dict[str, Any]]:
        """The members on rows (n, d), as the stages take them."""
        if self.kind == "retrieval":
            return [{**_features.conf("retrieval", self.plugin), "search": "exact"}]
        kind = KINDS[self.kind]
        axes: Options = {"seed": 0} if "seed" in plugins.load(kind, self.plugin).AXES else {}
        axes |= {"scope": "all"} if self.kind == "clustering" else {}
        radii = [{"eps": radius, "eps_quantile": None} for radius in _radii(x, self.quantiles)]
        options = [{**_features.conf(kind, self.plugin), **changed} for changed in radii or self.options]
        ks: Sequence[Options] = [{"k": k} for k in self.ks] or [{}]
        return [{kind: each, **axes, **k} for each in options for k in ks]


@dataclass(frozen=True)
class Together:
    """The members of several families in one job, as a sweep computes those of a matrix; no peer shares anything."""

    kind: str
    grids: tuple[Grid, ...]

    def there(self, shape: str) -> bool:
        """Whether it is measured on a shape: not in a trial."""
        return shape != "digits"

    def members(self, x: np.ndarray) -> list[dict[str, Any]]:
        """The members on rows (n, d) of those families that a sweep of so many columns has."""
        wide = x.shape[1] > MOST_FULL
        return [member for grid in self.grids if not wide or "wide" in grid.shapes for member in grid.members(x)]


def _radii(x: np.ndarray, quantiles: Sequence[float]) -> list[float]:
    """Radii as quantiles of the distances to the fourth other row."""
    if not quantiles:
        return []
    ranked = Near(x).nearest("euclidean", 4)[1][:, 3]
    return [float(f"{value:.4g}") for value in np.quantile(ranked, quantiles)]


def _varied(option: str, *values: Any, **fixed: Any) -> tuple[Options, ...]:
    return tuple({option: value, **fixed} for value in values)


def _clustering(plugin: str, peers: Mapping[str, bool], **more: Any) -> Grid:
    return Grid("clustering", plugin, peers, **more)


def _classification(plugin: str, peers: Mapping[str, bool], *options: Options, **more: Any) -> Grid:
    return Grid("classification", plugin, peers, options or ({},), **more)


def _mixture(covariances: str, ks: tuple[int, ...], **more: Any) -> Grid:
    # The peer has the k-means that it starts from
    peers = {PLAIN: True, INTELEX: True}
    return _clustering("gaussian_mixture", peers, options=({"covariance_type": covariances},), ks=ks, **more)


def _hdbscan(*options: Options) -> Grid:
    return _clustering("hdbscan", {PLAIN: False, FAST: False}, options=options)


SIZES = ((10, "eom"), (25, "eom"), (50, "eom"), (25, "leaf"))
SELECTED = tuple({"min_cluster_size": size, "min_samples": 5, "cluster_selection_method": how} for size, how in SIZES)
TREES = _varied("n_estimators", 50, 100, 200, 400)
FAMILIES: dict[str, Grid | Together] = {
    "k-means": _clustering("kmeans", {PLAIN: True, INTELEX: True}, ks=KS),
    "k-means, single": _clustering("kmeans", IN_TURN, ks=(10,)),
    "DBSCAN": _clustering("dbscan", IN_TURN, quantiles=QUANTILES),
    "DBSCAN, single": _clustering("dbscan", IN_TURN, quantiles=(0.5,)),
    "HDBSCAN": _hdbscan(*SELECTED),
    "HDBSCAN, single": _hdbscan(SELECTED[1]),
    "Gaussian mixture, diag": _mixture("diag", KS),
    "Gaussian mixture, spherical": _mixture("spherical", FEW_KS),
    "Gaussian mixture, tied": _mixture("tied", FEW_KS, shapes=("narrow", "digits")),
    "Gaussian mixture, full": _mixture("full", FEW_KS, shapes=("narrow", "digits")),
    "ward": _clustering("agglomerative", {PLAIN: True}, ks=KS),
    "average": _clustering("agglomerative", {PLAIN: True}, options=({"linkage": "average"},), ks=KS),
    "spectral": _clustering("spectral", {PLAIN: True}, ks=KS),
    "k-NN": _classification("knn", IN_TURN, *_varied("n_neighbors", 1, 3, 5, 7, 9, 15, 21, 31)),
    "k-NN, single": _classification("knn", IN_TURN),
    "SVM": _classification("svm", {PLAIN: True, INTELEX: False}, *_varied("C", 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)),
    "SVM, single": _classification("svm", IN_TURN),
    "random forest": _classification("random_forest", IN_TURN, *TREES),
    "random forest, single": _classification("random_forest", IN_TURN),
    "random forest (onedal)": _classification(
        "random_forest", IN_TURN, *({**trees, "engine": "onedal"} for trees in TREES), needs="sklearnex"
    ),
    "LDA, 5 shrinkages": _classification("lda", ALONE, *_varied("shrinkage", 0.01, 0.05, 0.1, 0.3, 0.7, solver="lsqr")),
    "LDA, svd": _classification("lda", ALONE),
    "nearest centroid": _classification("nearest_centroid", ALONE, *_varied("shrink_threshold", None, 0.1, 0.5, 1.0)),
    "nearest centroid, single": _classification("nearest_centroid", ALONE),
    "precision@10": Grid("retrieval", "cosine", IN_TURN),
}
CLUSTERINGS = "all clusterings in one job"
FAMILIES[CLUSTERINGS] = Together(
    "clustering",
    tuple(
        grid
        for name, grid in FAMILIES.items()
        if isinstance(grid, Grid) and grid.kind == "clustering" and "single" not in name
    ),
)
