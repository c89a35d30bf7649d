"""How many bits the samples of an image use, and the scaling of 16 bits to 8.

A PNG or TIFF file of 16-bit grey may hold the 10, 12 or 14 bits of a sensor without saying so: read as 16 bits, it is
nearly black. The option `bits` of a collection says how many are used. TIFF files of 12 bits, and formats that state
their range (PPM, JPEG 2000), need no option. In a white-is-zero TIFF file the largest value is black.

Pillow gives only the high byte of 16-bit colour, so that `bits` cannot help there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench.images.bounds import Unreadable

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

SIXTEEN = 16
# Formats whose 16-bit samples may use fewer bits without saying so; the others state their range.
SILENT = frozenset({"PNG", "TIFF"})
# Tags of a TIFF file, and the value of the second for white-is-zero.
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262
WHITE_IS_ZERO = 0


@dataclass(frozen=True)
class Depth:
    """How the samples of an image are stored: how many `bits` are used, and whether white is zero.

    `silent` means that nothing in the file says how many of its 16 bits are used, `high_byte` that the decoder gives
    the high bytes alone.
    """

    bits: int = SIXTEEN
    white_is_zero: bool = False
    silent: bool = False
    high_byte: bool = False


def of(opened: "Image.Image", bits: int | None) -> Depth:
    """The depth of an opened file that is not loaded yet; `bits` is what the user says about silent ones.

    Raises
    ------
    Unreadable
        For 16-bit colour with fewer `bits`.
    """
    tags = getattr(opened, "tag_v2", {})
    stated = max(tags.get(BITS_PER_SAMPLE, (SIXTEEN,)))
    grey = is_grey(opened)
    silent = opened.format in SILENT and (not grey or stated >= SIXTEEN)
    high_byte = silent and not grey and any(";16" in str(tile[3]) for tile in getattr(opened, "tile", ()))
    if high_byte and bits not in (None, SIXTEEN):
        raise Unreadable(f"16-bit colour, of which only the high byte is read; dataset.bits={bits} is for grey images")
    if not grey:
        return Depth(silent=high_byte, high_byte=high_byte)
    return Depth(bits or SIXTEEN if silent else min(stated, SIXTEEN), tags.get(PHOTOMETRIC) == WHITE_IS_ZERO, silent)


def is_grey(image: "Image.Image") -> bool:
    """Whether the pixels are whole numbers of more than 8 bits."""
    return image.mode == "I" or image.mode.startswith("I;16")


def peak(image: "Image.Image", depth: Depth) -> int | None:
    """The largest stored value of an image that does not say how many bits it uses; None for any other.

    Where the decoder gives high bytes alone, it is the largest value with that byte.

    Raises
    ------
    Unreadable
        If a value has more bits than are used.
    """
    import numpy as np

    if depth.high_byte:
        bands = image.getextrema()
        colours = bands[: 1 if image.mode.startswith("L") else 3] if isinstance(bands[0], tuple) else (bands,)
        return int(max(high for _, high in colours)) * 256 + 255
    if not is_grey(image):
        return None
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 1 << SIXTEEN:
        raise Unreadable("32-bit pixels beyond 0..65535 have no known range")
    if high >= 1 << depth.bits:
        raise Unreadable(f"a value of {high}, which is more than {depth.bits} bits hold: dataset.bits is too small")
    return high if depth.silent else None


def scaled(image: "Image.Image", depth: Depth) -> "Image.Image":
    """Grey of `depth` as 8-bit grey: v / 257 for 16 bits, rounded."""
    import numpy as np
    from PIL import Image

    return Image.fromarray(_eight_bits(np.asarray(image).astype(np.int64), depth))


def _eight_bits(values: "np.ndarray", depth: Depth) -> "np.ndarray":
    """Stored `values` (h, w) int64 as 8-bit grey (h, w) uint8."""
    top = (1 << depth.bits) - 1
    values = top - values if depth.white_is_zero else values
    return ((values * 510 + top) // (2 * top)).astype("uint8")


def about(images: Iterable[tuple[str, int | None]]) -> dict[str, Any]:
    """The rows and the largest peak of 16-bit images, given the stored mode and the peak of each image.

    ``grey`` and ``colour`` are separate, and absent if there are no such images.
    """
    kinds: dict[str, Any] = {}
    for row, (mode, value) in enumerate(images):
        if value is not None:
            kind = kinds.setdefault("grey" if mode.startswith("I") else "colour", {"peak": 0, "rows": []})
            kind["peak"] = max(kind["peak"], value)
            kind["rows"].append(row)
    return kinds
