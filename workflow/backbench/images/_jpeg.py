"""How a JPEG file is coded, which Pillow does not say."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

# Second bytes of markers: frames without a cosine transform, the start of a scan, and markers without a length.
LOSSLESS, SCAN = frozenset({0xC3, 0xC7, 0xCB, 0xCF}), 0xDA
ALONE = frozenset({0x01, *range(0xD0, 0xDA)})
FILL = 0xFF


@dataclass(frozen=True)
class Coding:
    """Whether a file is coded by a cosine transform (`dct`), and whether its first scan is the only one (`at_once`)."""

    dct: bool = False
    at_once: bool = False


def coding(opened: "Image.Image") -> Coding:
    """How an opened JPEG file is coded; both answers are no if its header is irregular."""
    # Attributes of Pillow's reader of JPEG files.
    file, components, dct = getattr(opened, "fp"), getattr(opened, "layers"), True  # noqa: B009
    file.seek(2)
    while (start := file.read(2))[:1] == b"\xff" and len(start) == 2:
        marker = start[1]
        if marker == FILL:
            file.seek(-1, 1)
            continue
        if marker in ALONE:
            continue
        length = int.from_bytes(file.read(2), "big")
        if marker == SCAN:
            return Coding(dct, "progressive" not in opened.info and file.read(1) == bytes([components]))
        dct = dct and marker not in LOSSLESS
        file.seek(length - 2, 1)
    return Coding()
