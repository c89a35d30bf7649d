"""Which known images a search is restricted to: those of a class, of a cluster, or of a split."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from backbench.datasets import PARTS
from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    import numpy as np

WHERE = "--within"


def rows(conditions: Sequence[str], source: Source) -> "np.ndarray | None":
    """Numbers (m,) of the images that meet all conditions, such as ``class=boots``; None where there are none.

    Raises
    ------
    ConfigError
        For a condition that cannot be understood or does not suit the run, or if no image meets them all.
    """
    import numpy as np

    if not conditions:
        return None
    inside = np.ones(len(source.split), bool)
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if key not in CHOICES or not equals:
            raise refuse(WHERE, condition, f"{', '.join(f'{name}=...' for name in CHOICES)}, such as class=boots")
        inside &= CHOICES[key](value, source)
    if not inside.any():
        raise ConfigError(f"{WHERE}: no image of the collection has {' and '.join(conditions)}.")
    return np.flatnonzero(inside)


def _of_class(value: str, source: Source) -> "np.ndarray":
    """Which images (n,) have a class."""
    if not source.names:
        raise ConfigError(f"{WHERE}: class={value} needs a collection with classes, and {source.dataset} has none.")
    if value not in source.names:
        raise refuse(f"{WHERE} class", value, source.names)
    return source.truth == source.names.index(value)


def _of_cluster(value: str, source: Source) -> "np.ndarray":
    """Which images (n,) are in a cluster."""
    if lacks := _heads.missing(source, "clustering"):
        raise ConfigError(f"{WHERE}: cluster={value} needs a run with a clustering: {lacks}.")
    numbers = sorted({int(label) for label in source.labels.tolist() if label >= -1})
    if value not in map(str, numbers):
        raise refuse(f"{WHERE} cluster", value, f"a cluster of the run, {numbers[0]} to {numbers[-1]}")
    return source.labels == int(value)


def _of_split(value: str, source: Source) -> "np.ndarray":
    """Which images (n,) are in a split."""
    if value not in PARTS:
        raise refuse(f"{WHERE} split", value, PARTS)
    return source.split == PARTS.index(value)


CHOICES: Mapping[str, Callable[[str, Source], "np.ndarray"]] = {
    "class": _of_class,
    "cluster": _of_cluster,
    "split": _of_split,
}
