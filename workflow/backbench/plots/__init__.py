"""Plots: from arrays to matplotlib figures and the numbers that they show.

One module for each way of drawing. A ``draw`` function takes a :class:`Heading` and plain arrays and returns a
:class:`Picture`; it reads and writes no file, uses no global state of matplotlib and gives the same figure for the same
arguments. matplotlib is imported inside functions only, and so are `_artists` and `_margins`, which subclass it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Data = dict[str, list[Any]]
# The id of images of the collection within a figure, and the part of a PNG file that says where they are.
PHOTOGRAPH, BOXES = "photograph", "Photographs"


@dataclass(frozen=True)
class Heading:
    """The text around a picture: its title, a line below that says what it shows, and the hash that it belongs to.

    `stamp` is the last line of the picture, such as ``run 1a2b3c4d5e6f``.
    """

    title: str
    about: str
    stamp: str


@dataclass(frozen=True)
class Picture:
    """A figure with the numbers that it shows and a sentence that says what to look for.

    `data` is written beside the picture as CSV: column name to values, all of one length, names unshortened.
    """

    figure: "Figure"
    data: Mapping[str, Sequence[Any]]
    caption: str


def columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Data:
    """The data of a picture from rows that have a value for each of `names`."""
    listed = list(rows)
    return {name: [row[at] for row in listed] for at, name in enumerate(names)}
