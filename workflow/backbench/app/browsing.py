"""Which images a person looks through: clusters, cells of the confusion matrix, mistakes, likely wrong labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench.app.opened import NOISE, Opened
from backbench.datasets import TEST, TRAIN
from backbench.organising import centres, folders
from backbench.pictures import _heads
from backbench.pictures.examples import sureness

if TYPE_CHECKING:
    import numpy as np

CENTRE, UNSURE, PLACE = "nearest to the centre first", "least sure first", "in the order of the collection"
ORDERS = (CENTRE, UNSURE, PLACE)
# Faults of an audit that name single images, and those that name pairs or groups of them.
SINGLE = ("flat", "tiny", "odd", "shallow")
PAIRS = ("across_parts", "near_across_parts")
GROUPS = ("duplicates", "near_duplicates")


@dataclass(frozen=True)
class Listed:
    """An image with what is said below it."""

    row: int
    note: str = ""


@dataclass(frozen=True)
class Sizes:
    """The clusters of a run by size: their numbers and how many images each has; noise last."""

    numbers: Sequence[int]
    sizes: Mapping[int, int]


def clusters(labels: "np.ndarray") -> Sizes:
    """The clusters of `labels` (n,), the largest first; images outside the clustering (-2) do not count."""
    import numpy as np

    numbers, counts = np.unique(labels[labels >= NOISE], return_counts=True)
    order = np.lexsort((numbers, -counts, numbers == NOISE))
    sizes = {int(numbers[at]): int(counts[at]) for at in order}
    return Sizes(list(sizes), sizes)


def members(opened: Opened, cluster: int, order: str = CENTRE) -> list[Listed]:
    """The images of a cluster in an order of `ORDERS`; those of noise are in the order of the collection.

    An image is least sure where its silhouette width is smallest; without widths, where it is farthest from the centre.
    Where splits were clustered apart, the cluster is that of the test images.
    """
    import numpy as np

    labels, source = opened.labels, opened.source
    if labels is None:
        return []
    inside = labels == cluster
    if folders.apart(source):
        inside &= source.split == TEST
    rows = np.flatnonzero(inside)
    if cluster == NOISE or order == PLACE or not len(rows):
        return [Listed(row) for row in rows.tolist()]
    widths = centres.widths(source) if order == UNSURE else None
    if widths is not None and np.isfinite(widths[rows]).all():
        return _ordered(rows, widths[rows], "silhouette {:.2f}")
    distances = centres.distances(source)[rows]
    if order == UNSURE:
        return _ordered(rows, -distances, "{:.3g} from the centre", -1)
    return _ordered(rows, distances, "{:.3g} from the centre")


def confusion(opened: Opened) -> "np.ndarray":
    """Numbers of test images (classes, classes) by true and predicted class."""
    return _heads.confusion(opened.source)


def cell(opened: Opened, true: int, predicted: int) -> list[Listed]:
    """The test images of a cell of the confusion matrix."""
    import numpy as np

    assert opened.predictions is not None
    source = opened.source
    inside = (source.split == TEST) & (source.truth == true) & (opened.predictions == predicted)
    return [Listed(row) for row in np.flatnonzero(inside).tolist()]


def mistakes(opened: Opened) -> list[Listed]:
    """Validation and test images that are classified wrongly, those first that the classifier is surest of."""
    import numpy as np

    source, predictions = opened.source, opened.predictions
    if predictions is None:
        return []
    rows = np.flatnonzero((source.split != TRAIN) & (predictions >= 0) & (predictions != source.truth))
    sure, probable = sureness(source, rows)
    order = np.arange(len(rows)) if sure is None else np.lexsort((rows, -sure))
    notes = [f"taken for {source.names[int(predictions[row])]}" for row in rows]
    if sure is not None and probable:
        notes = [f"{note}, {share:.0%}" for note, share in zip(notes, sure.tolist(), strict=True)]
    return [Listed(int(rows[at]), notes[at]) for at in order]


def mislabelled(opened: Opened) -> list[Listed]:
    """Validation and test images whose label is probably wrong, those first whose label is least probable.

    Another class counts where its probability is at least the mean that images of that class give it (the confident
    joint of Northcutt, Jiang and Chuang, arXiv:1911.00068). None where the classifier gives no probabilities.
    """
    import numpy as np

    source, predictions = opened.source, opened.predictions
    probabilities = source.array("classification", "probabilities") if predictions is not None else None
    if probabilities is None:
        return []
    assert predictions is not None
    rows = np.flatnonzero((source.split != TRAIN) & (predictions >= 0))
    given, shares = source.truth[rows], np.asarray(probabilities[rows], np.float64)
    own = shares[np.arange(len(rows)), given]
    counts = np.bincount(given, minlength=shares.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = np.bincount(given, weights=own, minlength=shares.shape[1]) / counts
    usual[counts == 0] = np.inf
    confident = np.where(shares >= usual, shares, -1.0)
    other = confident.argmax(axis=1)
    chosen = np.flatnonzero((confident.max(axis=1) > 0) & (other != given) & (shares.argmax(axis=1) == other))
    order = chosen[np.lexsort((rows[chosen], own[chosen]))]
    return [
        Listed(
            int(rows[at]),
            f"this class {own[at]:.0%}, {source.names[int(other[at])]} {shares[at, other[at]]:.0%}",
        )
        for at in order.tolist()
    ]


def faults(report: Mapping[str, Any]) -> dict[str, list[list[Listed]]]:
    """Images that an audit names, by kind of fault: groups of one image, of a pair or of several.

    Files that were left out have no row, and are not in it.
    """
    listed: dict[str, list[list[Listed]]] = {}
    for kind in PAIRS:
        listed[kind] = [[_named(pair["image"]), _named(pair["twin"])] for pair in report.get(kind) or []]
    for kind in GROUPS:
        listed[kind] = [[_named(image) for image in group["images"]] for group in report.get(kind) or []]
    for kind in SINGLE:
        listed[kind] = [[_named(image)] for image in report.get(kind) or []]
    return {kind: groups for kind, groups in listed.items() if groups}


def _named(image: Mapping[str, Any]) -> Listed:
    return Listed(int(image["row"]))


def _ordered(rows: "np.ndarray", values: "np.ndarray", words: str, sign: int = 1) -> list[Listed]:
    """The rows (m,) by their values (m,), the smallest first, each with its value in words."""
    import numpy as np

    order = np.lexsort((rows, values))
    return [Listed(int(rows[at]), words.format(sign * float(values[at]))) for at in order]
