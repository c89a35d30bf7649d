"""Metrics of the clusterings against k, by feature space and clusterer."""

import math
from collections.abc import Sequence

from backbench.evaluate.candidates import Candidate, Representation
from backbench.metrics import catalogue
from backbench.pictures import _spaces
from backbench.pictures.source import Sweep
from backbench.plots import Picture

TITLE = "Metrics against the number of clusters"
CATEGORY = "Sweep"
ORDER = 20
SPACES, LINES = 4, 14
LABELLED = catalogue.checked("silhouette", "davies_bouldin", "nmi", "cluster_accuracy")
UNLABELLED = catalogue.checked("silhouette", "davies_bouldin", "calinski_harabasz", "inertia")


def lacks(sweep: Sweep) -> str | None:
    """Why there is nothing to draw."""
    found = _spaces.clustered(sweep.rows)
    if not found:
        return "no clustering is done"
    ks = max(len({one.k for one in own.candidates if one.k is not None}) for own in found)
    if ks < 2:
        return f"clusterings with {ks or 'no'} value of k; a curve takes two"
    metrics = LABELLED if _spaces.labelled(found) else UNLABELLED
    every = [one for own in found for one in own.candidates]
    if all(math.isnan(one.value(metric)) for one in every for metric in metrics):
        return f"no metric of them is defined: {next(iter(every[0].notes.values()), 'no reason is recorded')}"
    return None


def draw(sweep: Sweep) -> Picture:
    """Small multiples: a column for each feature space, a row for each metric."""
    from backbench.plots import by_k

    found = _spaces.clustered(sweep.rows)
    metrics = LABELLED if _spaces.labelled(found) else UNLABELLED
    shown, left_out = _spaces.few(found, SPACES)
    kept, dropped = _lines(shown, metrics)
    points = [_point(own, one, metrics) for own in shown for one in own.candidates if _line(one) in kept]
    caption = (
        "Each line is a clusterer, the mean over its seeds with a band from the least to the greatest; short strokes "
        "are clusterings that found their number of clusters themselves, arrows at the edge those with still more. "
        "What is measured in a feature space (silhouette, Davies-Bouldin and the like) is compared down a column only."
    )
    return by_k.draw(sweep.heading(TITLE), points, metrics, caption + left_out + dropped + _spaces.estimated(shown))


def _line(one: Candidate) -> str:
    """Families are lines; all clusterings that find k themselves share the name of their clusterer."""
    return one.clusterer if one.k is None else one.family


def _lines(shown: Sequence[Representation], metrics: Sequence[str]) -> tuple[set[str], str]:
    """The lines that there is room for: those that are best by the metric that compares across spaces."""
    metric = next((name for name in metrics if catalogue.metric(name).across), metrics[0])
    best: dict[str, float] = {}
    for own in shown:
        for one in own.candidates:
            value = one.value(metric)
            best[_line(one)] = max(best.get(_line(one), -2.0), -2.0 if value != value else value)
    names = sorted(best, key=lambda name: (-best[name], name))
    if len(names) <= LINES:
        return set(names), ""
    words = catalogue.metric(metric).words
    return set(names[:LINES]), f" {LINES} of {len(names)} clusterers and options are shown, the best by {words}."


def _point(own: Representation, one: Candidate, metrics: Sequence[str]):
    from backbench.plots.by_k import Point

    clusters = one.clusters if one.k is None else float(one.k)
    values = {metric: one.value(metric) for metric in metrics}
    return Point(own.title, _line(one), clusters, one.k is not None, one.seed, values)
