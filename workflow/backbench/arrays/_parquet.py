"""Columns of a ``.parquet`` file: one column per feature, or a single column of lists of numbers."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from backbench.arrays import _features, titles
from backbench.arrays._tables import INTEGER, OBJECT, REAL, TEXT, TEXTS, Side, Table, some
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError, refuse

Names = tuple[str, ...]
BATCH = 4096
NUMBER = 8
# Bytes that a Python string takes besides its characters.
TEXT_HEAD = 60
# A value of type bytes may be a name up to this length.
LONGEST_NAME = 4096
PROBED = 64


def table(path: Path, key: str | None, columns: Sequence[str] | None, bounds: Bounds) -> Table:
    """The columns that are the features, from the header; the length of lists may take the first row."""
    with parquet.ParquetFile(path) as opened:
        schema, n = opened.schema_arrow, opened.metadata.num_rows
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1}) if _has_twice(schema) else []
        if twice:
            raise ConfigError(f"{path} has several columns of the same title: {some(twice)}; rename them.")
        if columns is None:
            is_whole = partial(_is_whole, path, opened, bounds)
            choice = _features.choose(path, _kinds(schema), index(schema), bounds, is_whole)
        else:
            choice = _asked(path, schema, columns)
        first = schema.field(choice.columns[0]).type
        if _is_list(first):
            length = _length(path, opened, choice.columns[0], bounds)
            return Table(choice.columns, (n, length), _kind(first.value_type) or "O", choice.words)
        other = [name for name in choice.columns if _kind(schema.field(name).type) is None]
        if other:
            listed = some([f"{name} ({schema.field(name).type})" for name in other])
            raise ConfigError(f"{path}: columns that are not numeric: {listed}; allowed: numeric columns.")
        return Table(choice.columns, (n, len(choice.columns)), "f", choice.words)


def _is_whole(path: Path, opened: parquet.ParquetFile, bounds: Bounds, name: str) -> bool:
    """Whether a column of numbers holds whole ones alone, and not always the same one."""
    _check(path, opened, (name,), bounds)
    numbers = parquet.read_table(path, columns=[name], partitioning=None).column(name).to_numpy()
    whole = bool(np.isfinite(numbers).all()) and np.array_equal(numbers, np.trunc(numbers))
    return whole and bool((numbers != numbers[:1]).any())


def values(path: Path, names: Names, bounds: Bounds) -> np.ndarray:
    """The columns `names`, or the lists in the only one, as an array (n, d)."""
    with parquet.ParquetFile(path) as opened:
        _check(path, opened, names, bounds)
    read = parquet.read_table(path, columns=list(names), partitioning=None)
    if _is_list(read.schema.field(names[0]).type):
        return _rows(path, read.column(names[0]).combine_chunks())
    return np.stack([read.column(name).to_numpy() for name in names], axis=1)


def column(path: Path, name: str, bounds: Bounds, missing: bool = False) -> np.ndarray | None:
    """The column `name` (n,), text as str; None if there is none."""
    with parquet.ParquetFile(path) as opened:
        kind = _leaf(opened.schema_arrow, name)
        if kind is None:
            return None
        _check(path, opened, (name,), bounds)
    if _is_text(kind):
        return np.array(_texts(path, name, missing, bounds), dtype=str)
    read = parquet.read_table(path, columns=[name], partitioning=None).column(name)
    _refuse_missing(path, name, read.null_count)
    return read.to_numpy()


def beside(path: Path) -> dict[str, Side]:
    """Every column by name; a field of text in a struct is ``struct.field``.

    Lists of numbers, and bytes that are not text, count as objects.
    """
    with parquet.ParquetFile(path) as opened:
        n = opened.metadata.num_rows
        return {
            name: Side(OBJECT if _is_binary(kind) and not _holds_names(opened, name, n) else _side(kind), (n,))
            for name, kind in _leaves("", opened.schema_arrow)
        }


def _leaves(before: str, fields: Iterable[pa.Field]) -> Iterator[tuple[str, pa.DataType]]:
    """The columns with their types; for a struct, its fields of text at any depth."""
    for field in fields:
        name = before + field.name
        if pa.types.is_struct(field.type):
            yield from _leaves(f"{name}.", field.type)
        elif not before or _is_text(field.type):
            yield name, field.type


def _holds_names(opened: parquet.ParquetFile, name: str, n: int) -> bool:
    """Whether the values of a column of bytes are short enough to be names, and the first few are text."""
    if _stored(opened, name) > n * LONGEST_NAME:
        return False
    for batch in opened.iter_batches(batch_size=PROBED, columns=[name]):
        try:
            b"\n".join(item for item in _inner(batch.column(0)).to_pylist() if item is not None).decode()
        except UnicodeDecodeError:
            return False
        break
    return True


def _inner(part: pa.Array) -> pa.Array:
    """The values of a column; for a struct, those of the only field that was read."""
    while pa.types.is_struct(part.type):
        part = part.field(0)
    return part


def _side(kind: pa.DataType) -> str:
    if _is_text(kind):
        return TEXT
    if _is_list(kind) and _is_text(kind.value_type):
        return TEXTS
    if pa.types.is_floating(kind):
        return REAL
    return INTEGER if pa.types.is_integer(kind) or pa.types.is_boolean(kind) else OBJECT


def index(schema: pa.Schema) -> list[str]:
    """Titles of the columns that are the index of a pandas DataFrame."""
    columns = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in columns if isinstance(name, str)]


def _has_twice(schema: pa.Schema) -> bool:
    return len(set(schema.names)) < len(schema.names)


def _kinds(schema: pa.Schema) -> dict[str, str]:
    """What each column could be as a feature."""
    return {name: _as_feature(schema.field(name).type) for name in schema.names}


def _as_feature(kind: pa.DataType) -> str:
    if _is_list(kind):
        return _features.LIST if _kind(kind.value_type) else _features.OTHER
    if pa.types.is_floating(kind):
        return _features.REAL
    return _features.WHOLE if pa.types.is_integer(kind) else _features.OTHER


def _asked(path: Path, schema: pa.Schema, columns: Collection[str]) -> _features.Choice:
    """The columns that are named, or that match a pattern."""
    unknown = [name for name in columns if not titles.matching(name, schema.names)]
    if unknown or not columns:
        raise refuse(f"columns of {path}", (unknown or [""])[0], schema.names)
    chosen = tuple(dict.fromkeys(title for name in columns for title in titles.matching(name, schema.names)))
    if len(chosen) > 1 and any(_is_list(schema.field(name).type) for name in chosen):
        raise ConfigError(f"{path}: received {some(chosen)}; allowed: a single column of lists, or numeric columns.")
    return _features.Choice(chosen, f"columns {some(list(columns))}")


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return True
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or _is_binary(kind)
    )


def _kind(kind: pa.DataType) -> str | None:
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return "f" if numbers else None


def _leaf(schema: pa.Schema, name: str) -> pa.DataType | None:
    """Type of a column, or of a field of text in a struct; None if there is none."""
    if name in schema.names:
        return schema.field(name).type
    return dict(_leaves("", schema)).get(name)


def _columns(opened: parquet.ParquetFile, names: Collection[str]) -> list[parquet.ColumnChunkMetaData]:
    """Metadata of the chunks of some columns."""
    groups = [opened.metadata.row_group(number) for number in range(opened.metadata.num_row_groups)]
    paths = [opened.schema.column(place).path for place in range(len(opened.schema))]
    wanted = set(names)
    places = [place for place, leaf in enumerate(paths) if leaf in wanted or _outer(leaf, wanted)]
    return [group.column(place) for group in groups for place in places]


def _outer(leaf: str, wanted: set[str]) -> bool:
    """Whether a leaf belongs to one of the columns: ``f.list.element`` to ``f``."""
    ends = [place for place, character in enumerate(leaf) if character == "."]
    return any(leaf[:end] in wanted for end in ends)


def _stored(opened: parquet.ParquetFile, name: str) -> int:
    return sum(chunk.total_uncompressed_size for chunk in _columns(opened, [name]))


def _check(path: Path, opened: parquet.ParquetFile, names: Collection[str], bounds: Bounds) -> None:
    """Refuse columns of more values or bytes than the bounds allow, judging by the metadata."""
    chunks = _columns(opened, names)
    count = max(sum(chunk.num_values for chunk in chunks), opened.metadata.num_rows * len(names))
    size = max(count * NUMBER, sum(chunk.total_uncompressed_size for chunk in chunks))
    bounds.check(path, size, f"{count:,} values in {some(list(names))}")


def _texts(path: Path, name: str, missing: bool, bounds: Bounds) -> list[str]:
    """A column of text; with `missing`, absent entries are empty instead of an error.

    Equal texts are stored once in the file. They are counted as often as they occur before the strings are made.
    """
    entries: list[str] = []
    size, absent = 0, 0
    with parquet.ParquetFile(path, read_dictionary=[name]) as opened:
        for batch in opened.iter_batches(batch_size=BATCH, columns=[name]):
            part = _inner(batch.column(0))
            size += _size(part)
            bounds.check(path, size, f"the text in {name}")
            absent += part.null_count
            entries += [_text(item, path, name) for item in part.to_pylist()]
    if not missing:
        _refuse_missing(path, name, absent)
    return entries


def _size(part: pa.Array) -> int:
    """Bytes that a chunk of a column takes as Python strings."""
    if not pa.types.is_dictionary(part.type):
        return part.nbytes + TEXT_HEAD * len(part)
    if not _is_text(part.type.value_type):
        return TEXT_HEAD * len(part)
    lengths = pc.binary_length(part.dictionary)
    return (pc.sum(pc.take(pc.cast(lengths, pa.int64()), part.indices)).as_py() or 0) + TEXT_HEAD * len(part)


def _text(item: object, path: Path, name: str) -> str:
    try:
        return item.decode() if isinstance(item, bytes) else "" if item is None else str(item)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not all bytes in {name!r} are UTF-8 text.") from error


def _refuse_missing(path: Path, name: str, count: int) -> None:
    if count:
        raise ConfigError(f"{path}: {count} rows have no {name!r}; fill them in, or leave these rows out.")


def _length(path: Path, opened: parquet.ParquetFile, name: str, bounds: Bounds) -> int:
    """Length of the lists in a column: from its type, else from the first list."""
    kind = opened.schema_arrow.field(name).type
    if pa.types.is_fixed_size_list(kind):
        return kind.list_size
    _check(path, opened, (name,), bounds)
    first = next(opened.iter_batches(batch_size=1, columns=[name]), None)
    if first is None or first.column(0).null_count:
        raise ConfigError(f"{path}: the column {name!r} has no list in its first row.")
    return len(first.column(0)[0])


def _rows(path: Path, lists: pa.Array) -> np.ndarray:
    """Lists of equal length d as an array (n, d)."""
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(lengths != lengths[0])
    if lists.null_count or bad.size:
        raise ConfigError(f"{path}: the lists do not all have {lengths[0]:g} numbers; see row {some(bad.tolist())}.")
    return lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1)
