"""Any folder of images (layer 1): ``dataset=folder dataset.root=PATH``.

One sub-folder per class; or images right in the folder, which then have no labels; or the parts of a split, each with
one of these. ``_layout`` says what else is read, and what is refused; ``labels``, ``parts`` and ``loose`` say what is
meant. Classes may also come from a table (``csv``, see ``_table``) or from the names of the files
(``label_pattern``, see ``_pattern``). All of these only say where the labels are, and go into the hash through the
digest of the content.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from backbench.datasets import (
    Collection,
    Description,
    Reading,
    Split,
    _classes,
    _files,
    _folders,
    _gate,
    _layout,
    _pattern,
    _table,
)
from backbench.schema import ConfigError, Range
from backbench.stage import Context

UNHASHED = ("root", "csv", "label_pattern", "labels", "parts", "loose", "columns")


@dataclass(frozen=True)
class Params:
    """Options. `digest` is filled in by planning from the fingerprint; given by hand, it pins the content."""

    root: str | None
    digest: str | None
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split
    unreadable: Literal["exclude", "fail"]
    duplicates: Literal["keep", "exclude", "fail"] = "keep"
    near_duplicates: Literal["keep", "exclude", "fail"] = "keep"
    near_distance: Annotated[int, Range(low=0, high=16)] = _gate.NEAR_DISTANCE
    leaks: Literal["keep", "fail"] = "keep"
    csv: str | None = None
    label_pattern: str | None = None
    classes: _classes.Names = None
    labels: _folders.Labels = "auto"
    parts: _folders.Parts = field(default_factory=_folders.Parts)
    loose: _folders.Loose = "fail"
    columns: _table.Columns | None = None
    bits: Annotated[int | None, Range(low=8, high=16)] = None

    def __post_init__(self) -> None:
        _gate.settle(self)
        _classes.settle(self)
        _table.settle(self)


def describe(params: Params) -> Description:
    """What planning needs, from a listing; see ``_files``."""
    return _files.describe(source(params), params)


def fingerprint(params: Params, reading: Reading) -> str:
    """Digest of the decoded content; see ``_files``."""
    return _files.fingerprint(source(params), params, reading)


def load(params: Params, context: Context) -> Collection:
    """The drawn and divided images; see ``_files``."""
    return _files.load(source(params), params, context)


def source(params: Params, unpacked: Path | None = None) -> _files.Source:
    """Where the files are and how they are listed; `unpacked` is where the archive that holds them is unpacked."""
    if params.csv is not None and params.label_pattern is not None:
        raise ConfigError("dataset(folder): received csv and label_pattern; the labels come from one of them.")
    _check_sole(params)
    if params.root is None and params.csv is None:
        raise ConfigError(
            "dataset(folder).root: give dataset.root=PATH, a folder with one sub-folder of images per class."
        )
    table = None if params.csv is None else _table_path(params.csv, params.root)
    root = table.parent if params.root is None else _absolute(params.root)
    if table is not None:
        columns = params.columns or _table.Columns()
        columns = replace(columns, label="none") if params.labels == "none" else columns
        return _files.Source(root, lambda: _table.read(root, table, columns))
    if params.label_pattern is not None:
        return _files.Source(root, lambda: _pattern.read(root, params.label_pattern))
    asked = _folders.Asked(params.labels, params.parts, params.loose, unpacked)
    return _files.Source(root, lambda: _layout.read(root, asked))


def _check_sole(params: Params) -> None:
    """Refuse what says of folders where something else tells the classes; a table may have no labels, as asked."""
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
    """The table where it was said to be, or below the root."""
    table = _absolute(given)
    below = table if root is None else _absolute(root) / given
    return below if below.is_file() and not table.exists() else table


def _absolute(path: str) -> Path:
    return Path(os.path.normpath(Path(path).expanduser().absolute()))
