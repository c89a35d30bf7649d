"""Pictures in the least bytes that still read well, kept in ``results/reports`` so that each is made small once.

A drawing keeps every dot and a few dozen colours. Where it has a great many marks or photographs it is as large as the
page shows it, and photographs that are smaller so lose what nobody sees. Photographs in colour have no palette: those
of few pixels keep every dot, whose colour parts have five bits. Around photographs the paper is transparent, so that a
page can have it in another colour and leave the photographs alone. The files may be deleted at any time.
"""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import hashing, paths
from backbench.files import write_bytes
from backbench.plots import BOXES

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Boxes = Sequence[Sequence[int]]

# Dots of a picture for each pixel of a page.
DENSITY = 1.5
# A drawing whose PNG has more bytes than this has a great many marks.
MANY = 45_000
# Colours of a drawing, and of one with photographs of few pixels.
COLOURS, TONES = 32, 20
# Values of red, green and blue of a dot of colour photographs of few pixels, from 0 to 255.
LEVELS = 32
# Share of the dots of photographs that are as the dot before: more where each pixel is several dots wide.
EVEN = 0.7
# Effort and method of a form without loss, and quality and method of the other: more effort takes half as long again
# and saves no byte of a drawing, a higher method twice as long for a thirtieth of a photograph.
EFFORT, METHOD = 25, 4
QUALITY, LOSSY_METHOD = 66, 2
# How pictures are made small; another number makes all files anew.
WAY = 5


def webp(png: Path) -> bytes:
    """A PNG file as WebP."""
    import PIL

    settings = [DENSITY, MANY, COLOURS, TONES, LEVELS, EVEN, EFFORT, METHOD, QUALITY, LOSSY_METHOD, WAY]
    made_with = hashing.digest([hashing.file_digest(png), settings, PIL.__version__])
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
    """The smallest of the forms that read well."""
    import numpy as np
    from PIL import Image

    from backbench.plots import _palette

    boxes: Boxes = photographs(png)
    with Image.open(png) as image:
        whole = image.convert("RGB")
        few = image.mode == "P" or whole.getcolors(_palette.DRAWN) is not None
    if _palette.coloured(np.asarray(whole), boxes):
        return _levelled(whole, boxes) if _even(whole, boxes) else _lossy(*_shrunk(whole, boxes))
    sharp = few and (_even(whole, boxes) if boxes else png.stat().st_size <= MANY)
    if not sharp:
        whole, boxes = _shrunk(whole, boxes)
    forms = [_drawing(whole, boxes, TONES if boxes and sharp else COLOURS)] if few else []
    if not few or (boxes and not sharp):
        forms.append(_lossy(whole, boxes))
    return min(forms, key=len)


def _shrunk(whole: "Image.Image", boxes: Boxes) -> tuple["Image.Image", Boxes]:
    """A picture as large as a page shows it, with its boxes."""
    from PIL import Image

    size = [max(1, round(side / DENSITY)) for side in whole.size]
    smaller = [[round(edge / DENSITY) for edge in box] for box in boxes]
    return whole.resize(size, Image.Resampling.LANCZOS), smaller


def _levelled(whole: "Image.Image", boxes: Boxes) -> bytes:
    """A picture of which every dot stays, its parts as the nearest of `LEVELS` values: at most 4 of 255 away."""
    levels = [round(round(value * (LEVELS - 1) / 255) * 255 / (LEVELS - 1)) for value in range(256)]
    return _lossless(_on_paper(whole.point(levels * 3), boxes))


def _lossy(whole: "Image.Image", boxes: Boxes) -> bytes:
    return _written(_on_paper(whole, boxes), lossless=False, quality=QUALITY, method=LOSSY_METHOD)


def _even(whole: "Image.Image", boxes: Boxes) -> bool:
    """Whether the photographs of a picture are of so few pixels that each is several dots wide."""
    import numpy as np

    grey = np.asarray(whole.convert("L"))
    shown = [grey[part] for part in _parts(boxes)]
    same = sum(int((part[:, 1:] == part[:, :-1]).sum()) for part in shown)
    return same >= EVEN * sum(part[:, 1:].size for part in shown)


def _drawing(whole: "Image.Image", boxes: Boxes, colours: int) -> bytes:
    """A drawing in few colours, its dots as they are."""
    import numpy as np
    from PIL import Image

    from backbench.plots import _palette

    pixels = np.asarray(whole.convert("RGBA"))
    reduced = _palette.few(pixels, colours)
    if reduced.mode != "P":  # resized: of the eight bits of a part six, spread over the whole range
        reduced = _palette.few(pixels & 0xFC | pixels >> 6, colours)
    if reduced.mode != "P" or not boxes:
        return _lossless(_on_paper(reduced.convert("RGB"), boxes))
    places, known = np.asarray(reduced), np.array(reduced.getpalette(), np.uint8).reshape(-1, 3)
    ink, whole_colours = _ink(known), np.pad(known, ((0, 0), (0, 1)), constant_values=255)
    drawn = ink[places]
    for part in _parts(boxes):
        drawn[part] = whole_colours[places[part]]
    return _lossless(Image.fromarray(drawn))


def _lossless(image: "Image.Image") -> bytes:
    return _written(image, lossless=True, quality=EFFORT, method=METHOD)


def _written(image: "Image.Image", **options: bool | int) -> bytes:
    target = io.BytesIO()
    image.save(target, "WEBP", **options)
    return target.getvalue()


def _on_paper(image: "Image.Image", boxes: Boxes) -> "Image.Image":
    """The image with ink alone outside of the boxes, where it has any."""
    import numpy as np
    from PIL import Image

    if not boxes:
        return image
    pixels = np.asarray(image)
    outside = (pixels[..., 0] & pixels[..., 1] & pixels[..., 2]) < 255
    for part in _parts(boxes):
        outside[part] = False
    whole = np.zeros((*pixels.shape[:2], 4), np.uint8)
    whole[outside] = _ink(pixels[outside])
    for part in _parts(boxes):
        whole[part] = np.pad(pixels[part], ((0, 0), (0, 0), (0, 1)), constant_values=255)
    return Image.fromarray(whole)


def _ink(colours: "np.ndarray") -> "np.ndarray":
    """Colours (n, 4) RGBA uint8 that are as those (n, 3) on white: white is transparent, grey transparent black."""
    import numpy as np

    wanted = colours.astype(np.float32)
    ink = 255 - np.minimum(np.minimum(wanted[:, :1], wanted[:, 1:2]), wanted[:, 2:])
    share = np.maximum(ink, 1) / 255
    parts = ((wanted - 255 * (1 - share)) / share).clip(0, 255)
    return np.concatenate([parts, ink], axis=-1).round().astype(np.uint8)


def _parts(boxes: Boxes) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each box."""
    for left, top, right, bottom in boxes:
        yield slice(max(0, top), bottom), slice(max(0, left), right)
