"""Metrics in words: what stands at an axis, which end of it is the good one, and where its values may be compared."""

from backbench.plots._names import plain

UP, DOWN = 1, -1
# Name -> its words, its range where it has one, and the good end of it.
_WORDS = {
    "accuracy": ("test accuracy", "0 to 1", UP),
    "val_accuracy": ("validation accuracy", "0 to 1", UP),
    "balanced_accuracy": ("balanced test accuracy", "0 to 1", UP),
    "macro_f1": ("macro F1 on test", "0 to 1", UP),
    "nmi": ("NMI with the classes", "0 to 1", UP),
    "ari": ("ARI with the classes", "-0.5 to 1", UP),
    "cluster_accuracy": ("clustering accuracy", "0 to 1", UP),
    "purity": ("purity", "0 to 1", UP),
    "mean_majority_share": ("mean majority share", "0 to 1", UP),
    "silhouette": ("silhouette", "-1 to 1", UP),
    "silhouette_sampled": ("silhouette (sampled)", "-1 to 1", UP),
    "davies_bouldin": ("Davies-Bouldin index", "", DOWN),
    "calinski_harabasz": ("Calinski-Harabasz index", "", UP),
    "inertia": ("within-cluster sum of squares", "squared feature units", DOWN),
    "bic": ("Bayesian information criterion", "", DOWN),
    "stability": ("stability (mean pairwise ARI)", "-0.5 to 1", UP),
    "noise_fraction": ("share of noise", "0 to 1", 0),
    "clusters": ("number of clusters", "", 0),
}
_AT = {
    "precision_at_": "precision at ",
    "recall_at_": "recall at ",
    "hit_rate_at_": "hit rate at ",
    "map_at_": "mean average precision at ",
}
# What is measured in the feature space itself: values from different spaces say nothing of one another.
WITHIN_A_SPACE = frozenset(
    {"silhouette", "silhouette_sampled", "davies_bouldin", "calinski_harabasz", "inertia", "bic"}
)


def words(metric: str) -> str:
    """A metric by the name that people use; one that is not known by its own."""
    return _entry(metric)[0]


def better(metric: str) -> int:
    """`UP` where higher is better, `DOWN` where lower is, 0 where neither is."""
    return _entry(metric)[2]


def axis(metric: str) -> str:
    """What stands at the axis of a metric: its words, its range, and the good end of it."""
    name, unit, direction = _entry(metric)
    good = {UP: "higher is better", DOWN: "lower is better"}.get(direction, "")
    said = ", ".join(part for part in (unit, good) if part)
    return f"{name} ({said})" if said else name


def _entry(metric: str) -> tuple[str, str, int]:
    for prefix, said in _AT.items():
        if metric.startswith(prefix):
            return said + metric.removeprefix(prefix), "0 to 1", UP
    return _WORDS.get(metric, (plain(metric), "", 0))
