"""Internal metrics of many labelings of one matrix: silhouette, Davies-Bouldin, Calinski-Harabasz, inertia.

Euclidean, in float64, noise left out. Each block of distances is computed once and used by all labelings, and the sums
of distances are exact (`_cloud`), so that the bits of a labeling do not depend on the others. Sources: Rousseeuw 1987;
Davies and Bouldin 1979; Calinski and Harabasz 1974. Values equal those of `sklearn.metrics`, except where those give a
number to what is undefined (see :func:`scores`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from backbench import device
from backbench.metrics import _spread, _widths, labels
from backbench.metrics._cloud import Cloud

NAMES = ("silhouette", "davies_bouldin", "calinski_harabasz")
SAMPLED = ("silhouette_sampled", "silhouette_sampled_se")
SAMPLE_SEED = 0


@dataclass(frozen=True)
class Scores:
    """Metrics of one labeling; `notes` says why one is NaN.

    `widths` are the silhouette widths of the rows, float32 (n,), NaN for noise; None where undefined or sampled.
    """

    values: dict[str, float]
    notes: dict[str, str] = field(default_factory=dict)
    widths: np.ndarray | None = field(default=None, compare=False, repr=False)


def scores(x: np.ndarray, labelings: Sequence[np.ndarray], silhouette_rows: int | None = None) -> list[Scores]:
    """Internal metrics of each labeling of the rows of `x`.

    NaN with a note where undefined: no or one cluster, only clusters of one point, coinciding centroids
    (Davies-Bouldin), no spread within clusters (Calinski-Harabasz). `noise_fraction`, `clusters`, `largest_share` and
    `inertia` (the sum of squared distances to the centroids) are always there.

    Parameters
    ----------
    x : array of shape (n, d)
    labelings : arrays of shape (n,); negative is noise
    silhouette_rows : measure the silhouette on so many rows drawn without replacement, each against all rows; the
        mean is then `silhouette_sampled`, its standard error `silhouette_sampled_se`, in place of `silhouette`
    """
    parts = [labels.canonical(labeling) for labeling in labelings]
    distinct = {part.tobytes(): part for part in parts}
    by_part = dict(zip(distinct, _scores(Cloud(x), list(distinct.values()), silhouette_rows), strict=True))
    return [by_part[part.tobytes()] for part in parts]


def undefined(part: np.ndarray) -> str | None:
    """Why the internal metrics of a canonical labeling (n,) are undefined, or None."""
    kept, count = int((part >= 0).sum()), int(part.max(initial=-1)) + 1
    if kept == 0:
        return "all points are noise"
    if count == 1:
        return "there is one cluster only"
    return "every cluster has one point only" if count == kept else None


def _scores(cloud: Cloud, parts: list[np.ndarray], asked: int | None) -> Iterator[Scores]:
    """Scores of distinct labelings (n,) in canonical form."""
    reasons = [undefined(part) for part in parts]
    defined = [part for part, reason in zip(parts, reasons, strict=True) if reason is None]
    silhouettes = iter(_silhouettes(cloud, defined, asked))
    spreads = _spreads(cloud, parts)
    for part, reason, (inertia, spread) in zip(parts, reasons, spreads, strict=True):
        always = {
            "inertia": inertia,
            "noise_fraction": float((part < 0).mean()),
            "clusters": float(part.max(initial=-1) + 1),
            "largest_share": _largest_share(part),
        }
        if reason is None:
            values, widths = next(silhouettes)
            notes = {name: _spread.REASONS[name] for name, value in spread.items() if np.isnan(value)}
            notes |= {name: "one drawn row says nothing of it" for name, value in values.items() if np.isnan(value)}
            yield Scores({**values, **spread, **always}, notes, widths)
        else:
            names = (*(NAMES[:1] if asked is None else SAMPLED), *NAMES[1:])
            yield Scores({**dict.fromkeys(names, float("nan")), **always}, dict.fromkeys(names, reason))


def _largest_share(part: np.ndarray) -> float:
    """Share of the images (n,) that are in the largest cluster; 0 if all are noise."""
    kept = part[part >= 0]
    return float(np.bincount(kept).max() / len(part)) if len(kept) else 0.0


def _spreads(cloud: Cloud, parts: list[np.ndarray]) -> Iterator[tuple[float, dict[str, float]]]:
    """Inertia, and Davies-Bouldin and Calinski-Harabasz where they are defined, of each labeling (n,)."""
    every = _spread.moments(cloud, [part for part in parts if part.max(initial=-1) >= 0])
    for part in parts:
        if part.max(initial=-1) < 0:
            yield 0.0, {}
            continue
        moments = next(every)
        yield _spread.inertia(cloud, moments), _spread.indices(part, moments) if undefined(part) is None else {}


def _silhouettes(
    cloud: Cloud, parts: list[np.ndarray], asked: int | None
) -> list[tuple[dict[str, float], np.ndarray | None]]:
    """Mean width, and the widths (n,) where all rows are measured, of each labeling (n,) that has any."""
    sizes = [int((part >= 0).sum()) for part in parts]
    whole = [part for part, size in zip(parts, sizes, strict=True) if asked is None or size <= asked]
    some = [part for part, size in zip(parts, sizes, strict=True) if asked is not None and size > asked]
    exact = iter(_engine().widths(cloud, whole, np.arange(cloud.n)) if whole else [])
    drawn = iter(_drawn(cloud, some, asked) if some and asked is not None else [])
    silhouettes: list[tuple[dict[str, float], np.ndarray | None]] = []
    for part, size in zip(parts, sizes, strict=True):
        if asked is None:
            widths = next(exact)
            silhouettes.append(({"silhouette": float(widths[part >= 0].mean())}, widths.astype(np.float32)))
        elif size <= asked:
            silhouettes.append((dict(zip(SAMPLED, (float(next(exact)[part >= 0].mean()), 0.0), strict=True)), None))
        else:
            silhouettes.append((_estimate(next(drawn), size), None))
    return silhouettes


def _drawn(cloud: Cloud, parts: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Widths (count,) of rows of each labeling (n,): the first in one random order of all rows that are not noise.

    Whole strips in that order are measured, so that neither `count` nor the other labelings count for the bits. On the
    CPU their distances are of float32: with 100,000 rows the mean changes by about 1e-8, its standard error is 1e-3.
    """
    order = np.random.default_rng(SAMPLE_SEED).permutation(cloud.n)
    places = [np.flatnonzero(part[order] >= 0)[:count] for part in parts]
    size = _engine().strip(cloud.n)
    needed = max(int(place[-1]) + 1 for place in places)
    measured = _engine().drawn(cloud, parts, order[: -(-needed // size) * size])
    return [widths[place] for widths, place in zip(measured, places, strict=True)]


def _estimate(drawn: np.ndarray, size: int) -> dict[str, float]:
    """Mean of drawn widths (m,), and its standard error when they are drawn from `size` rows without replacement."""
    if len(drawn) == 1:
        return dict(zip(SAMPLED, (float(drawn[0]), float("nan")), strict=True))
    error = np.sqrt(drawn.var(ddof=1) / len(drawn) * (1 - len(drawn) / size))
    return dict(zip(SAMPLED, (float(drawn.mean()), float(error)), strict=True))


def _engine() -> ModuleType:
    """What measures the distances: numpy, or PyTorch where a device is asked for."""
    if device.accelerated():
        from backbench.metrics import _torch_internal

        return _torch_internal
    return _widths
