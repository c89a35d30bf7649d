"""Pictures in the least bytes that still read well, kept in ``results/reports`` so that each is made small once.

Charts stay as they are, to the last dot; maps with thousands of points and photographs lose what nobody sees. Around
photographs the paper is transparent, so that a page can have it in another colour and leave the photographs alone. The
files may be deleted at any time.
"""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import hashing, paths
from backbench.files import write_bytes
from backbench.plots import BOXES

if TYPE_CHECKING:
    from PIL import Image

# A PNG with more bytes than this for each dot is no chart.
CHART = 0.18
QUALITY, METHOD = 80, 4
# How photographs are cut out of their paper; another number makes all files anew.
PAPER = 1


def webp(png: Path) -> bytes:
    """A PNG file as WebP."""
    import PIL

    made_with = hashing.digest([hashing.file_digest(png), CHART, QUALITY, METHOD, PAPER, PIL.__version__])
    kept = paths.results() / "reports" / f"{hashing.short(made_with)}.webp"
    try:
        return kept.read_bytes()
    except OSError:
        made = _encoded(png)
        write_bytes(kept, made)
        return made


def photographs(png: Path) -> list[list[int]]:
    """Left, top, right and bottom pixel of the photographs in a PNG file; empty for a chart."""
    from PIL import Image

    with Image.open(png) as image:
        boxes: list[list[int]] = json.loads(image.info.get(BOXES, "[]"))
    return boxes


def _encoded(png: Path) -> bytes:
    from PIL import Image

    target, boxes = io.BytesIO(), photographs(png)
    with Image.open(png) as image:
        chart = not boxes and png.stat().st_size < CHART * image.width * image.height
        small = _without_paper(image, boxes) if boxes else image.convert("RGB")
        small.save(target, "WEBP", lossless=chart, quality=20 if chart else QUALITY, method=METHOD)
    return target.getvalue()


def _without_paper(image: "Image.Image", boxes: list[list[int]]) -> "Image.Image":
    """The image with ink alone outside of the boxes: white is transparent, and grey is transparent black."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image.convert("RGB")).astype(np.float32)
    ink = 255 - pixels.min(axis=2)
    for left, top, right, bottom in boxes:
        ink[max(0, top) : bottom, max(0, left) : right] = 255
    share = np.maximum(ink, 1)[..., None] / 255
    colours = (pixels - 255 * (1 - share)) / share
    whole = np.concatenate([colours.clip(0, 255), ink[..., None]], axis=2)
    return Image.fromarray(whole.round().astype(np.uint8), "RGBA")
