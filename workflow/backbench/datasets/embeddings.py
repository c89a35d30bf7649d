"""Embeddings and labels without images: ``dataset=embeddings dataset.path=FILE``.

One ``.npz`` with the arrays features, labels and perhaps names and split; or a table in any format that
``backbench.arrays`` reads, with the labels in it or beside it. Labels are text or whole numbers; the classes are their
sorted values. If the file has its own splits, they are kept unless ``split.source`` is ``random``; rows of no split
(such as unlabeled) are left out. The digest covers the numbers as float32, the labels, names and splits, whatever the
files are called.
"""

import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from backbench import arrays, hashing
from backbench.arrays.bounds import Bounds
from backbench.datasets import TRAIN, Collection, Description, Reading, Split, _annotations, _split, _split_names
from backbench.datasets._annotations import Beside
from backbench.datasets._side_columns import WHERE
from backbench.schema import ConfigError, Range
from backbench.stage import Context

UNHASHED = ("path", "key", "columns", "labels", "names", "parts", "max_gb")
MIXED = (
    "the file brings its own splits, but its rows are mixed and split again; "
    "dataset.split.source=given keeps its splits"
)


@dataclass(frozen=True)
class Params:
    """Options. `key` and `columns` say which numbers of the file are used (``backbench.arrays.table``).

    `labels`, `names` and `parts` (the splits) are each an array or column of the file, or the path of a separate list
    (``.txt``, ``.csv``, ``.npy``); null searches for the usual names, and ``none`` takes none. `digest` pins the
    content. `max_gb` limits what is read of the file (null: no limit but memory).
    """

    path: str | None
    key: str | None
    columns: tuple[str, ...] | None
    labels: str | None
    names: str | None
    parts: str | None
    max_gb: Annotated[float | None, Range(above=0.0)]
    digest: str | None
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split


def describe(params: Params) -> Description:
    """Size, classes and digest; the numbers are read once per process unless the file changes."""
    path = _path(params)
    table = _table(params, path)
    about = _beside(params, path, table)
    digest = _verified(params, path, about)
    split = _settled(params, about)
    sizes = Counter(zip(about.used_parts or (TRAIN,) * about.kept, about.labels or (0,) * about.kept, strict=True))
    counts = _split.counts(sizes, params.sample, split)
    return Description(
        sum(counts),
        len(about.classes) if about.classes else None,
        digest,
        counts,
        images=False,
        width=int(table.shape[1]),
        notice=MIXED if about.given and split.source == "random" else None,
        understood=(_sentence(path, table, about),),
        given=about.given,
        files=about.names,
        training=_split.training(sizes, params.sample, split),
    )


def fingerprint(params: Params, reading: Reading) -> str:
    """The digest of the content."""
    path = _path(params)
    about = _beside(params, path, _table(params, path))
    digest = _verified(params, path, about)
    reading.progress(about.n, about.n)
    return digest


def load(params: Params, context: Context) -> Collection:
    """Read, verify against the planned digest, draw and split.

    Raises
    ------
    ConfigError
        If the content is no longer what was planned.
    """
    import numpy as np

    path = _path(params)
    table = _table(params, path)
    about = _beside(params, path, table)
    digest = _verified(params, path, about)
    labels = None if about.labels is None else np.array(about.labels, np.int64)
    parts = None if about.used_parts is None else np.array(about.used_parts, np.uint8)
    split = _settled(params, about)
    drawn, split_of = _split.sample_and_split(parts, labels, about.kept, params.sample, params.seed, split)
    rows = drawn if about.rows is None else np.array(about.rows, np.int64)[drawn]
    return Collection(
        digest=digest,
        split=split_of,
        labels=None if labels is None else labels[drawn],
        names=about.classes,
        root=None if about.names is None else path.parent,
        files=None if about.names is None else [about.names[row] for row in drawn],
        rows=rows,
        total=about.n,
        embeddings=arrays.taken(arrays.values(path, params.key, params.columns, _bounds(params)), rows, path),
        info=_info(path, table, about),
    )


def _path(params: Params) -> Path:
    if params.path is None:
        raise ConfigError(f"{WHERE}.path: give dataset.path=FILE ({', '.join(arrays.FORMATS)}).")
    return arrays.located(params.path, f"{WHERE}.path")


def _bounds(params: Params) -> Bounds:
    return Bounds(params.max_gb, "dataset.")


