"""Embeddings made elsewhere: ``backbone=precomputed backbone.path=FILE``.

If the file has text, its rows are matched to the images of the data set by name: any array or column whose entries
match the names of all images is used (see ``backbench.arrays.matching`` for the rules). Text that matches only in part,
and two columns that match differently, are refused. Labels and splits are not taken for names. Without text, or with
``align: order``, row i of the file belongs to image i in the order of the data set, before any sampling or split.

``embeddings_sha256`` covers the numbers as float32, and the names if rows are matched by them; format and path do not
matter. ``path: null`` takes the embeddings of a data set that consists of embeddings.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import arrays, hashing
from backbench.arrays import lists, titles
from backbench.arrays.bounds import Bounds
from backbench.backbones import Rows, _names, _order
from backbench.datasets import Description
from backbench.schema import ConfigError, Range

if TYPE_CHECKING:
    import numpy as np

BATCH = 1
ENGINE = "numpy"
GFLOPS = 4e-4
# These say where the numbers are; `identity` gives their digest.
UNHASHED = ("path", "key", "columns", "names", "max_gb", "rule")
WHERE = "backbone(precomputed)"


@dataclass(frozen=True)
class Params:
    """Options. `key` and `columns` select the numbers in the file (``backbench.arrays.table``).

    `names` is the array or column of the file, or a separate list (``.txt``, ``.csv``, ``.npy``), with the name of the
    image for each row; null takes the one whose entries match. `max_gb` limits how much of the file is read (null:
    limited by memory alone).
    """

    path: str | None
    key: str | None
    columns: tuple[str, ...] | None
    names: str | None
    align: Literal["auto", "name", "order"]
    max_gb: Annotated[float | None, Range(above=0.0)]
    # The rule by which names are compared. Planning fills it in, since it knows all images, so that a draw uses it too.
    rule: str | None = None


def width(params: Params, description: Description) -> int:
    """Number of columns, from the header of the file, or of the embeddings that are the data set.

    Raises
    ------
    ConfigError
        If there is no such file, it is too short for the data set, or the data set has no embeddings.
    """
    if params.path is None:
        if description.width is None:
            raise ConfigError(
                f"{WHERE}.path: received null; this data set has no embeddings: give backbone.path=FILE "
                f"({', '.join(arrays.FORMATS)})."
            )
        return description.width
    path = _path(params.path)
    n, d = _table(params, path).shape
    if n < description.n:
        raise ConfigError(
            f"{WHERE}.path: {path} has {n} rows, but the data set has {description.n} images; give one row per "
            "image, or a collection of the images that have one (dataset.csv=TABLE)."
        )
    return d


def settle(params: Params, description: Description) -> tuple[Params, tuple[str, ...]]:
    """The options with `names` and `align` for this data set, and a sentence that describes them.

    Raises
    ------
    ConfigError
        If names match only in part, columns match differently, or there is text that names no image.
    """
    if params.path is None:
        return params, ()
    path = _path(params.path)
    files = None if description.files is None else tuple(description.files)
    # If images are drawn, only those need a row; files that were not read yet may not all be images.
    needed = min(description.n, len(files or ())) if description.digest else 0
    settled, chosen = _aligned(params, path, files, needed)
    how = chosen.words if chosen else "matched to the images by order"
    n, d = _table(settled, path).shape
    if settled.align == "order" and files is not None and n < len(files) and description.digest:
        raise ConfigError(f"{WHERE}.path: {path} has {n} rows, but the data set has {len(files)} images.")
    return settled, (f"{path.name}: {n:,} rows; {d} features from {_table(settled, path).words}; {how}",)


def gflops(params: Params) -> float:
    """What reading a row costs, as 10^9 multiplications of a network in the same time."""
    return GFLOPS


def identity(params: Params) -> dict[str, Any]:
    """Digest of the numbers, and of the names if rows are matched by name; and how rows are matched."""
    if params.path is None:
        return {"embeddings_sha256": None, "align": "order"}
    path = _path(params.path)
    names = _usual(params, path)
    about = (path, *arrays.stamp(path), params.key, params.columns, _bounds(params))
    digests = {"values": _digest(*about), "names": names and hashing.digest([_as_path(name) for name in names])}
    return {"embeddings_sha256": hashing.digest(digests), "align": "order" if names is None else "name"}


def record(params: Params) -> dict[str, Any]:
    """Where numbers and names were taken from, for the record of the features."""
    if params.path is None:
        return {}
    names = params.names if params.align == "name" else None
    return {
        "features_from": _table(params, _path(params.path)).words,
        "names_from": names,
        "rows_by": params.rule or params.align,
    }


def embeddings(params: Params, source: Rows) -> "np.ndarray":
    """The embedding of each row of the data set, float32 (n, d).

    Raises
    ------
    ConfigError
        If an image has no row or several, or the number of rows does not match; with examples.
    """
    import numpy as np

    if params.path is None:
        return _of_dataset(source)
    path = _path(params.path)
    read = arrays.values(path, params.key, params.columns, _bounds(params))
    files = None if source.files is None else tuple(source.files)
    _, chosen = _aligned(params, path, files, source.n)
    rows = np.array(chosen.rows, np.int64) if chosen else _by_order(len(read), source, path)
    taken = arrays.taken(read, rows, path)
    arrays.digest(taken, path)
    return taken


def _path(path: str) -> Path:
    return arrays.located(path, f"{WHERE}.path")


def _bounds(params: Params) -> Bounds:
    return Bounds(params.max_gb, "backbone.")


def _table(params: Params, path: Path) -> arrays.Table:
    return arrays.table(path, params.key, params.columns, _bounds(params))


@functools.cache
def _digest(
    path: Path, size: int, mtime_ns: int, key: str | None, columns: tuple[str, ...] | None, bounds: Bounds
) -> str:
    return arrays.digest(arrays.values(path, key, columns, bounds), path)


def _of_dataset(source: Rows) -> "np.ndarray":
    """The embeddings (n, d) float32 that are the data set."""
    if source.embeddings is None:
        raise ConfigError(f"{WHERE}.path: received null; this data set has no embeddings.")
    return arrays.floats(source.embeddings)


def _aligned(
    params: Params, path: Path, files: Sequence[str] | None, needed: int
) -> tuple[Params, "_names.Chosen | None"]:
    """The options with the column of the names, and that column; None if rows are matched by order."""
    if params.align == "order":
        return params, None
    if params.names is not None:
        named = _names.asked(_names.Column(params.names, _usual(params, path)), files, needed, path, params.rule)
        return replace(params, align="name", rule=named.rule), named
    columns = _columns(params, path)
    if params.align == "name" and not columns:
        raise ConfigError(f"{WHERE}.align: received 'name'; {path} has no names: give backbone.names=NAME or a list.")
    chosen = _names.choose(columns, files, needed, path)
    if chosen is None and params.align == "name":
        raise _names.none_matches(columns, path)
    if chosen is None:
        _order.refuse_doubtful(path, columns, files, int(_table(params, path).shape[0]), _bounds(params))
        return replace(params, align="order"), None
    return replace(params, names=chosen.title, align="name", rule=chosen.rule), chosen


def _columns(params: Params, path: Path) -> Sequence["_names.Column"]:
    """The columns beside the numbers that may name the images."""
    table = _table(params, path)
    taken = table.name if isinstance(table.name, tuple) else (table.name,)
    return _read(path, *arrays.stamp(path), int(table.shape[0]), taken, _bounds(params))


@functools.lru_cache(maxsize=4)
def _read(
    path: Path, size: int, mtime_ns: int, n: int, taken: tuple[str, ...], bounds: Bounds
) -> tuple["_names.Column", ...]:
    """The columns that may hold names for the `n` rows: text, whole numbers, and those that cannot be read."""
    columns: list[_names.Column] = []
    for title, side in arrays.beside(path).items():
        if title in taken or side.shape != (n,):
            continue
        if side.kind == arrays.REAL:
            columns += _whole(path, title, bounds) if titles.is_number_of_row(title) else []
        elif side.kind in (arrays.OBJECT, arrays.TEXTS):
            # In an .npz, Python objects may well be names; in a .parquet, text is stored as such.
            is_text = side.kind == arrays.TEXTS or path.suffix.lower() == ".npz"
            columns += [_names.Column(title, None, side.kind)] if is_text else []
        elif side.kind == arrays.TEXT or not titles.is_label(title):
            columns.append(_names.Column(title, lists.texts(_entry(path, title, bounds), path), side.kind))
    return tuple(columns)


def _entry(path: Path, title: str, bounds: Bounds) -> "np.ndarray":
    """The entries (n,) of a column that the file has; absent text is empty."""
    entries = arrays.column(path, title, bounds, missing=True)
    assert entries is not None, f"{title} is among the columns of {path}"
    return entries


def _whole(path: Path, title: str, bounds: Bounds) -> list["_names.Column"]:
    """A column of ids that are stored as real numbers; empty if they are not whole numbers."""
    import numpy as np

    entries = arrays.column(path, title, bounds)
    if entries is None or not np.isfinite(entries).all() or not np.array_equal(entries, np.trunc(entries)):
        return []
    return [_names.Column(title, lists.texts(entries, path), arrays.INTEGER)]


def _usual(params: Params, path: Path) -> list[str] | None:
    """The name of each row, if `names` is given or a column has a usual title; None to match by order.

    Planning has set `names` to the title of the column that matches.
    """
    if params.align == "order":
        return None
    entries = _entries(params, path)
    if entries is None:
        if params.align == "auto":
            return None
        raise ConfigError(f"{WHERE}.align: received 'name'; {path} has no names: give backbone.names=NAME or a list.")
    n = _table(params, path).shape[0]
    if len(entries) != n:
        raise ConfigError(f"{WHERE}.names: {len(entries)} names for the {n} rows of {path}.")
    return entries


def _entries(params: Params, path: Path) -> list[str] | None:
    sides, named = arrays.beside(path), params.names
    if named is None:
        named = next(iter(titles.usual(sides, titles.NAMES)), None)
    if named is None:
        return None
    inside = arrays.column(path, named, _bounds(params), missing=True)
    if inside is None:
        return lists.beside(path, named, titles.NAMES, f"{WHERE}.names")
    return lists.texts(inside, path)


def _as_path(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/")))


def _by_order(n: int, source: Rows, path: Path) -> "np.ndarray":
    """The row (n,) of each image if rows are in the order of the data set."""
    if n != source.total:
        raise ConfigError(
            f"{path} has {n} rows, but the data set has {source.total} images before any draw; give one row per "
            "image, or names."
        )
    return source.positions
