"""Apple's Embedding Atlas: a parquet file with positions, neighbours, vectors and embedded thumbnails.

Formats: https://apple.github.io/embedding-atlas/data-formats.html (images as objects with `bytes` and `path`) and
https://apple.github.io/embedding-atlas/tool.html (`{"ids": [...], "distances": [...]}`, ids are row numbers from 0).
"""

from typing import Any

from backbench.exports._folder import Folder
from backbench.exports.tools import pictures, table
from backbench.exports.tools.table import Table

NAME = "embedding-atlas"
FILES = False
NEEDS_IMAGES = False
PACKAGE = "embedding-atlas"
FILE = "images.parquet"


def write(data: Table, folder: Folder) -> None:
    """Write the table; the column `image` holds thumbnails, since a browser opens no files by their paths."""
    method, positions = data.positions
    columns: dict[str, Any] = dict(data.columns)
    if data.paths is not None:
        columns["path"] = [table.legible(path) for path in data.paths]
    if not pictures.missing(data.source):
        columns["image"] = _images(data)
    columns |= {"x": positions[:, 0], "y": positions[:, 1], "projection": [method] * len(data)}
    columns["embedding"] = table.vectors(data.features)
    rows, lengths = data.neighbours
    pairs = zip(rows.tolist(), lengths.tolist(), strict=True)
    columns["neighbors"] = [{"ids": ids, "distances": distances} for ids, distances in pairs]
    with folder.new(FILE) as path:
        table.parquet(columns, path)


def opens(place: str, data: Table) -> list[str]:
    """What to type."""
    image = "" if pictures.missing(data.source) else " --image image"
    return [f"embedding-atlas {place}/{FILE} --x x --y y --neighbors neighbors{image}"]


def _images(data: Table) -> list[dict[str, Any] | None]:
    thumbnails = pictures.thumbnails(data.source, data.rows, data.say)
    named = zip(thumbnails, data.columns["name"], strict=True)
    return [None if made is None else {"bytes": pictures.encoded(made), "path": name} for made, name in named]
