"""Texts that fit a given width, measured in the font that they are drawn in."""

import math
import textwrap
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from backbench.wording import shorten

if TYPE_CHECKING:
    from matplotlib.backend_bases import RendererBase

FONT, DPI = ["DejaVu Sans"], 144
# The letters that a line always has.
FEWEST = 20


@cache
def width(text: str, size: float, weight: str = "normal") -> float:
    """Width of a text in inches, as a PNG has it; `size` in typographic points."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(family=FONT, size=size, weight=weight)
    return _renderer().get_text_width_height_descent(text, font, ismath=False)[0] / DPI


@cache
def _renderer() -> "RendererBase":
    from matplotlib.backends import backend_agg

    # The backend has no types.
    untyped: Any = backend_agg
    return untyped.RendererAgg(1, 1, DPI)


@cache
def fitted(text: str, room: float, size: float, weight: str = "normal") -> str:
    """`text` in at most `room` inches; what is left out of its middle is one sign."""
    limit, shown = len(text), text
    while limit > 1 and width(shown, size, weight) > room:
        limit = min(limit - 1, max(1, math.ceil(len(shown) * room / width(shown, size, weight))))
        shown = shorten(text, limit)
    return shown


def lines(text: str, room: float, size: float, most: int, weight: str = "normal") -> list[str]:
    """`text` broken at its spaces into at most `most` lines of `room` inches; the last one is shortened."""
    broken: list[str] = []
    words = text.split()
    while words:
        taken = _that_fit(words, room, size, weight) if len(broken) < most - 1 else len(words)
        broken.append(fitted(" ".join(words[:taken]), room, size, weight))
        words = words[taken:]
    return broken


def wrap(text: str, room: float, size: float, weight: str = "normal") -> list[str]:
    """`text` in lines of at most `room` inches at `size` points."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=FONT, weight=weight)))
    font.set_size(size, DPI)

    def inches(line: str) -> float:
        font.set_text(line)
        return font.get_width_height()[0] / 64 / DPI

    letters = max(FEWEST, len(text))
    while (
        (lines := textwrap.wrap(text, letters, break_on_hyphens=False))
        and letters > FEWEST
        and max(map(inches, lines)) > room
    ):
        letters = max(FEWEST, min(letters - 1, int(letters * room / max(map(inches, lines)))))
    return lines


def _that_fit(words: Sequence[str], room: float, size: float, weight: str) -> int:
    count = 1
    while count < len(words) and width(" ".join(words[: count + 1]), size, weight) <= room:
        count += 1
    return count
