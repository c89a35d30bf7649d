"""The orientation of an image, from EXIF or XMP.

Cameras, editors and phones write damaged EXIF data and values of the wrong type. These lose the orientation, never the
image: anything that cannot be understood means upright, as in a browser.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION = 0x0112
UPRIGHT = 1
# Left, top, right and bottom, in pixels from the top left corner of the image.
Box = tuple[float, float, float, float]
XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
# The values that swap the sides, and those after which the image begins at the right or at the bottom.
SWAPPED, FROM_RIGHT, FROM_BOTTOM = frozenset({5, 6, 7, 8}), frozenset({2, 3, 6, 7}), frozenset({3, 4, 7, 8})
# What each value asks for, by the names of ``PIL.Image.Transpose``; 1 is upright.
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def upright(opened: "Image.Image") -> tuple["Image.Image", int]:
    """Load an opened file and turn its image upright; also returns the orientation it had, 1 to 8.

    HEIF is turned by its decoder, whatever its EXIF data say. Pillow turns TIFF while loading, and fails on damaged
    tags; it is given empty ones instead, and the image is turned here.
    """
    from PIL import Image

    if opened.format == "HEIF":
        opened.load()
        return opened, UPRIGHT
    tags: Mapping[int, Any] | None = getattr(opened, "tag_v2", None)
    if tags is None:
        opened.load()
        orientation = _orientation(opened, lambda: opened.getexif().get(ORIENTATION))
        return _turned(opened, orientation), orientation
    orientation = _orientation(opened, lambda: tags.get(ORIENTATION))
    setattr(opened, "getexif", Image.Exif)  # noqa: B010 (an assignment to a method is a type error)
    opened.load()
    return _turned(opened, orientation), orientation


def whole_box(size: tuple[int, int]) -> Box:
    """The box that is a whole image of `size`."""
    return 0.0, 0.0, float(size[0]), float(size[1])


def turned_box(extent: tuple[float, float], size: tuple[int, int], orientation: int) -> Box:
    """Where the content is in an upright image of `size`, given that it began at the top left before the turn.

    `extent` is its width and height before the turn, in pixels.
    """
    width, height = extent[::-1] if orientation in SWAPPED else extent
    left = size[0] - width if orientation in FROM_RIGHT else 0.0
    top = size[1] - height if orientation in FROM_BOTTOM else 0.0
    return left, top, left + width, top + height


def _turned(image: "Image.Image", orientation: int) -> "Image.Image":
    from PIL import Image

    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(Image.Transpose[turn])


def _orientation(opened: "Image.Image", stored: Callable[[], Any]) -> int:
    """The orientation, 1 to 8, from EXIF, else from XMP."""
    value = None
    with contextlib.suppress(Exception):  # damaged EXIF data raise many kinds of errors
        value = stored()
    if value is not None:
        return int(value) if isinstance(value, (int, float)) and value in TURNS else UPRIGHT
    match = XMP.search(_xmp(opened))
    return int(match[1]) if match else UPRIGHT


def _xmp(opened: "Image.Image") -> bytes:
    text = opened.info.get("XML:com.adobe.xmp") or opened.info.get("xmp") or b""
    return text.encode("utf-8", "replace") if isinstance(text, str) else bytes(text)
