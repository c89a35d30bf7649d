"""One run, or one sweep, as its pictures see it: stored results, each read on demand and once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backbench import hashing, schema
from backbench.datasets import _resplit
from backbench.engine.plan.frozen import Plan
from backbench.engine.results.joined_run import Row
from backbench.images.policy import Image as Policy
from backbench.plots import Heading
from backbench.stage import Inputs
from backbench.store import Store, StoreError

if TYPE_CHECKING:
    import numpy as np

    from backbench.pictures.thumbnails import Thumbnails
    from backbench.stages.pixels import Prepared


@dataclass(frozen=True)
class Source:
    """One run.

    Arrays have a row for each image of the dataset, in its order. `labels` are -1 for noise and -2 for rows out of
    scope; `predictions` are -2 for training rows. Asking for an array that the run does not have is a `StoreError`.
    `store` is the store as the plan of the run sees it, whatever view it is made with.
    """

    row: Row
    store: Store

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", self.row.seen(self.store))

    def heading(self, title: str, about: str = "") -> Heading:
        """The heading of a picture of this run; `about` follows the names of the run and of the data set."""
        line = ", ".join(part for part in (self.row.name, self.dataset, about) if part)
        return Heading(title, line, f"run {hashing.short(self.row.config_hash)}")

    @cached_property
    def dataset(self) -> str:
        """Name and size of the collection, such as ``fashion_mnist (3,000 images)``."""
        return f"{self.row.collection} ({self.info('dataset')['n']:,} images)"

    @cached_property
    def names(self) -> list[str]:
        """Names of the classes by their number; empty for a dataset without classes."""
        return [str(name) for name in self.info("dataset").get("classes") or ()]

    @cached_property
    def truth(self) -> "np.ndarray":
        """Class of each image, (n,) int, where there are classes."""
        return self.stored("dataset", "labels")

    @cached_property
    def split(self) -> "np.ndarray":
        """Split of each image that the run is of, (n,): ``datasets.TRAIN``, ``VALIDATION`` or ``TEST``."""
        return _resplit.stored(self.store, self.row.stages["dataset"], self.row.division())

    @cached_property
    def labels(self) -> "np.ndarray":
        """Cluster of each image, (n,) int32."""
        return self.stored("clustering", "labels")

    @cached_property
    def widths(self) -> "np.ndarray | None":
        """Silhouette width of each image, (n,) float32, NaN where undefined; None where they are not stored."""
        return self.array("clustering", "silhouettes")

    @cached_property
    def predictions(self) -> "np.ndarray":
        """Predicted class of each image, (n,) int32, -2 for training images."""
        return self.stored("classification", "predictions")

    @cached_property
    def learnt(self) -> "np.ndarray":
        """Row numbers (m,) of the training images that the classifier learns from: all, or few of each class."""
        from backbench.datasets import _shots

        config = self.row.plan.stages[self.row.run.stages["classification"]].config
        return _shots.learnt(config, self.split, self.truth)

    @cached_property
    def neighbours(self) -> "np.ndarray":
        """The nearest images of each query, (queries, at) int32, nearest first."""
        return self.stored("retrieval", "neighbours")

    @cached_property
    def queries(self) -> "np.ndarray":
        """The image of each row of `neighbours`, (queries,): every image, or those of the test split."""
        import numpy as np

        from backbench.datasets import TEST

        whole = self.row.params["retrieval.protocol"] == "leave_one_out"
        return np.arange(len(self.split)) if whole else np.flatnonzero(self.split == TEST)

    def matrix(self, head: str) -> "np.ndarray":
        """The input of a task, (n, d) float32: the result of its chain, or the features where the chain is empty."""
        kind, member = self.matrix_ref(head)
        return self.store.array(kind, member, kind if kind == "matrix" else "features", mmap=True)

    def matrix_ref(self, head: str) -> tuple[str, str]:
        """Kind and hash of the stage that a task works on."""
        return self.row.plan.stages[self.row.run.stages[head]].parents["matrix"]

    @cached_property
    def images(self) -> "Prepared":
        """The images as the backbone saw them, or that part of it that was given the largest, (n, h, w, 1 or 3) uint8;
        files are decoded again on demand."""
        if "images" not in self.row.stages:
            raise StoreError(f"run {hashing.short(self.row.config_hash)} has no images, only embeddings")
        return self.prepared(schema.parse(Policy, self.row.plan.stages[self.row.stages["images"]].config, "image"))

    def prepared(self, policy: Policy) -> "Prepared":
        """The images (n, h, w, 1 or 3) uint8 as a policy prepares them."""
        from backbench.stages.pixels import Prepared

        return Prepared(self._inputs, policy, self.row.plan.stages[self.row.stages["features"]].local.get("root"))

    @cached_property
    def thumbnails(self) -> "Thumbnails":
        """The images upright and in their own proportions."""
        from backbench.pictures.thumbnails import Thumbnails

        root = self.row.plan.stages[self.row.stages["features"]].local.get("root")
        return Thumbnails(self._inputs, root)

    def shown(self, rows: "Sequence[int] | np.ndarray") -> "list[np.ndarray]":
        """Small images (h, w), (h, w, 1) or (h, w, 3) uint8 of the rows (m,), in their own proportions.

        An image whose file cannot be read any more is as the backbone saw it, where the cache holds that.
        """
        numbers = [int(row) for row in rows]
        pairs = zip(numbers, self.thumbnails.decoded(numbers), strict=True)
        return [self.images[row] if pixels is None else pixels for row, pixels in pairs]

    @property
    def _inputs(self) -> Inputs:
        return Inputs(self.store, {"dataset": ("dataset", self.row.stages["dataset"])})

    def array(self, kind: str, name: str, mmap: bool = False) -> "np.ndarray | None":
        """An array (rows, ...) of one of the run's stages; None where the stage or the array does not exist."""
        member = self.row.stages.get(kind)
        entry = self.row.records.get(member, {}).get("arrays", {}).get(name) if member else None
        if member is None or entry is None:
            return None
        return self.store.array(
            entry.get("kind", kind.rpartition(".")[2]), entry.get("member", member), name, mmap=mmap
        )

    def stored(self, kind: str, name: str) -> "np.ndarray":
        """An array (rows, ...) that one of the run's stages must have.

        Raises
        ------
        StoreError
            If it does not exist.
        """
        array = self.array(kind, name)
        if array is None:
            raise StoreError(f"run {hashing.short(self.row.config_hash)} has no {name} of its {kind}")
        return array

    def info(self, kind: str) -> dict[str, Any]:
        """What the record of one of the run's stages says; empty where there is none."""
        return self.row.records.get(self.row.stages.get(kind, ""), {}).get("info", {})


@dataclass(frozen=True)
class Sweep:
    """All rows of a sweep on one data set."""

    plan: Plan
    rows: Sequence[Row]
    store: Store

    def heading(self, title: str, about: str = "") -> Heading:
        """The heading of a picture of this sweep."""
        first = Source(self.rows[0], self.store)
        line = ", ".join(part for part in (first.dataset, f"{len(self.rows):,} runs", about) if part)
        return Heading(title, line, f"sweep {hashing.short(self.plan.sweep)}")
