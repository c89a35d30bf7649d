"""Images that show what a run does: those of each cluster, the worst errors, and queries with their nearest images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbench.pictures import _heads, _images
from backbench.pictures.kinds.cluster_samples import from_mean
from backbench.store import StoreError

if TYPE_CHECKING:
    import numpy as np

    from backbench.pictures.source import Source

NOISE = -1
RETRIEVAL = "retrieval"


@dataclass(frozen=True)
class Cluster:
    """A cluster, or the noise (`number` -1), with some of its images.

    `typical` are the row numbers of the images that fit it best, the best first, `doubtful` those of the images that
    fit it worst; of noise, `typical` are drawn at random. `majority` is its most frequent class and `share` that of the
    class in it, where there are classes.
    """

    number: int
    size: int
    typical: list[int]
    doubtful: list[int]
    majority: int | None = None
    share: float | None = None


@dataclass(frozen=True)
class Errors:
    """The wrong predictions among the test images, the most confident first.

    `rows` are some of the `wrong` images that are wrong of `tested`. `probabilities` says how sure the classifier was
    of each, None where it gives no probabilities; `ordered` is whether it gives anything to order them by.
    """

    rows: list[int]
    probabilities: list[float] | None
    wrong: int
    tested: int
    ordered: bool


@dataclass(frozen=True)
class Query:
    """A query with its nearest images, nearest first, and which of them are of its class, where there are classes."""

    row: int
    nearest: list[int]
    right: list[bool] | None


def clusters(source: "Source", most: int, typical: int, doubtful: int) -> tuple[list[Cluster], int]:
    """The `most` largest clusters of a run, the largest first, then its noise; and how many clusters there are.

    An image fits its cluster the better, the larger its silhouette width is; without widths, the nearer it is to the
    mean of the cluster.
    """
    import numpy as np

    labels = _heads.reported(source)
    numbers, sizes = np.unique(labels[labels >= 0], return_counts=True)
    shown = numbers[np.lexsort((numbers, -sizes))][:most].tolist()
    listed = [_cluster(source, number, np.flatnonzero(labels == number), typical, doubtful) for number in shown]
    noise = np.flatnonzero(labels == NOISE)
    if len(noise):
        drawn = np.random.default_rng(_images.SEED).permutation(noise)[: typical + doubtful]
        listed.append(Cluster(NOISE, len(noise), drawn.tolist(), []))
    return listed, len(numbers)


def _cluster(source: "Source", number: int, members: "np.ndarray", typical: int, doubtful: int) -> Cluster:
    """The cluster of the images `members` (m,)."""
    import numpy as np

    ordered = members[np.argsort(_misfit(source, members), kind="stable")].tolist()
    last = ordered[max(typical, len(ordered) - doubtful) :]
    named: tuple[int, float] | tuple[()] = ()
    if source.names:
        counts = np.bincount(source.truth[members])
        named = int(counts.argmax()), float(counts.max() / len(members))
    return Cluster(number, len(members), ordered[:typical], last[::-1], *named)


def _misfit(source: "Source", members: "np.ndarray") -> "np.ndarray":
    """How badly each of the images `members` (m,) of a cluster fits it, (m,)."""
    import numpy as np

    widths = source.widths
    if widths is not None and np.isfinite(widths[members]).all():
        return -widths[members]
    try:
        return from_mean(source.matrix(_heads.CLUSTERING), members)
    except (StoreError, OSError):
        return np.zeros(len(members))


def errors(source: "Source", most: int) -> Errors:
    """At most `most` of the test images that are classified wrongly, those first that the classifier is surest of.

    It is surest of the highest probability, else of the largest distance of the decision score from the second highest.
    Without either, errors take turns among the confused pairs of classes, the most frequent pair first.
    """
    import numpy as np

    from backbench.datasets import TEST

    test = np.flatnonzero(source.split == TEST)
    wrong = test[source.predictions[test] != source.truth[test]]
    sure, probable = sureness(source, wrong)
    if sure is None:
        pairs = source.truth[wrong].astype(np.int64) * (len(source.names) + 1) + source.predictions[wrong]
        first = wrong[_images.in_turn(pairs, most, largest_first=True)]
        return Errors(first.tolist(), None, len(wrong), len(test), False)
    order = np.lexsort((wrong, -sure))[:most]
    return Errors(wrong[order].tolist(), sure[order].tolist() if probable else None, len(wrong), len(test), True)


def sureness(source: "Source", rows: "np.ndarray") -> "tuple[np.ndarray | None, bool]":
    """How sure the classifier is of its predictions for `rows` (m,), (m,) float64; whether these are probabilities."""
    import numpy as np

    predicted = source.predictions[rows]
    probabilities = source.array(_heads.CLASSIFICATION, "probabilities", mmap=True)
    if probabilities is not None:
        return np.asarray(probabilities[rows, predicted], np.float64), True
    decision = source.array(_heads.CLASSIFICATION, "decision", mmap=True)
    if decision is None:
        return None, False
    scores = np.sort(np.nan_to_num(np.asarray(decision[rows], np.float64), nan=-np.inf), axis=1)
    return (scores[:, -1] - scores[:, -2] if scores.shape[1] > 1 else scores[:, -1]), False


def queries(source: "Source", count: int, worst: int, depth: int) -> list[Query]:
    """`count` queries with their `depth` nearest images.

    They are drawn at random, one of each class in turn; with classes, the last `worst` are those with the fewest right
    among the nearest.
    """
    import numpy as np

    nearest = source.neighbours[:, :depth]
    if not source.names:
        drawn = np.sort(np.random.default_rng(_images.SEED).permutation(len(nearest))[:count])
        return list(_queries(source, nearest, drawn, None))
    truth = source.truth[source.queries]
    right = source.truth[nearest] == truth[:, None]
    typical = _images.in_turn(truth, max(0, count - worst))
    left = np.setdiff1d(np.arange(len(truth)), typical)
    lowest = left[np.argsort(right[left].mean(axis=1), kind="stable")][: count - len(typical)]
    return list(_queries(source, nearest, np.concatenate([np.sort(typical), lowest]), right))


def _queries(
    source: "Source", nearest: "np.ndarray", places: "np.ndarray", right: "np.ndarray | None"
) -> Iterator[Query]:
    """The queries at `places` (m,) with their `nearest` (queries, depth) and which are `right` (queries, depth)."""
    for place in places.tolist():
        marks = None if right is None else right[place].tolist()
        yield Query(int(source.queries[place]), nearest[place].tolist(), marks)


def without(source: "Source", head: str) -> str | None:
    """Why there is nothing to show of a task: no images, or no result of it; None where there is."""
    reason = _images.missing(source)
    if reason is None:
        looks = {_heads.CLUSTERING: _heads.unclustered, _heads.CLASSIFICATION: _heads.unclassified}
        reason = looks[head](source) if head in looks else _unanswered(source)
    return reason


def _unanswered(source: "Source") -> str | None:
    """Why there are no queries with nearest images."""
    about = source.info(RETRIEVAL)
    reason = _heads.missing(source, RETRIEVAL)
    return reason or (None if about.get("queries", 1) and about.get("neighbours", 1) else "nothing was retrieved")


def name(source: "Source", row: int) -> str:
    """The path of an image in its collection, or its number where the collection is no files."""
    files: Sequence[str] | None = source.info("dataset").get("files")
    return str(files[row]) if files else f"image {row}"