def _table(params: Params, path: Path) -> arrays.Table:
    return arrays.table(path, params.key, params.columns, _bounds(params))


def _beside(params: Params, path: Path, table: arrays.Table) -> Beside:
    """What the file holds beside the numbers.

    Raises
    ------
    ConfigError
        If the user chooses a column as a feature that also holds the labels, names or splits.
    """
    asked = (params.labels, params.names, params.parts)
    about = _read(path, *arrays.stamp(path), asked, int(table.shape[0]), _bounds(params))
    taken = table.name if isinstance(table.name, tuple) else ()
    for option, title in about.titles.items():
        if title in taken:
            raise ConfigError(
                f"{WHERE}: the column {title!r} is among dataset.columns, but also gives the {_words(option)}; leave "
                f"it out of dataset.columns, or give dataset.{option}=COLUMN or dataset.{option}=none."
            )
    return about


@functools.lru_cache(maxsize=4)
def _read(path: Path, size: int, mtime_ns: int, asked: tuple[str | None, ...], n: int, bounds: Bounds) -> Beside:
    return _annotations.read(path, dict(zip(("labels", "names", "parts"), asked, strict=True)), n, bounds)


def _settled(params: Params, about: Beside) -> Split:
    if params.split.source == "given" and about.parts is None:
        raise ConfigError(
            f"{WHERE}.split.source: received 'given', but the file has no splits; give dataset.parts=NAME, or use "
            "random."
        )
    return params.split.settled(about.given)


def _sentence(path: Path, table: arrays.Table, about: Beside) -> str:
    """How the file was understood."""
    words = [_count(about.n, "row"), f"{_count(int(table.shape[1]), 'feature')} from {table.words}"]
    labels, names, parts = (about.titles[option] for option in ("labels", "names", "parts"))
    words.append("no labels" if labels is None else f"{_count(len(about.classes or ()), 'class')} from `{labels}`")
    words += [] if names is None else [f"names from `{names}`"]
    words += [] if about.parts is None else [f"{_split_names.sentence(Counter(about.parts))} from `{parts}`"]
    words += (
        [f"{sum(about.left_out.values()):,} rows of no split are left out ({arrays.some(list(about.left_out))})"]
        if about.left_out
        else []
    )
    unused = _unused(path, table, about)
    hint = " (dataset.labels=NAME takes the labels from one)" if unused and labels is None else ""
    return f"{path.name}: {'; '.join(words)}" + (f"; not used: {arrays.some(unused)}{hint}" if unused else "")


def _words(option: str) -> str:
    return "splits" if option == "parts" else option


def _count(number: int, word: str) -> str:
    return f"{number:,} {word if number == 1 else 'classes' if word == 'class' else f'{word}s'}"


def _unused(path: Path, table: arrays.Table, about: Beside) -> list[str]:
    """Arrays and columns of the file that are not used."""
    taken = table.name if isinstance(table.name, tuple) else (table.name,)
    flags = (about.titles["parts"] or "").split(" and ")
    return [name for name in arrays.beside(path) if name not in {*taken, *about.titles.values(), *flags}]


def _info(path: Path, table: arrays.Table, about: Beside) -> dict[str, Any]:
    """Which columns were used for what, for the record."""
    return {
        "source": str(path),
        "features": int(table.shape[1]),
        "features_from": table.words,
        **{f"{option}_from": title for option, title in about.titles.items()},
        "columns_not_used": _unused(path, table, about),
        "rows_left_out": dict(about.left_out),
    }


def _verified(params: Params, path: Path, about: Beside) -> str:
    """The digest of the content, which has to be the planned or pinned one."""
    values = _digest(path, *arrays.stamp(path), params.key, params.columns, _bounds(params))
    listed = {name: getattr(about, name) for name in ("classes", "labels", "names", "parts")}
    listed |= {} if about.rows is None else {"rows": about.rows}
    digest = hashing.digest({"values": values, **{name: value and list(value) for name, value in listed.items()}})
    if params.digest is not None and params.digest != digest:
        raise ConfigError(
            f"{path}: its content is {hashing.short(digest)}, not {hashing.short(params.digest)} as planned or pinned; "
            "plan again, or put the file back."
        )
    return digest


@functools.cache
def _digest(
    path: Path, size: int, mtime_ns: int, key: str | None, columns: tuple[str, ...] | None, bounds: Bounds
) -> str:
    return arrays.digest(arrays.values(path, key, columns, bounds), path)
