"""Metrics of stored results on resampled images: the images that a metric is of, drawn anew with replacement.

All results of a data set share the draws, so that differences between them are paired.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import numpy as np

from backbench.datasets import TEST, TRAIN, VALIDATION
from backbench.metrics import catalogue, retrieval
from backbench.metrics.catalogue import LABELS, SHARE
from backbench.metrics.catalogue import VALIDATION as VALIDATION_IMAGES
from backbench.statistics import replicates, resampling
from backbench.store import Store
from backbench.sweep.results.joined_run import Row

RESAMPLES, FEWEST = 1000, 200
# Drawn images of all resamples: above, fewer resamples are made, and the interval of so many images is narrow anyway.
DRAWN = 200_000_000
# The metric whose value of each image is stored.
SILHOUETTE = catalogue.metric("silhouette").name
SCOPES = {"train": TRAIN, "per_split": TEST}

# A metric on each resample (resamples,), and the number of images that are resampled.
Replicates = tuple[np.ndarray, int]


class Images:
    """Classes, splits and draws of the images of one data set; `lost` says whether an array could not be read."""

    def __init__(self, store: Store, member: str, labelled: bool):
        self.store, self.member, self.labelled, self.lost = store, member, labelled, False
        self._weights: dict[int, np.ndarray] = {}

    @cached_property
    def truth(self) -> np.ndarray | None:
        """Class of each image, (n,)."""
        return self.store.array("dataset", self.member, "labels") if self.labelled else None

    @cached_property
    def split(self) -> np.ndarray:
        """Split of each image, (n,): `TRAIN`, `VALIDATION` or `TEST`."""
        return self.store.array("dataset", self.member, "split")

    def weights(self, n: int) -> np.ndarray:
        """How often each of `n` images is drawn, (resamples, n)."""
        if n not in self._weights:
            resamples = max(FEWEST, min(RESAMPLES, DRAWN // len(self.split)))
            self._weights[n] = resampling.weights(n, resamples)
        return self._weights[n]


def metrics(row: Row, head: str, names: Iterable[str], images: Images) -> dict[str, Replicates]:
    """Those metrics of a task's result that can be resampled.

    Raises
    ------
    StoreError
        If an array is missing or damaged.
    """
    member = row.run.stages[head]
    stored = row.records[member].get("arrays", {})
    wanted = [name for name in names if name in row.metrics and catalogue.metric(name).resampled]
    arrays = {name: _reader(images.store, entry.get("kind", head), member, name) for name, entry in stored.items()}
    return _BY_HEAD[head](row, wanted, arrays, images)


def is_share(name: str) -> bool:
    """Whether a metric is the share of images that are right."""
    return catalogue.metric(name).resampled == SHARE


def labels(row: Row, images: Images) -> np.ndarray:
    """Cluster of each image that the metrics of a clustering are of, (scored,)."""
    return images.store.array("clustering", row.run.stages["clustering"], "labels")[_scored(row, images)]


def _reader(store: Store, kind: str, member: str, name: str) -> Callable[[], np.ndarray]:
    """What reads an array, (n,) or (n, columns)."""
    return lambda: store.array(kind, member, name)


Arrays = Mapping[str, Callable[[], np.ndarray]]


def _classification(row: Row, names: list[str], arrays: Arrays, images: Images) -> dict[str, Replicates]:
    if images.truth is None or "predictions" not in arrays:
        return {}
    predicted = arrays["predictions"]()
    resampled = {}
    for name in names:
        held = catalogue.metric(name).images == VALIDATION_IMAGES
        judged = np.flatnonzero(images.split == (VALIDATION if held else TEST))
        if len(judged):
            truth, weights = images.truth[judged], images.weights(len(judged))
            values = replicates.accuracy_like(name.removeprefix("val_"), truth, predicted[judged], weights)
            resampled[name] = (values, len(judged))
    return resampled


def _clustering(row: Row, names: list[str], arrays: Arrays, images: Images) -> dict[str, Replicates]:
    scored = _scored(row, images)
    if not len(scored):
        return {}
    weights, resampled = images.weights(len(scored)), {}
    external = [name for name in names if LABELS in catalogue.metric(name).needs]
    if SILHOUETTE in names and "silhouettes" in arrays:
        widths = arrays["silhouettes"]()[scored]
        resampled[SILHOUETTE] = (replicates.mean(widths, weights), int(np.isfinite(widths).sum()))
    if external and images.truth is not None and "labels" in arrays:
        clusters, truth = arrays["labels"]()[scored], images.truth[scored]
        for name in external:
            resampled[name] = (replicates.agreement(name, truth, clusters, weights), len(scored))
    return resampled


def _scored(row: Row, images: Images) -> np.ndarray:
    """Row numbers (scored,) of the images that the metrics of a clustering are of."""
    scope = row.plan.stages[row.run.stages["clustering"]].config["scope"]
    return np.flatnonzero(images.split == SCOPES[scope]) if scope in SCOPES else np.arange(len(images.split))


def _retrieval(row: Row, names: list[str], arrays: Arrays, images: Images) -> dict[str, Replicates]:
    if images.truth is None or "neighbours" not in arrays:
        return {}
    whole = row.plan.stages[row.run.stages["retrieval"]].config["protocol"] == "leave_one_out"
    every = np.arange(len(images.split))
    queries, rows = (every, every) if whole else (np.flatnonzero(images.split == part) for part in (TEST, TRAIN))
    neighbours = arrays["neighbours"]()
    if not neighbours.size:
        return {}
    hits = retrieval.relevant(images.truth[queries], images.truth[neighbours])
    totals = np.bincount(images.truth[rows], minlength=int(images.truth.max()) + 1)[images.truth[queries]] - whole
    weights = images.weights(len(queries))
    resampled = {}
    for name in names:
        depth = catalogue.metric(name).depth
        # Every metric of retrieval that is resampled belongs to a family.
        assert depth is not None
        values = per_query(name.rpartition("_at_")[0], hits, totals, depth)
        resampled[name] = (replicates.mean(values, weights), int(np.isfinite(values).sum()))
    return resampled


def per_query(kind: str, hits: np.ndarray, totals: np.ndarray, k: int) -> np.ndarray:
    """A retrieval metric of each query, (queries,), NaN where it has none; its mean is that of `retrieval.curves`.

    Parameters
    ----------
    hits : bool array of shape (queries, neighbours): whether each is relevant, nearest first
    totals : number of images (queries,) that are relevant to each
    """
    near = hits[:, :k]
    sums = near.cumsum(axis=1)
    if kind == "precision":
        return near.mean(axis=1)
    if kind == "hit_rate":
        return (sums[:, -1] > 0).astype(float)
    most, total = totals.astype(float), sums[:, -1]
    if kind == "map":
        most, total = np.minimum(k, most), (sums / np.arange(1, near.shape[1] + 1) * near).sum(axis=1)
    return np.divide(total, most, out=np.full(len(hits), np.nan), where=totals > 0)


_BY_HEAD = {"classification": _classification, "clustering": _clustering, "retrieval": _retrieval}
