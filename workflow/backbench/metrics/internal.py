"""Internal metrics of many labelings of one matrix: silhouette, Davies-Bouldin, Calinski-Harabasz, share of noise.

Euclidean, in float64, noise left out. Each block of distances is computed once and used by all labelings; each labeling
has a matrix product of its own, so that its bits do not depend on the others. Sources: Rousseeuw 1987; Davies and
Bouldin 1979; Calinski and Harabasz 1974. Values equal those of `sklearn.metrics`, except where those give a number to
what is undefined (see :func:`scores`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from backbench import threads
from backbench.metrics import distances, labels

NAMES = ("silhouette", "davies_bouldin", "calinski_harabasz")
INDICATOR_BYTES = 1 << 28


@dataclass(frozen=True)
class Scores:
    """Metrics of one labeling; `notes` says why one is NaN."""

    values: dict[str, float]
    notes: dict[str, str] = field(default_factory=dict)


def scores(x: np.ndarray, labelings: Sequence[np.ndarray]) -> list[Scores]:
    """Internal metrics of each labeling of the rows of `x`.

    NaN with a note where undefined: no or one cluster, only clusters of one point, coinciding centroids
    (Davies-Bouldin), no spread within clusters (Calinski-Harabasz). `noise_fraction` and `clusters` are always there.
    """
    parts = [labels.canonical(found) for found in labelings]
    distinct = {part.tobytes(): part for part in parts}
    defined = {key: part for key, part in distinct.items() if undefined(part) is None}
    found = dict(zip(defined, _defined_scores(x, list(defined.values())), strict=True))
    return [_completed(part, found.get(part.tobytes())) for part in parts]


def undefined(part: np.ndarray) -> str | None:
    """Why the internal metrics of a labeling are undefined, or None."""
    kept, count = int((part >= 0).sum()), labels.clusters(part)
    if kept == 0:
        return "all points are noise"
    if count == 1:
        return "there is one cluster only"
    return "every cluster has one point only" if count == kept else None


def _completed(part: np.ndarray, found: Scores | None) -> Scores:
    always = {"noise_fraction": float((part < 0).mean()), "clusters": float(labels.clusters(part))}
    if found is not None:
        return Scores({**found.values, **always}, dict(found.notes))
    reason = undefined(part)
    return Scores({**dict.fromkeys(NAMES, float("nan")), **always}, dict.fromkeys(NAMES, reason))


def _defined_scores(x: np.ndarray, parts: list[np.ndarray]) -> list[Scores]:
    if not parts:
        return []
    points = distances.Points(x, centred=True)
    widths = [part for group in _groups(parts) for part in _silhouettes(points, group)]
    spreads = threads.in_order(lambda part: _spread(points.rows, part), parts)
    return [
        Scores({"silhouette": width, **spread.values}, spread.notes)
        for width, spread in zip(widths, spreads, strict=True)
    ]


def _groups(parts: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Labelings whose indicator matrices fit into memory together."""
    group, held = [], 0
    for part in parts:
        size = 8 * part.size * labels.clusters(part)
        if group and held + size > INDICATOR_BYTES:
            yield group
            group, held = [], 0
        group.append(part)
        held += size
    yield group


def _silhouettes(points: distances.Points, parts: list[np.ndarray]) -> list[float]:
    indicators = [_indicator(part) for part in parts]
    counts = [indicator.sum(axis=0) for indicator in indicators]
    n = len(points.rows)

    def block(span: tuple[int, int]) -> list[np.ndarray]:
        far = np.sqrt(points.squared(*span))
        rows = slice(*span)
        return [
            _widths(far @ indicator, part[rows], count)
            for part, indicator, count in zip(parts, indicators, counts, strict=True)
        ]

    blocks = list(threads.in_order(block, distances.spans(n, n)))
    return [float(np.concatenate(widths).mean()) for widths in zip(*blocks, strict=True)]


def _widths(sums: np.ndarray, own: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Silhouette widths of those rows of a block that are no noise; 0 in a cluster of one point."""
    rows = np.flatnonzero(own >= 0)
    own = own[rows]
    within = sums[rows, own] / np.maximum(count[own] - 1, 1)
    between = sums[rows] / count
    between[np.arange(len(rows)), own] = np.inf
    other = between.min(axis=1)
    larger = np.maximum(within, other)
    widths = np.divide(other - within, larger, out=np.zeros(len(rows)), where=larger > 0)
    return np.where(count[own] > 1, widths, 0.0)


def _indicator(part: np.ndarray) -> np.ndarray:
    """(n, k) matrix with 1 where a row is in a cluster; rows of noise are zero."""
    found = np.zeros((part.size, int(part.max()) + 1))
    rows = np.flatnonzero(part >= 0)
    found[rows, part[rows]] = 1.0
    return found


def _spread(rows: np.ndarray, part: np.ndarray) -> Scores:
    """Davies-Bouldin and Calinski-Harabasz of one labeling."""
    indicator = _indicator(part)
    count = indicator.sum(axis=0)
    centroids = (indicator.T @ rows) / count[:, None]
    kept = np.flatnonzero(part >= 0)
    squares = np.concatenate(
        [_squares(rows, centroids, part, kept[start:stop]) for start, stop in distances.spans(len(kept), rows.shape[1])]
    )
    own = part[kept]
    radius = np.bincount(own, weights=np.sqrt(squares), minlength=len(count)) / count
    values = {
        "davies_bouldin": _davies_bouldin(centroids, radius),
        "calinski_harabasz": _calinski_harabasz(centroids, count, float(squares.sum())),
    }
    reasons = {"davies_bouldin": "two centroids coincide", "calinski_harabasz": "no cluster has any spread"}
    return Scores(values, {name: reasons[name] for name, value in values.items() if np.isnan(value)})


def _squares(rows: np.ndarray, centroids: np.ndarray, part: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return ((rows[kept] - centroids[part[kept]]) ** 2).sum(axis=1)


def _davies_bouldin(centroids: np.ndarray, radius: np.ndarray) -> float:
    apart = np.sqrt(np.maximum(_between(centroids), 0.0))
    np.fill_diagonal(apart, np.inf)
    scale = np.abs(centroids).max()
    if apart.min() <= distances.rounding(centroids.shape[1]) * scale:
        return float("nan")
    return float(((radius[:, None] + radius[None, :]) / apart).max(axis=1).mean())


def _between(centroids: np.ndarray) -> np.ndarray:
    return np.stack([((centroids - centre) ** 2).sum(axis=1) for centre in centroids])


def _calinski_harabasz(centroids: np.ndarray, count: np.ndarray, within: float) -> float:
    mean = (count @ centroids) / count.sum()
    between = float((count * ((centroids - mean) ** 2).sum(axis=1)).sum())
    if within <= distances.rounding(centroids.shape[1]) ** 2 * max(between, 1.0):
        return float("nan")
    return float(between * (count.sum() - len(count)) / (within * (len(count) - 1)))
