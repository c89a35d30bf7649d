"""A picture as files: the PNG and its numbers as CSV beside it, each whole or not at all, the same bytes every time."""

import csv
import io
import math
from pathlib import Path
from typing import Any

from backbench import store
from backbench.plots import Picture, _style


def save(picture: Picture, path: Path) -> None:
    """Write `picture` as `path` (.png) and its data beside it as .csv; bytes of names that are no text are escaped."""
    store.write_bytes(path.with_suffix(".csv"), table(picture).encode("utf-8", "backslashreplace"))
    store.write_bytes(path, png(picture))


def png(picture: Picture) -> bytes:
    """The picture as PNG, its caption in the metadata; no time and no version, so that it is the same file twice."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    target = io.BytesIO()
    with _style.style():
        FigureCanvasAgg(picture.figure).print_png(
            target, metadata={"Software": None, "Description": picture.caption.encode("ascii", "replace").decode()}
        )
    return target.getvalue()


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
