"""A picture as files: the PNG and its numbers as CSV beside it, each whole or not at all, the same bytes every time."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench import files
from backbench.plots import BOXES, PHOTOGRAPH, Picture, _measure, _palette, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPRESSION = 6


def save(picture: Picture, path: Path) -> None:
    """Write `picture` as `path` (.png) and its data beside it as .csv; bytes of names that are not text are escaped."""
    files.write_bytes(path.with_suffix(".csv"), table(picture).encode("utf-8", "backslashreplace"))
    files.write_bytes(path, png(picture))


def png(picture: Picture) -> bytes:
    """The picture as PNG, its caption in the metadata; without time or version, so that the file is always the same."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    # That of `_style.figure` knows the sizes of texts; the backend has no types.
    canvas: Any = picture.figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(picture.figure)
    about = PngInfo()
    about.add_text("Description", picture.caption.encode("ascii", "replace").decode())
    with _style.style():
        _style.lay_out(picture.figure)
        if boxes := _photographs(picture.figure):
            about.add_text(BOXES, json.dumps(boxes, separators=(",", ":")))
        canvas.draw()
    target = io.BytesIO()
    pixels = np.asarray(canvas.buffer_rgba())
    image = Image.fromarray(pixels[..., :3]) if _palette.coloured(pixels, boxes) else _palette.few(pixels)
    image.save(target, "PNG", pnginfo=about, dpi=(_measure.DPI, _measure.DPI), compress_level=COMPRESSION)
    return target.getvalue()


def _photographs(figure: "Figure") -> list[list[int]]:
    """Left, top, right and bottom pixel of each image of the collection that a figure shows."""
    height = round(figure.bbox.height)
    images = [image for axes in figure.axes for image in axes.images if image.get_gid() == PHOTOGRAPH]
    extents = [image.get_window_extent() for image in images]
    return [
        [math.floor(box.x0), height - math.ceil(box.y1), math.ceil(box.x1), height - math.floor(box.y0)]
        for box in extents
    ]


def table(picture: Picture) -> str:
    """The numbers of the picture as CSV; an undefined one is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(picture.data)
    writer.writerows(zip(*map(_fields, picture.data.values()), strict=True))
    return text.getvalue()


def _fields(column: Sequence[Any]) -> Sequence[Any]:
    return column if set(map(type, column)) <= {int, str} else [_field(value) for value in column]


def _field(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return "" if isinstance(value, float) and math.isnan(value) else value
