"""A classifier class by class: the worst ones, what they are taken for, and whether the size of a class matters."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench import paths
from backbench.engine.results.joined_run import Row
from backbench.store import Store, StoreError
from backbench.wording import brief

if TYPE_CHECKING:
    import numpy as np

HEAD = "classification"
WORST = 3
# Fewer classes than this give no rank correlation of size and recall.
LEAST_CLASSES = 5
# Sizes that differ by less than this factor are one size.
ONE_SIZE = 1.1
# Test images of a class below which its recall is a rough figure.
FEW = 10
LEVEL = 0.05


@dataclass(frozen=True)
class ClassScore:
    """A class on the test images: `support` is how many it has and `right` how many of these are recognised.

    `taken_for` is the class that most of the others are taken for and `taken` how many, None and 0 where there are none
    or the predictions are missing; `size` is the number of its training images, None where it is not known.
    """

    name: str
    recall: float
    precision: float
    f1: float
    support: int
    right: int
    taken_for: str | None = None
    taken: int = 0
    size: int | None = None


@dataclass(frozen=True)
class ClassAudit:
    """The classes of a run, lowest recall first in `worst`; those without a test image are named in `untested`.

    `gap` is the recall of `best` less that of the worst, NaN with fewer than two classes; `correlation` is Spearman's
    of training images and recall, None where there are too few classes or they are all of one size.
    """

    worst: tuple[ClassScore, ...]
    best: ClassScore | None
    gap: float
    correlation: float | None
    untested: tuple[str, ...]
    text: str


def audit(row: Row, store: Store | None = None) -> ClassAudit | None:
    """The classes of a run's classifier; None where it has none.

    Predictions and sizes of the classes are read from the store; without them the audit says nothing of these.
    """
    record = row.heads.get(HEAD, {})
    per_class = record.get("info", {}).get("per_class")
    if not per_class:
        return None
    known = row.records.get(row.stages["dataset"], {}).get("info", {}).get("classes") or list(per_class)
    images = _images(row, [str(name) for name in known], row.seen(store or Store(paths.store())))
    scores = [_score(name, measured, images) for name, measured in per_class.items() if measured["support"]]
    scores.sort(key=lambda score: (score.recall, score.name))
    untested = tuple(name for name, measured in per_class.items() if not measured["support"])
    gap = scores[-1].recall - scores[0].recall if len(scores) > 1 else math.nan
    correlation, p = _size_matters(scores)
    text = " ".join(_sentences(scores, untested, correlation, p))
    return ClassAudit(tuple(scores[:WORST]), scores[-1] if scores else None, gap, correlation, untested, text)


@dataclass(frozen=True)
class _Images:
    """Class names by number, true classes against predicted ones of the test images (classes, classes), and numbers of
    training images (classes,); None where arrays are missing."""

    names: list[str]
    table: "np.ndarray | None"
    sizes: "np.ndarray | None"


def _images(row: Row, names: list[str], store: Store) -> _Images:
    import numpy as np

    from backbench.datasets import TEST, _resplit, _shots
    from backbench.metrics.labels import crosstab

    try:
        truth = store.array("dataset", row.stages["dataset"], "labels")
        split = _resplit.stored(store, row.stages["dataset"], row.division(HEAD))
        learnt = _shots.learnt(row.plan.stages[row.run.stages[HEAD]].config, split, truth)
        sizes = np.bincount(truth[learnt], minlength=len(names))
    except StoreError:
        return _Images(names, None, None)
    try:
        predicted = store.array(HEAD, row.run.stages[HEAD], "predictions")
    except StoreError:
        return _Images(names, None, sizes)
    return _Images(names, crosstab(truth[split == TEST], predicted[split == TEST].astype(np.int64)), sizes)


def _score(name: str, measured: Mapping[str, Any], images: _Images) -> ClassScore:
    at = images.names.index(name)
    taken_for, taken = _mistaken(at, images)
    size = None if images.sizes is None else int(images.sizes[at])
    right = round(measured["recall"] * measured["support"])
    scores = (measured["recall"], measured["precision"], measured["f1"], measured["support"], right)
    return ClassScore(name, *scores, taken_for=taken_for, taken=taken, size=size)


def _mistaken(at: int, images: _Images) -> tuple[str | None, int]:
    """What a class is most often taken for; of equal ones the first."""
    if images.table is None or at >= len(images.table):
        return None, 0
    wrong = images.table[at].copy()
    wrong[at : at + 1] = 0
    most = int(wrong.argmax())
    return (images.names[most], int(wrong[most])) if wrong[most] else (None, 0)


def _size_matters(scores: Sequence[ClassScore]) -> tuple[float | None, float]:
    """Spearman's correlation of training images and recall, and its p."""
    sizes, recalls = [score.size for score in scores], [score.recall for score in scores]
    if len(scores) < LEAST_CLASSES or None in sizes or len(set(sizes)) < 2 or len(set(recalls)) < 2:
        return None, 1.0
    from scipy import stats

    correlation = stats.spearmanr(sizes, recalls)
    return float(correlation.statistic), float(correlation.pvalue)


