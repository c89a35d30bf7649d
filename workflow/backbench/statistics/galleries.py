"""How much each image contributes to a metric of retrieval, as a query and as an image that others find.

The metric is a mean over queries, yet the images that are searched are a sample too: each stands in the lists of many
queries, so that resampling the queries alone makes intervals too narrow. The jackknife (Quenouille 1956; Tukey 1958)
leaves out one image at a time: its own query is dropped, and in each list that holds it the next image moves up. Its
variance is on average no smaller than the true one (Efron and Stein 1981). The image that would move up from beyond
the list is not stored; its expected relevance stands in for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backbench.statistics import replicates as of_images


@dataclass(frozen=True)
class Lists:
    """The nearest images of each query, and the classes of both.

    Attributes
    ----------
    nearest : places (q, K) in the gallery of the nearest images of each query, nearest first
    queries, gallery : class of each query (q,) and of each image (m,) of the gallery, as numbers from 0
    whole : whether query i is image i of the gallery, which is then left out of its own list
    """

    nearest: np.ndarray
    queries: np.ndarray
    gallery: np.ndarray
    whole: bool

    @property
    def hits(self) -> np.ndarray:
        """Whether each neighbour has the class of its query, bool (q, K)."""
        return self.gallery[self.nearest] == self.queries[:, None]

    @property
    def totals(self) -> np.ndarray:
        """Number of images (q,) in the gallery that have the class of the query."""
        most = max(self.queries.max(initial=0), self.gallery.max(initial=0))
        return np.bincount(self.gallery, minlength=int(most) + 1)[self.queries] - self.whole


def per_query(kind: str, hits: np.ndarray, totals: np.ndarray, k: int) -> np.ndarray:
    """A retrieval metric of each query, (q,), NaN where it has none; its mean is that of `metrics.retrieval.curves`.

    Parameters
    ----------
    kind : ``precision``, ``hit_rate``, ``recall`` or ``map``
    hits : bool array of shape (q, K): whether each neighbour is relevant, nearest first
    totals : number of images (q,) that are relevant to each query
    """
    near = hits[:, :k]
    sums = near.cumsum(axis=1)
    if kind == "precision":
        return near.mean(axis=1)
    if kind == "hit_rate":
        return (sums[:, -1] > 0).astype(float)
    gains = sums[:, -1] if kind == "recall" else (sums / np.arange(1, near.shape[1] + 1) * near).sum(axis=1)
    return _relative(kind, gains, totals, k)


def contributions(kind: str, lists: Lists, k: int) -> list[np.ndarray]:
    """Contributions of the images to a metric: the metric is the mean of the first array plus that of the second.

    Where the gallery holds the queries there is one array (n,), the jackknife's pseudo-values; else one of the queries
    (q,), whose values they are (NaN where undefined), and one of the gallery (m,) with the mean 0. Each array is of
    images that are drawn independently of those of the other: means under bootstrap weights vary as the metric would.
    """
    values = per_query(kind, lists.hits, lists.totals, k)
    metric = np.nanmean(values) if np.isfinite(values).any() else np.nan
    count = len(lists.gallery)
    pseudo = (count - 1) * (metric - _without_each(kind, lists, k, values))
    moved = np.where(np.isnan(pseudo), 0.0, pseudo)
    moved -= moved.mean()
    return [moved + metric] if lists.whole else [values, moved]


def replicates(kind: str, lists: Lists, k: int, weights: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """The metric (resamples,) on bootstrap samples of the images in both roles, to first order.

    `weights` gives how often each of so many images is drawn, (resamples, n), from their number and a seed: draws with
    different seeds are independent.
    """
    parts = contributions(kind, lists, k)
    values = [of_images.mean(part, weights(len(part), seed)) for seed, part in enumerate(parts)]
    total: np.ndarray = np.sum(values, axis=0)
    return total


def _numbers(values: np.ndarray) -> np.ndarray:
    """Values (q,) or (q, k), 0 where there is none."""
    return np.where(np.isfinite(values), values, 0.0)


def _defined(values: np.ndarray) -> np.ndarray:
    """1.0 where there is a value, else 0.0, in the shape of the values (q,) or (q, k)."""
    return np.isfinite(values).astype(float)


def _without_each(kind: str, lists: Lists, k: int, values: np.ndarray) -> np.ndarray:
    """The metric (m,) without each image of the gallery, NaN where nothing is left; `values` (q,) are of all of it."""
    hits, totals = lists.hits[:, :k], lists.totals
    unseen = _without_unseen(kind, hits, totals, values, k)
    with_class = np.where(hits, unseen[:, None], values[:, None])
    moved, places = _without_found(kind, hits, totals, k), lists.nearest[:, :k].ravel()
    parts = []
    for measure in (_numbers, _defined):
        # What the image takes from queries of its class that do not list it, and then from all that do.
        shifts = np.bincount(lists.queries, measure(unseen) - measure(values), minlength=int(lists.gallery.max()) + 1)
        listed = np.bincount(places, (measure(moved) - measure(with_class)).ravel(), minlength=len(lists.gallery))
        total = measure(values).sum() + shifts[lists.gallery] + listed
        parts.append(total - measure(unseen) if lists.whole else total)
    return np.divide(parts[0], parts[1], out=np.full(len(lists.gallery), np.nan), where=parts[1] > 0.5)


def _without_unseen(kind: str, hits: np.ndarray, totals: np.ndarray, values: np.ndarray, k: int) -> np.ndarray:
    """Values (q,) if a relevant image beyond the list is left out, given hits (q, k) and values (q,) with it."""
    return per_query(kind, hits, totals - 1, k) if kind in ("recall", "map") else values


def _without_found(kind: str, hits: np.ndarray, totals: np.ndarray, k: int) -> np.ndarray:
    """Values (q, k) if the neighbour at each rank is left out and the next one moves up, given hits (q, k)."""
    near, count = hits.astype(float), hits.shape[1]
    rest = near.sum(axis=1, keepdims=True) - near
    following = _following(near, totals)[:, None]
    if kind == "precision":
        return (rest + following) / count
    if kind == "hit_rate":
        return np.where(rest > 0, 1.0, following)
    gains = rest + following
    if kind == "map":
        ranks = np.arange(1, count + 1)
        sums, before = near.cumsum(axis=1), np.maximum(ranks - 1, 1)
        gained = (near * sums / ranks).cumsum(axis=1) - near * sums / ranks
        after, share = (_beyond(near * part / before) for part in (sums, 1.0))
        gains = gained + after - near * share + following * (rest + 1) / count
    return _relative(kind, gains, totals[:, None] - near, k)


def _following(near: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Expected relevance (q,) of the image after the list: that of the list (q, k), drawn to the mean of its last rank
    as if by one image more; 0 where the list holds all `totals` (q,) relevant images."""
    sums = near.sum(axis=1)
    return np.where(totals > sums, (sums + near[:, -1].mean()) / (near.shape[1] + 1), 0.0)


def _beyond(values: np.ndarray) -> np.ndarray:
    """Sums (q, k) of the values (q, k) at later ranks."""
    return values.sum(axis=1, keepdims=True) - values.cumsum(axis=1)


def _relative(kind: str, gains: np.ndarray, totals: np.ndarray, k: int) -> np.ndarray:
    """Gains (q,) or (q, k) relative to the most that there can be with so many relevant images; NaN where none is."""
    most = np.asarray(totals, dtype=float)
    most = np.minimum(k, most) if kind == "map" else most
    return np.divide(gains, most, out=np.full(np.shape(gains), np.nan), where=most > 0)
