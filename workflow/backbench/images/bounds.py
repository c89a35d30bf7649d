"""How large an image may be: bounds that are checked before its pixels are decoded.

An image has at most ``PIL.Image.MAX_IMAGE_PIXELS`` pixels (89,478,485) and sides of at most ``SIDE``. Sides are limited
because resizing takes memory in proportion to them (48 bytes per pixel of a side), however few pixels there are. Within
these bounds, reading an image takes at most 2 GiB (24 bytes per pixel; JPEG 2000 needs most), which limits how many are
read at once (see ``room``).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

SIDE = 1_000_000
# Tags of a TIFF file.
TILE_WIDTH, TILE_LENGTH = 322, 323


class Unreadable(ValueError):
    """A file that is not a whole image."""


def refuse_size(size: tuple[int, int]) -> None:
    """Raise Unreadable for the size of an image or tile that is too large to be decoded."""
    from PIL import Image

    width, height = size
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise Unreadable(f"{width} x {height} pixels, more than the limit of {limit}")
    if max(size) > SIDE:
        raise Unreadable(f"{width} x {height} pixels: a side is longer than the limit of {SIDE}")


def refuse_tiles(opened: "Image.Image") -> None:
    """Raise Unreadable for a TIFF file whose tiles are too large: tiles are decoded whole, even in a small image."""
    refuse_size(tile(opened))


def tile(opened: "Image.Image") -> tuple[int, int]:
    """Width and length of the tiles of a TIFF file; (0, 0) for any other file."""
    tags = getattr(opened, "tag_v2", {})
    return (tags[TILE_WIDTH], tags[TILE_LENGTH]) if TILE_WIDTH in tags and TILE_LENGTH in tags else (0, 0)
