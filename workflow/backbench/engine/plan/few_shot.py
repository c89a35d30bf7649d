"""How many training images a few-shot classification has, and what a collection has too few images for."""

from backbench.engine.plan import options
from backbench.engine.plan.factory import GridFactory
from backbench.engine.plan.representations import Source
from backbench.engine.plan.shortage import TooSmall
from backbench.wording import counted

SHOTS = "classification.shots"


def check(factory: GridFactory, head: options.Classification, source: Source) -> None:
    """Refuse more images of each class than any class has, and say which classes have fewer than are asked for.

    Raises
    ------
    TooSmall
        With the largest number that there is.
    """
    sizes = source.about.training
    if head.shots is None or not sizes:
        return
    most, items = max(sizes), "image" if source.about.images else "row"
    if head.shots > most:
        problem = f"{SHOTS}: received {head.shots}; the largest class has {counted(most, f'training {items}')}"
        size = f"{counted(source.train, f'training {items}')} of {counted(len(sizes), 'class')}"
        raise TooSmall("few-shot classification", problem, size, {SHOTS: (head.shots, most)})
    fewer = sum(size < head.shots for size in sizes)
    if fewer:
        factory.notice(
            f"{head.shots} {items}s a class: {fewer} of {counted(len(sizes), 'class')} have fewer training {items}s "
            "and give all they have"
        )


def rows(head: options.Classification, source: Source) -> int:
    """How many training images a classifier learns from."""
    if head.shots is None or not source.about.training:
        return source.train
    # Of folds, the sizes of the classes are those of the data set's own split.
    return min(source.train, sum(min(size, head.shots) for size in source.about.training))


def check_choice(name: str, head: options.Classification, count: int) -> None:
    """Refuse a classifier that chooses by training images it holds back, where each class has a single one.

    Raises
    ------
    TooSmall
        If nothing can be held back of `count` training images.
    """
    if head.shots == 1:
        problem = f"classifier({name}): one image a class leaves none to choose by; give dataset.split.validation=0.2"
        raise TooSmall(name, problem, counted(count, "training row"), {})
