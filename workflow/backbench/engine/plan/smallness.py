"""What a small collection cannot show, in a sentence that comes before everything else."""

from backbench.datasets import Description

# Below so many images, and so many reported ones of a class, figures say next to nothing.
FEW_IMAGES, FEW_OF_A_CLASS = 20, 5


def understood(about: Description) -> tuple[str, ...]:
    """What a collection is too small for, then what it is taken for."""
    return (*_warnings(about), *about.understood)


def _warnings(about: Description) -> list[str]:
    items = "images" if about.images else "rows"
    warnings = []
    if about.n < FEW_IMAGES:
        counted = f"{about.n} {items}" if about.n != 1 else f"1 {items[:-1]}"
        warnings.append(f"{counted}: too few to tell anything apart; no figure below means much")
    if about.classes == 1:
        warnings.append(
            f"only one class ({about.n:,} {items}): there is nothing to classify, and nothing to compare clusters "
            "with; clusterings and nearest images are computed"
        )
    elif about.classes and about.n >= FEW_IMAGES:
        warnings += _few_of_a_class(about, about.classes, items)
    return warnings


def _few_of_a_class(about: Description, classes: int, items: str) -> list[str]:
    _, validation, test = about.counts
    part, count = ("test", test) if test else ("validation", validation)
    if not count or count >= FEW_OF_A_CLASS * classes:
        return []
    points = 100 / count
    return [
        f"{count} {part} {items} for {classes} classes: each is worth {points:.1f} points of accuracy, so small "
        "differences between classifiers mean nothing"
    ]
