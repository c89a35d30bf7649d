"""How well the classifier does on the test images: scikit-learn's classification report, as text and as a table."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from backbench.datasets import TEST
from backbench.exports._folder import Folder
from backbench.exports._tables import table
from backbench.pictures.source import Source

if TYPE_CHECKING:
    import numpy as np

TEXT, TABLE = "classification_report.txt", "classification_report.csv"
AVERAGES = ("macro", "weighted")


def write(source: Source, folder: Folder) -> None:
    """Write both files, of the classes that test images have or are given."""
    import numpy as np
    from sklearn.metrics import classification_report

    test = source.split == TEST
    truth, predicted = source.truth[test], source.predictions[test]
    classes = np.union1d(truth, predicted)
    names = [source.names[code] for code in classes]
    report = classification_report(
        truth, predicted, labels=classes, target_names=[_line(name) for name in names], digits=4, zero_division=0
    )
    folder.text(TEXT, report)
    folder.text(
        TABLE, table(("class", "precision", "recall", "f1", "support"), _lines(truth, predicted, classes, names))
    )


def _lines(
    truth: "np.ndarray", predicted: "np.ndarray", classes: "np.ndarray", names: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """A line for each of `classes` (c,), then the accuracy and the averages, from classes (n,) of the test images."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    each = precision_recall_fscore_support(truth, predicted, labels=classes, zero_division=0)
    for name, *values in zip(names, *(column.tolist() for column in each), strict=True):
        yield name, *values
    yield "accuracy", "", "", float(accuracy_score(truth, predicted)), len(truth)
    for average in AVERAGES:
        values = precision_recall_fscore_support(truth, predicted, labels=classes, average=average, zero_division=0)
        yield f"{average} avg", *(float(value) for value in values[:3]), len(truth)


def _line(name: str) -> str:
    """A name without what would break the line."""
    return "".join(sign if sign.isprintable() else " " for sign in name)
