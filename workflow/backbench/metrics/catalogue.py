"""The catalogue of metrics: the name, direction, range and uses of each.

It has one entry for each metric that a stage records; everything that names, ranks, compares or formats metrics reads
it. A family such as ``precision_at_K`` is one entry for all depths. No stage imports this module: a new entry makes
no stored result stale. Standard library only, because planning and ``--help`` import it.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache, partial

from backbench.metrics import _spelling
from backbench.metrics._entry import (
    CLASSIFICATION,
    CLUSTERED,
    CLUSTERING,
    CLUSTERS,
    DISTANCES,
    DOWN,
    LABELS,
    NEIGHBOURS,
    NEITHER,
    PREDICTIONS,
    PROBABILITIES,
    QUERIES,
    REPLICATES,
    RETRIEVAL,
    SHARE,
    VALIDATION,
    K,
    Metric,
)
from backbench.metrics._entry import (
    TEST as TEST,
)
from backbench.metrics._entry import (
    UP as UP,
)
from backbench.schema import ConfigError, refuse

__all__ = [
    "CLASSIFICATION",
    "CLUSTERED",
    "CLUSTERING",
    "CLUSTERS",
    "COLUMNS",
    "DEPTH",
    "DISTANCES",
    "DOWN",
    "ELBOW",
    "ENTRIES",
    "ESTIMATES",
    "LABELS",
    "NEIGHBOURS",
    "NEITHER",
    "POLICIES",
    "PREDICTIONS",
    "PROBABILITIES",
    "QUERIES",
    "REPLICATES",
    "REPORTED",
    "RETRIEVAL",
    "SHARE",
    "TEST",
    "UNLABELLED",
    "UP",
    "VALIDATION",
    "Metric",
    "checked",
    "known",
    "main",
    "metric",
    "names",
    "ranking",
    "unknown",
    "with_estimate",
]

_internal = partial(Metric, task=CLUSTERING, images=CLUSTERED, needs=(CLUSTERS, DISTANCES), high=None, across=False)
_external = partial(Metric, task=CLUSTERING, images=CLUSTERED, needs=(CLUSTERS, LABELS))
_count = partial(Metric, task=CLUSTERING, images=CLUSTERED, needs=(CLUSTERS,), direction=NEITHER, source="")
_predicted = partial(
    Metric, task=CLASSIFICATION, images=TEST, needs=(LABELS, PREDICTIONS), resampled=REPLICATES, column=True
)
_probable = partial(
    Metric, task=CLASSIFICATION, images=TEST, needs=(LABELS, PROBABILITIES), resampled=REPLICATES, direction=DOWN
)
_ranked = partial(Metric, task=RETRIEVAL, images=QUERIES, needs=(LABELS, NEIGHBOURS), resampled=REPLICATES)

# In the order in which tables have them.
ENTRIES = (
    _internal(
        name="silhouette", title="silhouette", short="silhouette", low=-1, high=1, resampled=REPLICATES,
        policy=True, column=True, source="Rousseeuw 1987; sklearn.metrics.silhouette_score",
    ),
    _internal(
        name="davies_bouldin", title="Davies-Bouldin", about="index", short="DB", direction=DOWN, policy=True,
        column=True, source="Davies and Bouldin 1979; sklearn.metrics.davies_bouldin_score",
    ),
    _internal(
        name="calinski_harabasz", title="Calinski-Harabasz", about="index", short="CH", policy=True, column=True,
        source="Calinski and Harabasz 1974; sklearn.metrics.calinski_harabasz_score",
    ),
    _count(
        name="clusters", title="number of clusters", short="clusters", high=None, column=True,
        neither="more clusters are neither better nor worse",
    ),
    _count(
        name="noise_fraction", title="share of noise", short="noise", share=True, column=True,
        neither="noise points may be outliers or a failure, and most clusterers cannot leave any out",
    ),
    _count(
        name="largest_share", title="share of the largest cluster", short="largest", share=True, column=True,
        neither="a large cluster may be right, since classes may be unequal",
    ),
    _external(
        name="ami", title="AMI", about="with the classes", short="AMI", low=-1, resampled=REPLICATES, policy=True,
        column=True, source="Vinh et al. 2010; sklearn.metrics.adjusted_mutual_info_score",
    ),
    _external(
        name="ari", title="ARI", about="with the classes", short="ARI", low=-0.5, resampled=REPLICATES, policy=True,
        column=True, source="Hubert and Arabie 1985; sklearn.metrics.adjusted_rand_score",
    ),
    _external(
        name="cluster_accuracy", title="clustering accuracy", short="accuracy", share=True, resampled=REPLICATES,
        policy=True, column=True, source="Kuhn 1955; scipy.optimize.linear_sum_assignment",
    ),
    _external(
        name="nmi", title="NMI", about="with the classes", short="NMI", resampled=REPLICATES, policy=True, column=True,
        source="sklearn.metrics.normalized_mutual_info_score",
    ),
    _external(
        name="purity", title="purity", short="purity", share=True, resampled=REPLICATES, column=True,
        source="Manning et al. 2008",
    ),
    _external(
        name="mean_majority_share", title="mean majority share", short="majority", share=True, resampled=REPLICATES,
        column=True, source="",
    ),
    _predicted(
        name="accuracy", title="test accuracy", short="test", resampled=SHARE, share=True,
        source="sklearn.metrics.accuracy_score",
    ),
    _predicted(
        name="val_accuracy", title="validation accuracy", short="validation", images=VALIDATION, resampled=SHARE,
        share=True, source="sklearn.metrics.accuracy_score",
    ),
    _predicted(
        name="balanced_accuracy", title="balanced test accuracy", short="balanced", share=True,
        source="sklearn.metrics.balanced_accuracy_score",
    ),
    _predicted(
        name="macro_f1", title="macro F1", about="on test", short="macro F1", source="sklearn.metrics.f1_score",
    ),
    _probable(
        name="top_5_accuracy", title="accuracy of the first five", about="classes, on test", short="top 5",
        direction=UP, share=True, source="sklearn.metrics.top_k_accuracy_score",
    ),
    _probable(
        name="log_loss", title="log-loss", about="on test", short="log-loss", high=None, unit="nats",
        source="sklearn.metrics.log_loss",
    ),
    _probable(
        name="brier", title="Brier score", about="on test", short="Brier", high=2,
        source="Brier 1950; sklearn.metrics.brier_score_loss",
    ),
    _probable(
        name="ece", title="calibration error", about="on test (ECE)", short="ECE", resampled=None,
        source="Naeini et al. 2015; torchmetrics MulticlassCalibrationError",
    ),
    _ranked(
        name="precision_at_K", title="precision at K", short="P@K", share=True, column=True,
        source="Manning et al. 2008, 8.4",
    ),
    _ranked(
        name="hit_rate_at_K", title="hit rate at K", short="hit@K", share=True, resampled=SHARE, column=True,
        source="Jégou et al. 2011",
    ),
    _ranked(
        name="map_at_K", title="mean average precision at K", short="mAP@K", column=True,
        source="Philbin et al. 2007",
    ),
    _ranked(
        name="recall_at_K", title="recall at K", short="R@K", share=True, source="Manning et al. 2008, 8.4",
    ),
    _ranked(
        name="r_precision", title="R-precision", short="R-prec", resampled=None, share=True,
        option="retrieval.full=true", source="Manning et al. 2008, 8.4",
    ),
    _ranked(
        name="map_full", title="mean average precision", about="over all ranks", short="mAP", resampled=None,
        option="retrieval.full=true",
        source="Manning et al. 2008, 8.4; sklearn.metrics.average_precision_score",
    ),
    _ranked(
        name="map_revisited", title="mean average precision", about="over all ranks (trapezoidal rule)",
        short="mAP (trapezoidal)", resampled=None, option="retrieval.full=true",
        source="Philbin et al. 2007; Radenović et al. 2018",
    ),
    _ranked(
        name="search_recall", title="recall of the search", short="search", needs=(NEIGHBOURS, DISTANCES), share=True,
        resampled=None, source="Aumüller et al. 2020",
    ),
    _internal(
        name="inertia", title="within-cluster sum of squares", short="inertia", direction=DOWN,
        unit="squared feature units", source="sklearn.cluster.KMeans.inertia_",
    ),
    _internal(
        name="bic", title="Bayesian information criterion", short="BIC", direction=DOWN, low=None,
        source="Schwarz 1978; sklearn.mixture.GaussianMixture.bic",
    ),
    _internal(
        name="generalisation", title="generalisation", about="of linear classifiers (kappa)", short="generalisation",
        low=-1, high=1, source="Gadetsky et al. 2024; Cohen 1960",
    ),
    _internal(
        name="coding_length", title="coding length", short="coding", direction=DOWN, unit="bits per image",
        source="Ma et al. 2007; Chu et al. 2024",
    ),
    _count(
        name="stability", title="stability", about="(mean pairwise ARI)", short="stability", direction=UP, low=-0.5,
        source="Hubert and Arabie 1985",
    ),
    _internal(
        name="silhouette_sampled", title="silhouette", about="(sampled)", short="silhouette (sampled)", low=-1, high=1,
        estimates="silhouette", source="Rousseeuw 1987",
    ),
    _internal(
        name="silhouette_sampled_se", title="standard error of the silhouette", about="(sampled)", short="se", high=1,
        direction=NEITHER, neither="it measures the precision of the silhouette, not its quality",
        source="Cochran 1977",
    ),
)  # fmt: skip
# The depth at which tables show a family.
DEPTH = 10
# The metrics of each task that are reported if there are classes, the main one first.
REPORTED: Mapping[str, tuple[str, ...]] = {
    CLASSIFICATION: ("accuracy", "macro_f1"),
    CLUSTERING: ("ami", "ari", "cluster_accuracy", "silhouette"),
    RETRIEVAL: (f"precision_at_{DEPTH}", f"map_at_{DEPTH}"),
}
# The metric that clusterings are reported by if there are no classes.
UNLABELLED = "silhouette"
# The metric whose knee over k is the elbow.
ELBOW = "inertia"

_BY_NAME = {entry.name: entry for entry in ENTRIES if not entry.family}
_FAMILIES = {entry.name.removesuffix(K): entry for entry in ENTRIES if entry.family}
_NAME = re.compile(r"(.*_)([1-9]\d*)")
COLUMNS = tuple(entry.at(DEPTH).name if entry.family else entry.name for entry in ENTRIES if entry.column)
# The estimate of each metric that may be too expensive to compute in full.
ESTIMATES = {entry.estimates: entry.name for entry in ENTRIES if entry.estimates}
POLICIES = tuple(entry.name for entry in ENTRIES if entry.policy)


@cache
def metric(name: str, where: str = "metric") -> Metric:
    """The entry of a metric.

    Raises
    ------
    ConfigError
        If there is no such metric; the error begins with `where` and suggests the nearest name.
    """
    entry = _entry(name)
    if entry is None:
        raise unknown(where, name, names(_depth(_spelling.meant(name) or name)))
    return entry


def unknown(where: str, name: str, allowed: Sequence[str]) -> ConfigError:
    """The error for a name that is none of the `allowed` ones; it knows what metrics are called elsewhere."""
    other = _spelling.meant(name)
    family = re.sub(r"\d+$", K, other or "")
    error = refuse(where, name, allowed, next((text for text in (other, family) if text in allowed), None))
    entry = _entry(other or name)
    if entry is None or entry.name in allowed:
        return error
    option = f"; {entry.option} gives it" if entry.option else ""
    return ConfigError(
        f"{error} {entry.words[0].upper()}{entry.words[1:]} is {entry.name!r}, which no run has{option}."
    )


def known(name: str) -> bool:
    """Whether there is a metric of this name."""
    return _entry(name) is not None


def names(depth: int | None = None) -> list[str]:
    """Every name; families at `depth`, or with `K` if that is None."""
    return [entry.at(depth).name if entry.family and depth else entry.name for entry in ENTRIES]


def checked(*wanted: str) -> tuple[str, ...]:
    """These names, if each is the name of a metric.

    Raises
    ------
    ConfigError
        If one is unknown.
    """
    return tuple(metric(name).name for name in wanted)


def main(task: str) -> str:
    """The main metric of a task if there are classes."""
    return REPORTED[task][0]


def with_estimate(name: str) -> tuple[str, ...]:
    """A metric, and its estimate if it has one."""
    return (name, ESTIMATES[name]) if name in ESTIMATES else (name,)


def ranking(name: str, among: Sequence[str], where: str = "metric") -> Metric:
    """The entry of a metric by which results can be ranked.

    Raises
    ------
    ConfigError
        If there is no such metric, or it has no direction; the error names those of `among` that have one.
    """
    entry = metric(name, where)
    if entry.direction == NEITHER:
        others = ", ".join(other for other in among if metric(other).direction != NEITHER)
        raise ConfigError(
            f"{where}: received {name!r}, which cannot rank results: {entry.neither}. "
            f"Metrics that can: {others or ', '.join(REPORTED[entry.task])}."
        )
    return entry


def _entry(name: str) -> Metric | None:
    if name in _BY_NAME:
        return _BY_NAME[name]
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in _FAMILIES:
        return None
    return _FAMILIES[match[1]].at(int(match[2]))


def _depth(name: str) -> int:
    """The depth that a name ends with, 0 for none."""
    match = _NAME.fullmatch(name)
    return int(match[2]) if match else 0
