"""One run, or one sweep, as its pictures see it: stored results, each read when it is asked for and once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backbench import hashing, schema
from backbench.images.policy import Image as Policy
from backbench.plots import Heading
from backbench.stage import Inputs
from backbench.store import Store
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results.ledger import Row

if TYPE_CHECKING:
    import numpy as np

    from backbench.stages.pixels import Prepared


@dataclass(frozen=True)
class Source:
    """One run.

    Arrays have a row for each image of the dataset, in its order. `labels` are -1 for noise and -2 for rows out of
    scope; `predictions` are -2 for training rows. What a run does not have is None.
    """

    row: Row
    store: Store

    def heading(self, title: str, about: str = "") -> Heading:
        """The heading of a picture of this run; `about` says more than the run's name does."""
        said = ", ".join(part for part in (self.row.name, self.dataset, about) if part)
        return Heading(title, said, f"run {hashing.short(self.row.config_hash)}")

    @cached_property
    def dataset(self) -> str:
        """Name and size of the data set, such as ``fashion_mnist (3,000 images)``."""
        return f"{self.row.params['dataset.name']} ({self.info('dataset')['n']:,} images)"

    @cached_property
    def names(self) -> list[str] | None:
        """Names of the classes by their number."""
        found = self.info("dataset").get("classes")
        return [str(name) for name in found] if found else None

    @cached_property
    def truth(self) -> "np.ndarray | None":
        """Class of each image, (n,) int."""
        return self.array("dataset", "labels") if self.names else None

    @cached_property
    def split(self) -> "np.ndarray":
        """Part of each image, (n,): ``datasets.TRAIN``, ``VALIDATION`` or ``TEST``."""
        return self.array("dataset", "split")

    @cached_property
    def labels(self) -> "np.ndarray | None":
        """Cluster of each image, (n,) int32."""
        return self.array("clustering", "labels")

    @cached_property
    def widths(self) -> "np.ndarray | None":
        """Silhouette width of each image, (n,) float32, NaN where there is none."""
        return self.array("clustering", "silhouettes")

    @cached_property
    def predictions(self) -> "np.ndarray | None":
        """Predicted class of each image that is no training image, (n,) int32."""
        return self.array("classification", "predictions")

    @cached_property
    def neighbours(self) -> "np.ndarray | None":
        """The nearest images of each query, (queries, at) int32, nearest first."""
        return self.array("retrieval", "neighbours")

    @cached_property
    def queries(self) -> "np.ndarray | None":
        """The image of each row of `neighbours`: every image, or those of the test part."""
        import numpy as np

        from backbench.datasets import TEST

        if self.neighbours is None:
            return None
        whole = self.row.params["retrieval.protocol"] == "leave_one_out"
        return np.arange(len(self.split)) if whole else np.flatnonzero(self.split == TEST)

    def matrix(self, head: str) -> "np.ndarray":
        """What a head worked on, (n, d) float32: its chain's result, or the features where the chain is empty."""
        kind, member = self.matrix_ref(head)
        return self.store.array(kind, member, kind if kind == "matrix" else "features", mmap=True)

    def matrix_ref(self, head: str) -> tuple[str, str]:
        """Kind and hash of the stage that a head worked on."""
        return self.row.plan.stages[self.row.run.stages[head]].parents["matrix"]

    @cached_property
    def images(self) -> "Prepared | None":
        """The images as the backbone saw them, (n, h, w, 1 or 3) uint8; None where there are only embeddings.

        Those of files are decoded again when they are asked for.
        """
        from backbench.stages.pixels import Prepared

        if "images" not in self.row.stages:
            return None
        stages = {kind: self.row.plan.stages[member] for kind, member in self.row.stages.items()}
        inputs = Inputs(self.store, {"dataset": ("dataset", stages["dataset"].hash)})
        policy = schema.parse(Policy, stages["images"].config, "image")
        return Prepared(inputs, policy, stages["features"].local.get("root"))

    def array(self, kind: str, name: str, mmap: bool = False) -> "np.ndarray | None":
        """An array of one of the run's stages; None where the stage or the array is not there."""
        member = self.row.stages.get(kind)
        if member is None or name not in self.row.records.get(member, {}).get("arrays", {}):
            return None
        return self.store.array(kind, member, name, mmap=mmap)

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
        one = Source(self.rows[0], self.store)
        said = ", ".join(part for part in (one.dataset, f"{len(self.rows):,} runs", about) if part)
        return Heading(title, said, f"sweep {hashing.short(self.plan.sweep)}")
