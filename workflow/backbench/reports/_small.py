"""Pictures in the least bytes that still read well, kept in ``results/reports`` so that each is made small once.

Charts stay as they are, to the last dot; maps with thousands of points and photographs lose what nobody sees. The files
may be deleted at any time.
"""

import io
from pathlib import Path

from backbench import hashing, paths
from backbench.files import write_bytes

# A PNG with more bytes than this for each dot is no chart.
CHART = 0.18
QUALITY, METHOD = 80, 4


def webp(png: Path) -> bytes:
    """A PNG file as WebP."""
    import PIL

    made_with = hashing.digest([hashing.file_digest(png), CHART, QUALITY, METHOD, PIL.__version__])
    kept = paths.results() / "reports" / f"{hashing.short(made_with)}.webp"
    try:
        return kept.read_bytes()
    except OSError:
        made = _encoded(png)
        write_bytes(kept, made)
        return made


def _encoded(png: Path) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    with Image.open(png) as image:
        chart = png.stat().st_size < CHART * image.width * image.height
        image.convert("RGB").save(target, "WEBP", lossless=chart, quality=20 if chart else QUALITY, method=METHOD)
    return target.getvalue()
