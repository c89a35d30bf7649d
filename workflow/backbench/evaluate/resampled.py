"""Metrics of stored results on samples of the images that they are of.

Of classifiers and retrievals the images are drawn anew with replacement: those that are judged, and those that are
searched. A clustering is of its images, and those drawn anew would be clustered otherwise: `metrics` keeps its labels,
`refitted` has the fits to samples that were stored with it. All results of a data set share the draws, so that
differences between them are paired.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import numpy as np

from backbench import hashing
from backbench.datasets import TEST, TRAIN, VALIDATION, _resplit
from backbench.engine.results.joined_run import Row
from backbench.metrics import catalogue, external, probabilistic
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, LABELS, PROBABILITIES, RETRIEVAL, SHARE
from backbench.metrics.catalogue import VALIDATION as VALIDATION_IMAGES
from backbench.statistics import galleries, refits, replicates, resampling
from backbench.statistics.galleries import Lists
from backbench.store import Store

RESAMPLES, FEWEST = 1000, 200
# Drawn images of all resamples: above, fewer resamples are made, and the interval of so many images is narrow anyway.
DRAWN = 200_000_000
# The metric whose value of each image is stored.
SILHOUETTE = catalogue.metric("silhouette").name
SCOPES = {"train": TRAIN, "per_split": TEST}
# Labels (refits, n) of fits to samples of the rows of a clustering.
REFITS = "refits"

# Means over the classes, whatever their sizes, and how many images each class takes for their intervals.
OVER_CLASSES, LEAST_OF_A_CLASS = catalogue.checked("balanced_accuracy", "macro_f1"), 20

# A metric on each sample (samples,), and the number of images (or groups) that are resampled, or of refits.
Replicates = tuple[np.ndarray, int]


class Images:
    """Classes, splits and draws of the images of one data set; `lost` says whether an array could not be read."""

    def __init__(self, store: Store, member: str, labelled: bool):
        self.store, self.member, self.labelled, self.lost = store, member, labelled, False
        self._weights: dict[tuple[int, int], np.ndarray] = {}
        self._draws: dict[tuple[int, int], np.ndarray] = {}
        self._splits: dict[str, np.ndarray] = {}

    @cached_property
    def truth(self) -> np.ndarray | None:
        """Class of each image, (n,)."""
        return self.store.array("dataset", self.member, "labels") if self.labelled else None

    @cached_property
    def split(self) -> np.ndarray:
        """The dataset's split of each image, (n,): `TRAIN`, `VALIDATION` or `TEST`."""
        return self.store.array("dataset", self.member, "split")

    def split_of(self, row: Row, head: str) -> np.ndarray:
        """The split (n,) that a task of a run is of."""
        division = row.division(head)
        if not division:
            return self.split
        key = hashing.canonical_json(division)
        if key not in self._splits:
            self._splits[key] = _resplit.stored(self.store, self.member, division)
        return self._splits[key]

    def draws(self, rows: np.ndarray, seed: int = 0) -> np.ndarray:
        """How often each of the images `rows` (m,) is drawn, (resamples, m): by themselves, or in whole groups."""
        if self.groups is None:
            return self.weights(len(rows), seed)
        key = hash(rows.tobytes()), seed
        if key not in self._draws:
            drawn = self.weights(self.count(rows), seed)
            self._draws[key] = resampling.of_groups(self.groups[rows], drawn)
        return self._draws[key]

    def count(self, rows: np.ndarray) -> int:
        """How many groups the images `rows` (m,) are of; without groups, how many images."""
        return len(rows) if self.groups is None else len(np.unique(self.groups[rows]))

    @cached_property
    def groups(self) -> np.ndarray | None:
        """Group of each image, (n,), where the dataset has any."""
        record = self.store.read("dataset", self.member) or {}
        there = "groups" in record.get("arrays", {})
        return self.store.array("dataset", self.member, "groups") if there else None

    def weights(self, n: int, seed: int = 0) -> np.ndarray:
        """How often each of `n` images is drawn, (resamples, n); draws with another seed are independent."""
        if (n, seed) not in self._weights:
            resamples = max(FEWEST, min(RESAMPLES, DRAWN // len(self.split)))
            self._weights[n, seed] = resampling.weights(n, resamples, seed)
        return self._weights[n, seed]


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
    store = row.seen(images.store)
    arrays = {
        name: _reader(store, (entry.get("kind", head), entry.get("member", member), name))
        for name, entry in stored.items()
    }
    return _BY_HEAD[head](row, wanted, arrays, images)


def refitted(row: Row, names: Iterable[str], images: Images) -> dict[str, Replicates]:
    """Those metrics of a clustering that compare it with the classes, as its fits to samples of the images have them.

    Empty where no such fits were stored.

    Raises
    ------
    StoreError
        If an array is missing or damaged.
    """
    member = row.run.stages["clustering"]
    wanted = [name for name in names if name in row.metrics and name in external.OF_COUNTS]
    if not wanted or images.truth is None or REFITS not in row.records[member].get("arrays", {}):
        return {}
    scored = _scored(row, images)
    fits = row.seen(images.store).array("clustering", member, REFITS)[:, scored]
    spread = refits.replicates(wanted, images.truth[scored], fits, [row.metrics[name] for name in wanted])
    return {name: (values, len(fits)) for name, values in spread.items()}


def is_share(name: str) -> bool:
    """Whether a metric is the share of images that are right, each on its own: queries find each other."""
    metric = catalogue.metric(name)
    return metric.resampled == SHARE and metric.task == CLASSIFICATION


def labels(row: Row, images: Images) -> np.ndarray:
    """Cluster of each image that the metrics of a clustering are of, (scored,)."""
    return row.seen(images.store).array("clustering", row.run.stages["clustering"], "labels")[_scored(row, images)]


def _reader(store: Store, place: tuple[str, str, str]) -> Callable[[], np.ndarray]:
    """What reads the array (n,) or (n, columns) with this kind, hash and name."""
    return lambda: store.array(*place)


Arrays = Mapping[str, Callable[[], np.ndarray]]


def _classification(row: Row, names: list[str], arrays: Arrays, images: Images) -> dict[str, Replicates]:
    if images.truth is None or "predictions" not in arrays:
        return {}
    probable = [name for name in names if PROBABILITIES in catalogue.metric(name).needs]
    resampled = _probable(row, images.truth, probable, arrays, images) if probable else {}
    predicted = arrays["predictions"]() if set(names) - set(probable) else images.truth
    for name in names:
        judged = judged_by(name, row, images)
        if name not in probable and len(judged) and not few(name, row, images):
            truth, weights = images.truth[judged], images.draws(judged)
            values = replicates.accuracy_like(name.removeprefix("val_"), truth, predicted[judged], weights)
            resampled[name] = (values, images.count(judged))
    return resampled


def _probable(row: Row, truth: np.ndarray, names: list[str], arrays: Arrays, images: Images) -> dict[str, Replicates]:
    """Metrics of the probabilities, or of the scores that a classifier has instead; `truth` (n,) is of all images."""
    stored = arrays.get("probabilities", arrays.get("decision"))
    judged = judged_by(names[0], row, images)
    if stored is None or not len(judged):
        return {}
    scores, weights = stored()[judged], images.draws(judged)
    resampled = {}
    for name in names:
        values = probabilistic.PER_IMAGE[name](truth[judged], scores)
        resampled[name] = (replicates.mean(values, weights), images.count(judged))
    return resampled


def few(name: str, row: Row, images: Images) -> bool:
    """Whether a class has so few images that nothing is claimed of a metric that is a mean over classes.

    With fewer, 95 % intervals of balanced accuracy hold the truth in as few as 78 % of cases, and equal classifiers
    differ in up to 13 % (`benchmarks/inference.py`).
    """
    if name not in OVER_CLASSES or images.truth is None:
        return False
    sizes = np.bincount(images.truth[judged_by(name, row, images)])
    return bool(0 < sizes[sizes > 0].min(initial=LEAST_OF_A_CLASS) < LEAST_OF_A_CLASS)


def judged_by(name: str, row: Row, images: Images) -> np.ndarray:
    """Row numbers (m,) of the images that a metric of a classifier is of."""
    held = catalogue.metric(name).images == VALIDATION_IMAGES
    return np.flatnonzero(images.split_of(row, CLASSIFICATION) == (VALIDATION if held else TEST))


def _clustering(row: Row, names: list[str], arrays: Arrays, images: Images) -> dict[str, Replicates]:
    scored = _scored(row, images)
    if not len(scored):
        return {}
    weights, resampled = images.draws(scored), {}
    external = [name for name in names if LABELS in catalogue.metric(name).needs]
    if SILHOUETTE in names and "silhouettes" in arrays:
        widths = arrays["silhouettes"]()[scored]
        resampled[SILHOUETTE] = (replicates.mean(widths, weights), images.count(scored[np.isfinite(widths)]))
    if external and images.truth is not None and "labels" in arrays:
        clusters, truth = arrays["labels"]()[scored], images.truth[scored]
        count = images.count(scored)
        agreements = replicates.agreements(external, truth, clusters, weights)
        resampled |= {name: (values, count) for name, values in agreements.items()}
    return resampled


def _scored(row: Row, images: Images) -> np.ndarray:
    """Row numbers (scored,) of the images that the metrics of a clustering are of."""
    scope = row.plan.stages[row.run.stages["clustering"]].config["scope"]
    split = images.split_of(row, CLUSTERING)
    return np.flatnonzero(split == SCOPES[scope]) if scope in SCOPES else np.arange(len(split))


def _retrieval(row: Row, names: list[str], arrays: Arrays, images: Images) -> dict[str, Replicates]:
    config = row.plan.stages[row.run.stages["retrieval"]].config
    # What an image contributes where some pairs do not count is not known.
    if images.truth is None or "neighbours" not in arrays or "junk" in config:
        return {}
    whole = config["protocol"] == "leave_one_out"
    split = images.split_of(row, RETRIEVAL)
    every = np.arange(len(split))
    queries, rows = (every, every) if whole else (np.flatnonzero(split == part) for part in (TEST, TRAIN))
    neighbours = arrays["neighbours"]()
    if not neighbours.size:
        return {}
    lists = Lists(np.searchsorted(rows, neighbours), images.truth[queries], images.truth[rows], whole)
    resampled = {}
    for name in names:
        depth = catalogue.metric(name).depth
        # Every metric of retrieval that is resampled belongs to a family.
        assert depth is not None
        kind = name.rpartition("_at_")[0]
        values = galleries.replicates(kind, lists, depth, lambda _, seed: images.draws((queries, rows)[seed], seed))
        defined = galleries.per_query(kind, lists.hits, lists.totals, depth)
        resampled[name] = (values, images.count(queries[np.isfinite(defined)]))
    return resampled


_BY_HEAD = {"classification": _classification, "clustering": _clustering, "retrieval": _retrieval}
