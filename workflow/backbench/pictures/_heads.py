"""What pictures of one run have in common: why a head has nothing to show, and the images that its metrics are of."""

from typing import TYPE_CHECKING

from backbench.store import FAILED

if TYPE_CHECKING:
    import numpy as np

    from backbench.pictures.source import Source

NO_CLASSES = "the dataset has no classes"
CLASSIFICATION, CLUSTERING = "classification", "clustering"
# What a scope of clustering leaves out, in words; the metrics of `per_split` are those of the test images.
SCOPES = {"train": "training images alone", "per_split": "test images, clustered apart"}


def missing(source: "Source", head: str) -> str | None:
    """Why a head of a run has no result."""
    member = source.row.stages.get(head)
    if member is None:
        return f"the run has no {head}"
    record = source.row.records.get(member)
    if record is None:
        return f"the {head} is not done"
    return f"the {head} failed: {record['reason']}" if record["status"] == FAILED else None


def unclassified(source: "Source") -> str | None:
    """Why there is nothing to say of the predictions on test images."""
    if source.names is None:
        return NO_CLASSES
    return missing(source, CLASSIFICATION) or _untested(source)


def unclustered(source: "Source") -> str | None:
    """Why there are no clusters of the images that the metrics of a clustering are of."""
    reason = missing(source, CLUSTERING)
    return _untested(source) if reason is None and scope(source) == "per_split" else reason


def unmatched(source: "Source") -> str | None:
    """Why there are no clusters to compare with classes."""
    return NO_CLASSES if source.names is None else unclustered(source)


def _untested(source: "Source") -> str | None:
    return None if source.info("dataset").get("counts", {}).get("test", 1) else "there are no test images"


def confusion(source: "Source") -> "np.ndarray":
    """Test images by (true class, predicted class)."""
    import numpy as np

    from backbench.datasets import TEST

    test, size = source.split == TEST, len(source.names)
    pairs = source.truth[test].astype(np.int64) * size + source.predictions[test]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def tested(source: "Source") -> str:
    """What the confusion matrix is made of, for a heading."""
    return f"{source.info('dataset')['counts']['test']:,} test images"


def reported(source: "Source") -> "np.ndarray":
    """Cluster of each image that the metrics of the clustering are of, -1 for noise; `OUTSIDE` for the others.

    The parts of `per_split` are clustered apart, so that a cluster of one is none of another.
    """
    import numpy as np

    from backbench.datasets import TEST
    from backbench.metrics.labels import OUTSIDE

    return np.where(source.split == TEST, source.labels, OUTSIDE) if scope(source) == "per_split" else source.labels


def scope(source: "Source") -> str:
    return source.info(CLUSTERING).get("scope", "all")


def of_rows(source: "Source") -> str:
    """Which rows were clustered, for a heading; empty where it is all of them."""
    return SCOPES.get(scope(source), "")
