"""At which scale a photograph is decoded (layer 1).

A JPEG file can be decoded at 1/2, 1/4 or 1/8 of its sides, at a fraction of the time and memory: fewer coefficients of
each block are transformed. What comes out is still ``SPARE`` times as large as what it is resized to, or more. What
differs afterwards is how finely the filter of the resize meets the picture: an exact mean of the same blocks differs as
much (``benchmarks/results/decoding.md`` has the features). Other formats are decoded whole.
"""

import math
from typing import TYPE_CHECKING

from backbench.images import _jpeg
from backbench.images.policy import Image as Policy

if TYPE_CHECKING:
    from PIL import Image

REDUCTIONS = (8, 4, 2, 1)
# How many times as large as the target of the resize a reduced picture is at least. At twice, features of single
# photographs had a cosine as low as 0.997 to those after whole decoding; a phone's 12 megapixels leave 2.9 times.
SPARE = 2.5
# Targets below so many pixels count as this one: the same decoded picture then serves the audit and most policies.
FLOOR = 256
# The least shorter side for the audit of a collection.
AUDIT = math.ceil(SPARE * FLOOR)
# What libjpeg decodes at a scale.
FORMATS = frozenset({"JPEG", "MPO"})


def least(policy: Policy) -> int | None:
    """The shorter side that a picture must keep for `policy`; None where it is decoded whole.

    ``nearest`` takes single pixels of the whole picture, which a reduced one has not.
    """
    if policy.decode == "full" or policy.interpolation == "nearest":
        return None
    return math.ceil(SPARE * max(policy.shorter or policy.size, FLOOR))


def reduction(opened: "Image.Image", least: int | None) -> int:
    """The largest of ``REDUCTIONS`` that leaves an opened file a shorter side of `least` pixels or more.

    It is 1 for None, and for what cannot be decoded at a scale.
    """
    if least is None or opened.format not in FORMATS or len(opened.tile) != 1:
        return 1
    factor = next((factor for factor in REDUCTIONS if min(opened.size) >= factor * least), 1)
    return factor if factor > 1 and _jpeg.coding(opened).dct else 1


def draft(opened: "Image.Image", factor: int) -> tuple[float, float]:
    """Have an opened file decoded at 1/`factor`; gives the width and height of the picture in reduced pixels.

    They are fractions: of 4,001 columns at a quarter come 1,001, the last of which is a quarter picture and three
    quarters padding.
    """
    width, height = opened.size
    if factor > 1:
        opened.draft(None, (width // factor, height // factor))
    return width / factor, height / factor
