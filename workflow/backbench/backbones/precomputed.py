"""Embeddings made elsewhere (layer 1): ``backbone=precomputed backbone.path=FILE``.

The rows of the file are put beside the rows of the data set by the names of the images where the file has names: the
same relative path; else the only name that ends in it, or in its base name. Without names, or with ``align: order``,
row i of the file belongs to image i of the data set's own order, before any draw or split.

``embeddings_sha256`` is over the numbers as float32, and over the names where they count; neither the format nor the
path matters. ``path: null`` takes the embeddings that the data set itself consists of.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from backbench import arrays, hashing
from backbench.arrays import lists
from backbench.backbones import Rows
from backbench.datasets import Description
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

IMAGES = False
BATCH = 1
ENGINE = "numpy"
# Where the numbers lie; `identity` holds what they are.
UNHASHED = ("path", "key", "columns", "names")
NAMES = ("names", "name", "files", "file", "paths", "path", "filenames", "filename")
WHERE = "backbone(precomputed)"


@dataclass(frozen=True)
class Params:
    """Options. `key` and `columns` say which numbers of the file (``backbench.arrays.shape``).

    `names` is the array or column of the file, or a list of its own (``.txt``, ``.csv``, ``.npy``), that holds the name
    of the image of each row; null takes an array or column called names, name, file, path... where there is one.
    """

    path: str | None
    key: str | None
    columns: tuple[str, ...] | None
    names: str | None
    align: Literal["auto", "name", "order"]


def width(params: Params, description: Description) -> int:
    """Number of columns, from the head of the file; or of the data set's own embeddings.

    Raises
    ------
    ConfigError
        If there is no such file, it is too short for the data set, or the data set has no embeddings of its own.
    """
    if params.path is None:
        if description.width is None:
            raise ConfigError(
                f"{WHERE}.path: received null; this data set has no embeddings of its own: give backbone.path=FILE "
                f"({', '.join(arrays.FORMATS)})."
            )
        return description.width
    path = _path(params)
    n, d = arrays.shape(path, params.key, params.columns)
    if n < description.n:
        raise ConfigError(f"{WHERE}.path: {path} has {n} rows, and the data set {description.n}.")
    return d


def identity(params: Params) -> dict[str, Any]:
    """Digest of the numbers, and of the names where they are aligned by name; whichever of both it is."""
    if params.path is None:
        return {"embeddings_sha256": None, "align": "order"}
    path = _path(params)
    names = _names(params, path)
    about = (path, *arrays.stamp(path), params.key, params.columns)
    digests = {"values": _digest(*about), "names": names and hashing.digest(names)}
    return {"embeddings_sha256": hashing.digest(digests), "align": "order" if names is None else "name"}


def embeddings(params: Params, source: Rows) -> "np.ndarray":
    """The embedding of each row of the data set, float32 (n, d).

    Raises
    ------
    ConfigError
        If an image has no row or several, a name stands twice, or the number of rows is another one; with examples.
    """
    if params.path is None:
        return _own(source)
    path = _path(params)
    found, names = arrays.values(path, params.key, params.columns), _names(params, path)
    if names is None:
        rows = _by_order(len(found), source, path)
    elif source.files is None:
        raise ConfigError(f"{path} has names, and the images of this data set have none: give backbone.align=order.")
    else:
        rows = _by_name(names, source.files, path)
    taken = arrays.floats(found[rows])
    arrays.digest(taken, path)
    return taken


def _path(params: Params) -> Path:
    return arrays.located(params.path, f"{WHERE}.path")


@functools.cache
def _digest(path: Path, size: int, mtime_ns: int, key: str | None, columns: tuple[str, ...] | None) -> str:
    return arrays.digest(arrays.values(path, key, columns), path)


def _own(source: Rows) -> "np.ndarray":
    if source.embeddings is None:
        raise ConfigError(f"{WHERE}.path: received null; this data set has no embeddings of its own.")
    return arrays.floats(source.embeddings)


def _names(params: Params, path: Path) -> list[str] | None:
    """The name of each row, or None where they are aligned by order."""
    if params.align == "order":
        return None
    found = lists.find(path, params.names, NAMES, f"{WHERE}.names")
    if found is None:
        if params.align == "auto":
            return None
        raise ConfigError(f"{WHERE}.align: received 'name'; {path} has no names: give backbone.names=NAME or a list.")
    n, _ = arrays.shape(path, params.key, params.columns)
    if len(found) != n:
        raise ConfigError(f"{WHERE}.names: {len(found)} names for the {n} rows of {path}.")
    found = [str(PurePosixPath(name.replace("\\", "/"))) for name in found]
    twice = [name for name, count in Counter(found).items() if count > 1]
    if twice:
        raise ConfigError(f"{path}: names that stand in several rows: {arrays.some(twice)}.")
    return found


def _by_order(n: int, source: Rows, path: Path) -> "np.ndarray":
    if n != source.total:
        raise ConfigError(
            f"{path} has {n} rows, and the data set {source.total} images in its own order, before any draw; give a "
            "row for each image, or names."
        )
    return source.positions


def _by_name(names: Sequence[str], files: Sequence[str], path: Path) -> "np.ndarray":
    """The row of each file: that of its path, of the only name that ends in it, or that has its base name."""
    import numpy as np

    exact = {name: row for row, name in enumerate(names)}
    ends = _by_base(names)
    alone = {base for base, of in _by_base(files).items() if len(of) == 1}

    def row_of(name: str) -> int | None:
        if name in exact:
            return exact[name]
        base = PurePosixPath(name).name
        rows = ends.get(base, [])
        longer = [row for row in rows if names[row].endswith(f"/{name}")]
        if len(longer) == 1:
            return longer[0]
        return rows[0] if len(rows) == 1 and base in alone else None

    found = [row_of(name) for name in files]
    missing = [name for name, row in zip(files, found, strict=True) if row is None]
    if missing:
        raise ConfigError(
            f"{path} has no row, or several that may be meant, for {len(missing)} of {len(files)} images: "
            f"{arrays.some(missing)}. Its names are {arrays.some(names)}."
        )
    twice = [names[row] for row, count in Counter(found).items() if count > 1]
    if twice:
        raise ConfigError(f"{path}: rows that several images would share: {arrays.some(twice)}.")
    return np.array(found, np.int64)


def _by_base(names: Sequence[str]) -> dict[str, list[int]]:
    """Rows by the last part of their name."""
    found: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        found.setdefault(PurePosixPath(name).name, []).append(row)
    return found
