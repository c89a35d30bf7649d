"""Pixels in a palette of few colours: a drawing has less than a third of the bytes and is written in less time.

Photographs in colour have no place in a palette, which would spoil them: see :func:`coloured`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

# The most colours of a palette, and those of them that stay exactly as they are, the most frequent first.
COLOURS, EXACT = 256, 0.25
# With more colours than this an image is no drawing.
DRAWN = 16_384
# Photographs have colours where more than this share of their dots differ by more than so much between their parts.
SHARE, GREY = 0.25, 8
# What lies along the edges of a photograph, as a part of its sides: its frame, its number and its sign.
EDGE = 0.25
# Bits of a colour, and of one of its parts.
BITS, PART = 24, 8


def coloured(pixels: np.ndarray, boxes: Sequence[Sequence[int]]) -> bool:
    """Whether the photographs in pixels (h, w, 3 or 4) uint8 have colours of their own; frames and numbers are none.

    `boxes` hold the left, top, right and bottom pixel of each photograph. They count together: on a map, frames lie
    across grey photographs that are below them.
    """
    dots = colours = 0
    for left, top, right, bottom in boxes:
        across, down = round(EDGE * (right - left)), round(EDGE * (bottom - top))
        inside = pixels[max(0, top + down) : bottom - down, max(0, left + across) : right - across, :3]
        red, green, blue = np.moveaxis(inside, -1, 0)
        spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
        dots += spread.size
        colours += int((spread > GREY).sum())
    return colours > SHARE * dots


def few(pixels: np.ndarray, colours: int = COLOURS) -> "Image":
    """Pixels (h, w, 4) RGBA uint8 on opaque ground as an image with a palette; RGB where that would show.

    Up to `colours` colours are kept as they are. Of more, the most frequent ones are kept, and the others, which are
    the edges of text and the overlaps of points, become the nearest of those that a median cut chooses
    (`PIL.Image.Image.quantize`).
    """
    from PIL import Image

    whole = np.ascontiguousarray(pixels).view("<u4")[..., 0] & (1 << BITS) - 1
    known, counts = _counted(whole.ravel())
    if len(known) > DRAWN:
        return Image.fromarray(pixels[..., :3])
    order = np.argsort(-counts, kind="stable")
    palette, places = _palette(_parts(known[order]), colours)
    image = Image.fromarray(_table(known[order], places)[whole])
    image.putpalette(palette.tobytes())
    return image


def _counted(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ones (m,) of the colours (n,) and how often each occurs; most are equal to the one before."""
    starts = np.concatenate([[0], np.flatnonzero(colours[1:] != colours[:-1]) + 1])
    known = np.unique(colours[starts])
    if len(known) > DRAWN:
        return known, np.ones(len(known), np.int64)
    runs = _table(known, np.arange(len(known), dtype=np.uint16))[colours[starts]]
    return known, np.bincount(runs, np.diff(starts, append=len(colours))).astype(np.int64)


def _table(colours: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (n,) by their colours (n,), as an array of which only these are filled in."""
    table = np.empty(1 << BITS, values.dtype)
    table[colours] = values
    return table


def _parts(colours: np.ndarray) -> np.ndarray:
    """Red, green and blue (n, 3) uint8 of colours (n,) in one number each."""
    return np.stack([(colours >> shift).astype(np.uint8) for shift in range(0, BITS, PART)], axis=-1)


def _palette(known: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` colours (m, 3) for the colours `known` (n, 3), the most frequent first, and the place (n,) of each
    of these among them."""
    from PIL import Image

    if len(known) <= most:
        return known, np.arange(len(known), dtype=np.uint8)
    kept = round(EXACT * most)
    rest = Image.fromarray(known[None, kept:]).quantize(most - kept, Image.Quantize.MEDIANCUT)
    chosen = np.array(rest.getpalette(), np.uint8).reshape(-1, 3)
    places = np.concatenate([np.arange(kept), kept + np.asarray(rest)[0].astype(np.int64)])
    return np.concatenate([known[:kept], chosen]), places.astype(np.uint8)
