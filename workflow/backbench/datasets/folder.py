"""Any folder of images: ``dataset=folder dataset.root=PATH``.

One sub-folder per class; or images directly in the folder, which then have no labels; or a folder for each split, with
one of these inside. ``_layout`` says what else is understood and what is refused; the options ``labels``, ``parts`` and
``loose`` say what is meant. Classes may also come from a table (``csv``, see ``_table``) or from file names
(``label_pattern``, see ``_pattern``). All of these options only say where the labels are; they affect the hash through
the digest of the content.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from backbench.datasets import (
    Collection,
    Description,
    Reading,
    _files,
    _folders,
    _groups,
    _layout,
    _pattern,
    _table,
)
from backbench.datasets._params import FolderParams
from backbench.datasets._table_titles import Columns
from backbench.schema import ConfigError
from backbench.stage import Context

UNHASHED = ("root", "csv", "label_pattern", "labels", "parts", "loose", "columns")


@dataclass(frozen=True, kw_only=True)
class Params(FolderParams):
    """Options; see ``_params``."""

    root: str | None


def describe(params: Params) -> Description:
    """What planning needs, from a listing; see ``_files``."""
    return _files.describe(source(params.root, params), params)


def fingerprint(params: Params, reading: Reading) -> str:
    """The digest of the content; see ``_files``."""
    return _files.fingerprint(source(params.root, params), params, reading)


def load(params: Params, context: Context) -> Collection:
    """The drawn and divided images; see ``_files``."""
    return _files.load(source(params.root, params), params, context)


def source(folder: str | None, params: FolderParams, unpacked: Path | None = None) -> _files.Source:
    """Where the files are and how they are listed; `unpacked` is where the archive that holds them was unpacked."""
    plain, pattern = _source(folder, params, unpacked), params.groups
    if pattern is None or not _groups.is_pattern(pattern):
        return plain
    return _files.Source(plain.root, lambda: _groups.of_names(plain.listing(), pattern, plain.root))


def _source(folder: str | None, params: FolderParams, unpacked: Path | None) -> _files.Source:
    """Where the files are and how they are listed, without the groups that their names tell."""
    if params.csv is not None and params.label_pattern is not None:
        raise ConfigError("dataset(folder): received csv and label_pattern; the labels come from one of them.")
    _check_sole(params)
    if params.csv is not None:
        table = _table_path(params.csv, folder)
        columns = params.columns or Columns()
        columns = replace(columns, label="none") if params.labels == "none" else columns
        below = table.parent if folder is None else _absolute(folder)
        return _files.Source(below, lambda: _table.read(below, table, columns, _groups.column(params.groups)))
    if folder is None:
        raise ConfigError(
            "dataset(folder).root: give dataset.root=PATH, a folder with one sub-folder of images per class."
        )
    root, pattern = _absolute(folder), params.label_pattern
    if pattern is not None:
        return _files.Source(root, lambda: _pattern.read(root, pattern))
    asked = _folders.Asked(params.labels, params.parts, params.loose, unpacked)
    return _files.Source(root, lambda: _layout.read(root, asked))


def _check_sole(params: FolderParams) -> None:
    """Refuse options about folders if the classes come from elsewhere; ``labels=none`` also applies to a table."""
    other = next((name for name in ("csv", "label_pattern") if getattr(params, name) is not None), None)
    plain = {
        "labels": ("auto", "none") if other == "csv" else ("auto",),
        "parts": (_folders.Parts(),),
        "loose": ("fail",),
    }
    also = next((name for name, allowed in plain.items() if getattr(params, name) not in allowed), None)
    if other and also:
        raise ConfigError(
            f"dataset(folder): received {other} and {also}; with {other}, the names of folders are not used. "
            "Leave one of them out."
        )


def _table_path(given: str, root: str | None) -> Path:
    """The table at the given path, or below the root."""
    table = _absolute(given)
    below = table if root is None else _absolute(root) / given
    return below if below.is_file() and not table.exists() else table


def _absolute(path: str) -> Path:
    return Path(os.path.normpath(Path(path).expanduser().absolute()))
