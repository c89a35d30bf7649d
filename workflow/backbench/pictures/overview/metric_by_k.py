"""Metrics of the clusterings against k, by feature space and clusterer."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbench.evaluate.candidates import Candidate, Representation
from backbench.metrics import catalogue
from backbench.pictures import _spaces
from backbench.pictures.source import Sweep
from backbench.plots import Picture

if TYPE_CHECKING:
    from backbench.plots.by_k import Point

TITLE = "Metrics against the number of clusters"
CATEGORY = "Sweep"
ORDER = 20
SPACES, LINES = 4, 14
LABELLED = catalogue.checked("silhouette", "davies_bouldin", "ami", "cluster_accuracy")
UNLABELLED = catalogue.checked("silhouette", "davies_bouldin", "calinski_harabasz", "inertia")


def lacks(sweep: Sweep) -> str | None:
    """Why there is nothing to draw."""
    spaces = _spaces.clustered(sweep.rows)
    if not spaces:
        return "no clustering is done"
    ks = max(len({candidate.k for candidate in space.candidates if candidate.k is not None}) for space in spaces)
    if ks < 2:
        return f"clusterings with {ks or 'no'} value of k; a curve needs two"
    metrics = LABELLED if _spaces.labelled(spaces) else UNLABELLED
    every = [candidate for space in spaces for candidate in space.candidates]
    if all(math.isnan(candidate.value(metric)) for candidate in every for metric in metrics):
        return f"none of their metrics is defined: {next(iter(every[0].notes.values()), 'no reason is recorded')}"
    return None


def draw(sweep: Sweep) -> Picture:
    """Small multiples: a column for each feature space, a row for each metric."""
    from backbench.plots import by_k

    spaces = _spaces.clustered(sweep.rows)
    metrics = LABELLED if _spaces.labelled(spaces) else UNLABELLED
    shown, left_out = _spaces.few(spaces, SPACES)
    kept, dropped = _lines(shown, metrics)
    points = [
        _point(space, candidate, metrics)
        for space in shown
        for candidate in space.candidates
        if _line(candidate) in kept
    ]
    caption = (
        "Each line is a clusterer, the mean over its seeds with a band from the least to the greatest; short strokes "
        "are clusterings that chose their number of clusters themselves, arrows at the edge those with even more. "
        "Metrics of a feature space (silhouette, Davies-Bouldin and the like) are comparable only within a column."
    )
    return by_k.draw(sweep.heading(TITLE), points, metrics, caption + left_out + dropped + _spaces.estimated(shown))


def _line(candidate: Candidate) -> str:
    """Families are lines; all clusterings that choose k themselves share the name of their clusterer."""
    return candidate.clusterer if candidate.k is None else candidate.family


def _lines(shown: Sequence[Representation], metrics: Sequence[str]) -> tuple[set[str], str]:
    """The lines that there is room for: the best by a metric that is comparable across spaces."""
    metric = next((name for name in metrics if catalogue.metric(name).across), metrics[0])
    best: dict[str, float] = {}
    for space in shown:
        for candidate in space.candidates:
            value = candidate.value(metric)
            best[_line(candidate)] = max(best.get(_line(candidate), -2.0), -2.0 if value != value else value)
    names = sorted(best, key=lambda name: (-best[name], name))
    if len(names) <= LINES:
        return set(names), ""
    words = catalogue.metric(metric).words
    return set(names[:LINES]), f" Shown are the best {LINES} of {len(names)} clusterers and options by {words}."


def _point(space: Representation, candidate: Candidate, metrics: Sequence[str]) -> "Point":
    from backbench.plots.by_k import Point

    clusters = candidate.clusters if candidate.k is None else float(candidate.k)
    values = {metric: candidate.value(metric) for metric in metrics}
    return Point(space.title, _line(candidate), clusters, candidate.k is not None, candidate.seed, values)