def _sentences(
    scores: Sequence[ClassScore], untested: Sequence[str], correlation: float | None, p: float
) -> Iterator[str]:
    if not scores:
        yield "There are no test images, so nothing is known of single classes."
        return
    if len(scores) == 1:
        yield f"Only one class has test images: {_described(scores[0])}."
    elif scores[0].recall == scores[-1].recall:
        yield f"All {len(scores)} classes have the same recall, {scores[0].recall:.2f}."
    else:
        yield f"The worst of {len(scores)} classes is {_described(scores[0])}."
        yield _others(scores)
        yield from _sizes(scores, correlation, p)
    if untested:
        shown = ", ".join(brief(name) for name in untested[:WORST])
        more = f" and {len(untested) - WORST} more" if len(untested) > WORST else ""
        lack = "1 class has" if len(untested) == 1 else f"{len(untested)} classes have"
        yield f"{lack} no test image and cannot be judged: {shown}{more}."


def _described(score: ClassScore) -> str:
    """``Shirt with recall 0.52 (31 of 60 test images), mostly taken for Pullover (12)``; few images are called so."""
    few = ", too few for more than a rough figure" if score.support < FEW else ""
    mistaken = f", taken for {brief(score.taken_for)} most often ({score.taken})" if score.taken_for else ""
    images = f"{score.right} of {score.support} {'test image' if score.support == 1 else 'test images'}"
    return f"{brief(score.name)} with recall {score.recall:.2f} ({images}{few}){mistaken}"


def _others(scores: Sequence[ClassScore]) -> str:
    """The next worst, and the best."""
    best = scores[-1]
    gap = f"the best is {brief(best.name)} ({best.recall:.2f}), a gap of {best.recall - scores[0].recall:.2f}."
    between = scores[1 : min(WORST, len(scores) - 1)]
    if not between:
        return f"{gap[0].upper()}{gap[1:]}"
    names = " and ".join(f"{brief(score.name)} ({score.recall:.2f})" for score in between)
    return f"Next {'comes' if len(between) == 1 else 'come'} {names}; {gap}"


def _sizes(scores: Sequence[ClassScore], correlation: float | None, p: float) -> Iterator[str]:
    """Whether classes with more training images are recognised better."""
    sizes = [score.size for score in scores if score.size is not None]
    if len(sizes) < len(scores):
        return
    low, high = min(sizes), max(sizes)
    if high <= ONE_SIZE * low:
        yield "All classes have about equally many training images, so their size explains nothing."
    elif correlation is not None:
        over = f"over {len(scores)} classes with {low:,} to {high:,} training images"
        evidence = f"(Spearman {correlation + 0.0:+.2f} {over})"
        if p > LEVEL:
            yield f"The size of a class does not explain its recall {evidence}."
        else:
            more = "more" if correlation > 0 else "fewer"
            yield f"Classes with {more} training images have higher recall {evidence}."
