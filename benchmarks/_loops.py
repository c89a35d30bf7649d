"""The grids of `sweep.py` and `peers.py` as plain loops over estimators: what a competent user writes, on all cores.

Estimators that take ``n_jobs`` get -1; fits of the others, and the scores, run beside each other with joblib. Options
are those of the plugin's YAML, features float32, results stay in memory. Imports no backbench.
"""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed

TRAIN, VALIDATION, TEST = 0, 1, 2
SVC_CACHE_MB = 1000
# Columns above which scikit-learn's HDBSCAN measures all pairs.
WIDE = 100
Config = Mapping[str, Any]


def kmeans(x: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.cluster import KMeans

    options = _options(config, "clusterer", "init", "n_init", "max_iter", "tol", "algorithm")
    return KMeans(config["k"], random_state=config["seed"], **options).fit_predict(x)


def agglomerative(x: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.cluster import AgglomerativeClustering

    return AgglomerativeClustering(config["k"], **_options(config, "clusterer", "linkage", "metric")).fit_predict(x)


def dbscan(x: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.cluster import DBSCAN

    return DBSCAN(n_jobs=-1, **_options(config, "clusterer", "eps", "min_samples", "metric")).fit_predict(x)


def hdbscan(x: np.ndarray, config: Config) -> np.ndarray:
    """By all pairs of wide rows, for which the search trees take minutes."""
    from sklearn.cluster import HDBSCAN

    options = {key: value for key, value in config["clusterer"].items() if key != "name"}
    algorithm = "brute" if x.shape[1] > WIDE else "auto"
    return HDBSCAN(algorithm=algorithm, n_jobs=-1, copy=True, **options).fit_predict(x)


def fast_hdbscan(x: np.ndarray, config: Config) -> np.ndarray:
    from fast_hdbscan import HDBSCAN

    options = _options(config, "clusterer", "min_cluster_size", "cluster_selection_method")
    # It does not count the row itself
    return HDBSCAN(min_samples=config["clusterer"]["min_samples"] - 1, **options).fit_predict(x)


def gaussian_mixture(x: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.mixture import GaussianMixture

    names = ("covariance_type", "reg_covar", "n_init", "max_iter", "tol", "init_params")
    options = _options(config, "clusterer", *names)
    return GaussianMixture(config["k"], random_state=config["seed"], **options).fit_predict(x)


def spectral(x: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.cluster import SpectralClustering

    options = _options(config, "clusterer", "affinity", "n_neighbors", "assign_labels", "n_init", "eigen_tol", "gamma")
    return SpectralClustering(config["k"], random_state=config["seed"], **options).fit_predict(x)


def knn(train_x: np.ndarray, train_y: np.ndarray, queries: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.neighbors import KNeighborsClassifier

    options = _options(config, "classifier", "n_neighbors", "metric", "weights")
    return KNeighborsClassifier(n_jobs=-1, **options).fit(train_x, train_y).predict(queries)


def svm(train_x: np.ndarray, train_y: np.ndarray, queries: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.svm import SVC

    options = _options(config, "classifier", "kernel", "C", "gamma", "tol", "shrinking")
    return SVC(cache_size=SVC_CACHE_MB, **options).fit(train_x, train_y).predict(queries)


def random_forest(train_x: np.ndarray, train_y: np.ndarray, queries: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    options = {key: value for key, value in config["classifier"].items() if key not in ("name", "engine")}
    model = RandomForestClassifier(n_jobs=-1, random_state=config["seed"], **options)
    return model.fit(train_x, train_y).predict(queries)


def lda(train_x: np.ndarray, train_y: np.ndarray, queries: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    options = _options(config, "classifier", "solver", "shrinkage", "tol")
    return LinearDiscriminantAnalysis(**options).fit(train_x, train_y).predict(queries)


def nearest_centroid(train_x: np.ndarray, train_y: np.ndarray, queries: np.ndarray, config: Config) -> np.ndarray:
    from sklearn.neighbors import NearestCentroid

    options = _options(config, "classifier", "metric", "shrink_threshold")
    return NearestCentroid(**options).fit(train_x, train_y).predict(queries)


def cosine(x: np.ndarray, config: Config) -> np.ndarray:
    """The ten nearest rows of each, itself left out."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=10, metric=config["metric"], n_jobs=-1).fit(x).kneighbors()[1]


# Fits that leave cores idle when they run one after the other, and k-means, whose own threads gain less than that.
BESIDE = (kmeans, agglomerative, gaussian_mixture, spectral, svm)


def of(name: str, peer: str) -> Callable[..., Any]:
    """The function of this name, with the estimators of a peer (the name of a distribution) in scikit-learn's place."""
    return partial(_patched, globals()[name]) if peer == "scikit-learn-intelex" else globals()[name]


def _patched(function: Callable[..., Any], *arguments: Any) -> Any:
    """In whichever process it is called: a patch is known to its own process alone."""
    from sklearnex import patch_sklearn

    patch_sklearn(verbose=False)
    return function(*arguments)


def fits(
    fit: Callable[..., np.ndarray], rows: tuple[np.ndarray, ...], configs: list[Config], beside: bool
) -> list[np.ndarray]:
    """The labels of each member, fitted one core each beside each other, or one after the other on all cores."""
    if beside:
        return Parallel(n_jobs=-1)(delayed(fit)(*rows, config) for config in configs)
    return [fit(*rows, config) for config in configs]


def cached_trees(x: np.ndarray, configs: list[Config]) -> list[np.ndarray]:
    """Agglomerative clustering by one who knows of ``memory``: the tree is built once and cut at each k."""
    from sklearn.cluster import AgglomerativeClustering

    with tempfile.TemporaryDirectory() as folder:
        return [
            AgglomerativeClustering(
                config["k"],
                memory=folder,
                compute_full_tree=True,
                **_options(config, "clusterer", "linkage", "metric"),
            ).fit_predict(x)
            for config in configs
        ]


def scores(
    x: np.ndarray, truth: np.ndarray, found: list[np.ndarray], peer: str = "scikit-learn"
) -> list[dict[str, float]]:
    """Internal and external metrics of each labeling."""
    return Parallel(n_jobs=-1)(delayed(of("scored", peer))(x, truth, labels) for labels in found)


def scored(x: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Metrics of one labeling: internal ones without the noise; in NMI, AMI and ARI each noise point is a cluster."""
    from scipy.optimize import linear_sum_assignment
    from sklearn import metrics

    kept = labels >= 0
    values = {}
    if 1 < len(np.unique(labels[kept])) < kept.sum():
        rows, own = (x, labels) if kept.all() else (x[kept], labels[kept])
        values["silhouette"] = metrics.silhouette_score(rows, own)
        values["davies_bouldin"] = metrics.davies_bouldin_score(rows, own)
        values["calinski_harabasz"] = metrics.calinski_harabasz_score(rows, own)
    single = np.where(kept, labels, len(labels) + np.arange(len(labels)))
    values["nmi"] = metrics.normalized_mutual_info_score(truth, single)
    values["ami"] = metrics.adjusted_mutual_info_score(truth, single)
    values["ari"] = metrics.adjusted_rand_score(truth, single)
    table = metrics.cluster.contingency_matrix(truth[kept], labels[kept]) if kept.any() else np.zeros((1, 1))
    values["purity"] = table.max(axis=0).sum() / len(labels)
    values["cluster_accuracy"] = table[linear_sum_assignment(table, maximize=True)].sum() / len(labels)
    return {name: float(value) for name, value in values.items()}


def precision(truth: np.ndarray, nearest: np.ndarray) -> dict[str, float]:
    """Share of the nearest rows (n, 10) that are of the query's class."""
    return {"precision_at_10": float((truth[nearest] == truth[:, None]).mean())}


def accuracy(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    from sklearn import metrics

    return {
        "accuracy": metrics.accuracy_score(truth, found),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, found),
        "macro_f1": metrics.f1_score(truth, found, average="macro"),
    }


def _options(config: Config, kind: str, *names: str) -> dict[str, Any]:
    """Those options of the plugin that are set."""
    return {name: config[kind][name] for name in names if config[kind].get(name) is not None}
