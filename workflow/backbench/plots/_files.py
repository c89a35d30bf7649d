"""A picture as files: the PNG and its numbers as CSV beside it, each whole or not at all, the same bytes every time."""

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench import files
from backbench.plots import BOXES, PHOTOGRAPH, Picture, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Decimals of the bounds of axes, which are shares of the figure: far below a pixel, far above the noise of a solver.
BOUNDS_DECIMALS = 9


def save(picture: Picture, path: Path) -> None:
    """Write `picture` as `path` (.png) and its data beside it as .csv; bytes of names that are not text are escaped."""
    files.write_bytes(path.with_suffix(".csv"), table(picture).encode("utf-8", "backslashreplace"))
    files.write_bytes(path, png(picture))


def png(picture: Picture) -> bytes:
    """The picture as PNG, its caption in the metadata; without time or version, so that the file is always the same."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # The backend has no types.
    canvas: Any = FigureCanvasAgg(picture.figure)
    target = io.BytesIO()
    metadata = {"Software": None, "Description": picture.caption.encode("ascii", "replace").decode()}
    with _style.style():
        _fix_layout(picture.figure)
        if boxes := _photographs(picture.figure):
            metadata[BOXES] = json.dumps(boxes, separators=(",", ":"))
        canvas.print_png(target, metadata=metadata)
    return target.getvalue()


def _photographs(figure: "Figure") -> list[list[int]]:
    """Left, top, right and bottom pixel of each image of the collection that a figure shows."""
    from matplotlib.image import AxesImage

    height = round(figure.bbox.height)
    images = [image for axes in figure.axes for image in axes.findobj(AxesImage) if image.get_gid() == PHOTOGRAPH]
    extents = [image.get_window_extent() for image in images]
    return [
        [math.floor(box.x0), height - math.ceil(box.y1), math.ceil(box.x1), height - math.floor(box.y0)]
        for box in extents
    ]


def _fix_layout(figure: "Figure") -> None:
    """Lay out the axes for the last time, with their bounds rounded.

    The solver of the constrained layout adds up in the order of memory addresses, so the last bits of the bounds differ
    from one call to the next, which is sometimes enough to change a pixel.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, BOUNDS_DECIMALS))


def table(picture: Picture) -> str:
    """The numbers of the picture as CSV; an undefined one is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(picture.data)
    writer.writerows([_field(value) for value in row] for row in zip(*picture.data.values(), strict=True))
    return text.getvalue()


def _field(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return "" if isinstance(value, float) and math.isnan(value) else value
