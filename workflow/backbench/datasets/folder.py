"""Any folder of images (layer 1): ``dataset=folder dataset.root=PATH``.

One sub-folder per class; or images right in the folder, which then have no labels; or ``train``, ``test`` and perhaps
``validation`` (``val``, ``valid``) folders of one of these, which ``split.source=given`` keeps as the split. Classes
may also come from a table (``csv``, see ``_table``) or from the names of the files (``label_pattern``, see
``_pattern``): these two only say where the labels are, and go into the hash through the digest of the content.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from backbench.datasets import Collection, Description, Split, _classes, _files, _gate, _listing, _pattern, _table
from backbench.schema import ConfigError, Range
from backbench.stage import Context

UNHASHED = ("root", "csv", "label_pattern")


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
    bits: Annotated[int | None, Range(low=8, high=16)] = None

    def __post_init__(self) -> None:
        _gate.settle(self)
        _classes.settle(self)


def describe(params: Params) -> Description:
    """What planning needs, from a listing; see ``_files``."""
    return _files.describe(source(params), params)


def fingerprint(params: Params, progress: Callable[[int, int], None]) -> str:
    """Digest of the decoded content; see ``_files``."""
    return _files.fingerprint(source(params), params, progress)


def load(params: Params, context: Context) -> Collection:
    """The drawn and divided images; see ``_files``."""
    return _files.load(source(params), params, context)


def source(params: Params) -> _files.Source:
    if params.csv is not None and params.label_pattern is not None:
        raise ConfigError("dataset(folder): received csv and label_pattern; the labels come from one of them.")
    if params.root is None and params.csv is None:
        raise ConfigError(
            "dataset(folder).root: give dataset.root=PATH, a folder with one sub-folder of images per class."
        )
    table = None if params.csv is None else _table_path(params.csv, params.root)
    root = table.parent if params.root is None else _absolute(params.root)
    if table is not None:
        return _files.Source(root, lambda: _table.read(root, table))
    if params.label_pattern is not None:
        return _files.Source(root, lambda: _pattern.read(root, params.label_pattern))
    return _files.Source(root, lambda: _listing.read(root))


def _table_path(given: str, root: str | None) -> Path:
    """The table where it was said to be, or below the root."""
    table = _absolute(given)
    below = table if root is None else _absolute(root) / given
    return below if below.is_file() and not table.exists() else table


def _absolute(path: str) -> Path:
    return Path(os.path.normpath(Path(path).expanduser().absolute()))
