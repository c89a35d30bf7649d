"""What a run is called in a sentence, as one of its tasks sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from backbench import titles
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, RETRIEVAL
from backbench.wording import counted


@dataclass(frozen=True)
class Named:
    """`method` on `space`, with `k`, None where it finds k; of a retrieval, `method` is how images are compared."""

    task: str
    method: str
    space: str
    k: int | None = None

    @property
    def full(self) -> str:
        """The method with its k: ``k-means with k = 10``."""
        return self.method if self.k is None else f"{self.method} with k = {self.k}"

    @property
    def whole(self) -> str:
        """Both in words: ``SVM on EfficientNet-Lite0``."""
        return f"{self.space} by {self.method}" if self.task == RETRIEVAL else f"{self.full} on {self.space}"

    def beside(self, other: "Named") -> str:
        """What distinguishes it from another: its method, its representation, or both."""
        if self.task == RETRIEVAL or self == other:
            return self.whole
        if self.space == other.space:
            return self.full
        return f"the same on {self.space}" if self.full == other.full else self.whole


def named(row: Row, task: str, varying: Sequence[str] = (), few: bool = True) -> Named:
    """What a run is called; `varying` are options by which results of one plugin differ, and `few` is whether it says
    of how few images of each class its classifier learns."""
    params = row.params
    notes = [*titles.options(varying, params, "backbone."), *titles.chain(row.chain(task))]
    space = titles.with_notes(titles.backbone(params), notes)
    if task == CLUSTERING:
        options = [*titles.options(varying, params, "clusterer."), *titles.options(varying, params, "clustering.")]
        return Named(task, titles.with_notes(titles.clusterer(params), options), space, params.get("k"))
    if task == CLASSIFICATION:
        shots = configurations.shots(row) if few else None
        labels = [f"{counted(shots, 'image')} a class"] if shots else []
        options = [*titles.options(varying, params, "classifier."), *labels]
        return Named(task, titles.with_notes(titles.classifier(params), options), space)
    metric = str(params["retrieval.metric"])
    options = titles.options([name for name in varying if name != "retrieval.metric"], params, "retrieval.")
    return Named(task, titles.with_notes(titles.SEARCHES.get(metric, metric), options), space)


def space(name: str) -> str:
    """What a representation is called, by its name of commas, in which the backbone is first."""
    first, *rest = name.split(", ")
    return titles.with_notes(titles.backbones(first), [step for part in rest for step in titles.chain(part)])
