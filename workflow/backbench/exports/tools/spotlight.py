"""Renumics Spotlight: a parquet file with the path of each image and its embedding as a list.

Formats: https://renumics.com/docs/loading-data/data-types (an image may be a path, an embedding a list of numbers).
"""

from typing import Any

from backbench.exports._folder import Folder
from backbench.exports.tools import table
from backbench.exports.tools.table import Table

NAME = "spotlight"
FILES = True
NEEDS_IMAGES = False
PACKAGE = "renumics-spotlight"
FILE = "images.parquet"


def write(data: Table, folder: Folder) -> None:
    """Write the table."""
    method, positions = data.positions
    columns: dict[str, Any] = {}
    if data.paths is not None:
        columns["image"] = [table.legible(path) for path in data.paths]
    columns |= data.columns
    columns |= {f"{method}_x": positions[:, 0], f"{method}_y": positions[:, 1]}
    columns["embedding"] = table.vectors(data.features)
    with folder.new(FILE) as path:
        table.parquet(columns, path)


def opens(place: str, data: Table) -> list[str]:
    """What to type."""
    image = "" if data.paths is None else " --dtype image=Image"
    return [f"spotlight {place}/{FILE}{image} --dtype embedding=Embedding"]
