"""Columns of a ``.parquet`` file: numbers in a column each, or lists of numbers in one column."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from backbench.arrays import some
from backbench.schema import ConfigError, refuse

Names = tuple[str, ...]


def table(path: Path, key: str | None, columns: Sequence[str] | None) -> tuple[Names, tuple[int, int], str]:
    with parquet.ParquetFile(path) as opened:
        schema = opened.schema_arrow
        names = _chosen(path, schema, columns)
        first = schema.field(names[0]).type
        if not _is_list(first):
            kinds = {name: _kind(schema.field(name).type) for name in names}
            other = [f"{name} ({schema.field(name).type})" for name, kind in kinds.items() if kind is None]
            if other:
                raise ConfigError(f"{path}: columns that are no numbers: {some(other)}; allowed: numeric ones.")
            return names, (opened.metadata.num_rows, len(names)), "f"
        return names, (opened.metadata.num_rows, _length(path, opened, names[0])), _kind(first.value_type) or "O"


def values(path: Path, names: Names) -> np.ndarray:
    found = parquet.read_table(path, columns=list(names), partitioning=None)
    if _is_list(found.schema.field(names[0]).type):
        return _rows(path, found.column(names[0]).combine_chunks())
    return np.stack([found.column(name).to_numpy() for name in names], axis=1)


def column(path: Path, name: str) -> np.ndarray | None:
    with parquet.ParquetFile(path) as opened:
        if name not in opened.schema_arrow.names:
            return None
    found = parquet.read_table(path, columns=[name], partitioning=None).column(name)
    if found.null_count:
        raise ConfigError(f"{path}: {found.null_count} rows have no {name!r}.")
    text = pa.types.is_dictionary(found.type) or pa.types.is_large_string(found.type) or pa.types.is_string(found.type)
    return np.array(found.to_pylist(), dtype=str) if text else found.to_numpy()


def _chosen(path: Path, schema: pa.Schema, columns: Sequence[str] | None) -> Names:
    if columns is None:
        lists = [name for name in schema.names if _is_list(schema.field(name).type)]
        reals = [name for name in schema.names if pa.types.is_floating(schema.field(name).type)]
        if len(lists) > 1 or not lists + reals:
            there = some([f"{name} ({schema.field(name).type})" for name in schema.names])
            raise ConfigError(f"{path} has the columns {there}; say which to take: columns=[NAME,...].")
        return tuple(lists or reals)
    unknown = [name for name in columns if name not in schema.names]
    if unknown or not columns:
        raise refuse(f"columns of {path}", (unknown or [""])[0], schema.names)
    if len(columns) > 1 and any(_is_list(schema.field(name).type) for name in columns):
        raise ConfigError(f"{path}: received {some(columns)}; allowed: a single column of lists, or numeric columns.")
    return tuple(columns)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _kind(kind: pa.DataType) -> str | None:
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return "f" if numbers else None


def _length(path: Path, opened: parquet.ParquetFile, name: str) -> int:
    """Length of the lists in a column: by its type, else that of the first one."""
    kind = opened.schema_arrow.field(name).type
    if pa.types.is_fixed_size_list(kind):
        return kind.list_size
    first = next(opened.iter_batches(batch_size=1, columns=[name]), None)
    if first is None or first.column(0).null_count:
        raise ConfigError(f"{path}: the column {name!r} has no list in its first row.")
    return len(first.column(0)[0])


def _rows(path: Path, lists: pa.Array) -> np.ndarray:
    """Lists of one length as an array of two dimensions."""
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(lengths != lengths[0])
    if lists.null_count or bad.size:
        raise ConfigError(f"{path}: lists of other lengths than {lengths[0]:g} in row {some(bad.tolist())}.")
    return lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1)
