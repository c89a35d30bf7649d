"""The scale at which a photograph is decoded.

A JPEG file can be decoded at 1/2, 1/4 or 1/8 of its sides in a fraction of the time and memory, since fewer
coefficients of each block are transformed. The decoded image is still at least ``SPARE`` times as large as the size it
is resized to. The remaining difference is that the resize filter sees a coarser image: an exact mean of the same blocks
differs as much (``benchmarks/results/decoding.md`` compares the features). Other formats are decoded whole.
"""

import math
from typing import TYPE_CHECKING

from backbench.images import _jpeg
from backbench.images.policy import Image as Policy

if TYPE_CHECKING:
    from PIL import Image

REDUCTIONS = (8, 4, 2, 1)
# A reduced image is at least so many times as large as the target of the resize. At twice, the features of single
# photographs had a cosine as low as 0.997 to those after whole decoding; a phone's 12 megapixels give 2.9 times.
SPARE = 2.5
# Smaller targets count as this one, so that the same decoded image serves the audit and most policies.
FLOOR = 256
# The shorter side that the audit of a collection needs.
AUDIT = math.ceil(SPARE * FLOOR)
# Formats that libjpeg decodes at a scale.
FORMATS = frozenset({"JPEG", "MPO"})


def least(policy: Policy) -> int | None:
    """The shorter side that an image must keep for `policy`; None if it must be decoded whole.

    ``nearest`` takes single pixels of the whole image, which a reduced one does not have.
    """
    if policy.decode == "full" or policy.interpolation == "nearest":
        return None
    return math.ceil(SPARE * max(policy.shorter or policy.size, FLOOR))


def reduction(opened: "Image.Image", least: int | None) -> int:
    """The largest of ``REDUCTIONS`` that leaves an opened file a shorter side of at least `least` pixels.

    It is 1 if `least` is None, and for files that cannot be decoded at a scale.
    """
    if least is None or opened.format not in FORMATS or len(getattr(opened, "tile", ())) != 1:
        return 1
    factor = next((factor for factor in REDUCTIONS if min(opened.size) >= factor * least), 1)
    return factor if factor > 1 and _jpeg.coding(opened).dct else 1


def draft(opened: "Image.Image", factor: int) -> tuple[float, float]:
    """Have an opened file decoded at 1/`factor`; returns the width and height of the image in reduced pixels.

    These are fractions: 4,001 columns at a quarter become 1,001, the last of which is a quarter image and three
    quarters padding.
    """
    width, height = opened.size
    if factor > 1:
        opened.draft(None, (width // factor, height // factor))
    return width / factor, height / factor
