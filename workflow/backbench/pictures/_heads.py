"""What pictures of one run share: why a task has nothing to show, and the images that its metrics refer to."""

from typing import TYPE_CHECKING

from backbench.store import FAILED

if TYPE_CHECKING:
    import numpy as np

    from backbench.pictures.source import Source

NO_CLASSES = "the dataset has no classes"
CLASSIFICATION, CLUSTERING = "classification", "clustering"
# The images of a scope of clustering, in words; the metrics of `per_split` are those of the test images.
SCOPES = {"train": "training images only", "per_split": "test images, clustered separately"}


def missing(source: "Source", head: str) -> str | None:
    """Why a task of a run has no result."""
    member = source.row.stages.get(head)
    if member is None:
        return f"the run has no {head}"
    record = source.row.records.get(member)
    if record is None:
        return f"the {head} is not done"
    return f"the {head} failed: {record['reason']}" if record["status"] == FAILED else None


def unclassified(source: "Source") -> str | None:
    """Why there are no predictions on test images to show."""
    if not source.names:
        return NO_CLASSES
    return missing(source, CLASSIFICATION) or _untested(source)


def improbable(source: "Source") -> str | None:
    """Why there are no probabilities of test images to show."""
    reason = unclassified(source)
    if reason is None and "probabilities" not in source.row.heads[CLASSIFICATION]["arrays"]:
        return "the classifier gives no probabilities"
    return reason


def confidence(source: "Source", part: int | None = None) -> "tuple[np.ndarray, np.ndarray]":
    """The highest probability of each test image (n,), or of each image of another part, and which (n,) are right."""
    from backbench.datasets import TEST
    from backbench.metrics import probabilistic

    rows = source.split == (TEST if part is None else part)
    return probabilistic.confidence(source.truth[rows], source.stored(CLASSIFICATION, "probabilities")[rows])


def wilson(right: "np.ndarray", of: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Wilson's (1927) 95 % intervals of shares: the least and the largest (m,), NaN where `of` (m,) is 0."""
    import numpy as np
    from statsmodels.stats.proportion import proportion_confint

    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = proportion_confint(right, of, method="wilson")
    none = np.asarray(of) == 0
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def unclustered(source: "Source") -> str | None:
    """Why there are no clusters of the images that the metrics of a clustering refer to."""
    reason = missing(source, CLUSTERING)
    return _untested(source) if reason is None and scope(source) == "per_split" else reason


def unmatched(source: "Source") -> str | None:
    """Why there are no clusters to compare with classes."""
    return unclustered(source) if source.names else NO_CLASSES


def _untested(source: "Source") -> str | None:
    return None if source.info("dataset").get("counts", {}).get("test", 1) else "there are no test images"


def confusion(source: "Source") -> "np.ndarray":
    """Numbers of test images (classes, classes) by true and predicted class."""
    import numpy as np

    from backbench.datasets import TEST

    test, size = source.split == TEST, len(source.names)
    pairs = source.truth[test].astype(np.int64) * size + source.predictions[test]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def tested(source: "Source") -> str:
    """What the confusion matrix is made of, for a heading."""
    return f"{source.info('dataset')['counts']['test']:,} test images"


def reported(source: "Source") -> "np.ndarray":
    """Cluster (n,) of each image that the metrics of the clustering refer to, -1 for noise; `OUTSIDE` for the others.

    With `per_split`, each split is clustered separately, so the clusters of one are not those of another.
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
