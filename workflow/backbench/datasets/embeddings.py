"""Embeddings and labels alone, without images (layer 1): ``dataset=embeddings dataset.path=FILE``.

One ``.npz`` with the arrays features, labels and perhaps names and split; or a table in any format that
``backbench.arrays`` reads, with the labels beside it. Labels are text or whole numbers; the classes are their values,
sorted. The digest is over the numbers as float32, the labels, names and parts, whatever the files are called.
"""

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from backbench import arrays, hashing
from backbench.arrays import lists
from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, Collection, Description, Split, _split
from backbench.schema import ConfigError, Range, refuse
from backbench.stage import Context

UNHASHED = ("path", "key", "columns", "labels", "names", "parts")
WHERE = "dataset(embeddings)"
LABELS = ("labels", "label", "classes", "class", "targets", "target", "y")
NAMES = ("names", "name", "files", "file", "paths", "path", "filenames", "filename")
SPLIT = ("split", "splits", "part", "parts")
PART_NAMES = {"train": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION, "test": TEST}


@dataclass(frozen=True)
class Params:
    """Options. `key` and `columns` say which numbers of the file (``backbench.arrays.shape``).

    `labels`, `names` and `parts` are each an array or column of the file, or the path of a list of its own (``.txt``,
    ``.csv``, ``.npy``); null takes one of the usual names where there is one. `digest` pins the content.
    """

    path: str | None
    key: str | None
    columns: tuple[str, ...] | None
    labels: str | None
    names: str | None
    parts: str | None
    digest: str | None
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split


@dataclass(frozen=True)
class _Lists:
    """What there is beside the numbers: for each row its class, name and part."""

    classes: tuple[str, ...] | None
    labels: tuple[int, ...] | None
    names: tuple[str, ...] | None
    parts: tuple[int, ...] | None


def describe(params: Params) -> Description:
    """Size, classes and digest; the numbers are read once per process unless the file changes."""
    path = _path(params)
    n, d = arrays.shape(path, _key(params, path), params.columns)
    about = _lists(params, path, n)
    digest = _verified(params, path, about)
    sizes = Counter(zip(about.parts or (TRAIN,) * n, about.labels or (0,) * n, strict=True))
    _check_given(params, about)
    counts = _split.counts(sizes, params.sample, params.split)
    classes = len(about.classes) if about.classes else None
    return Description(sum(counts), classes, digest, counts, images=False, width=d)


def fingerprint(params: Params, progress: Callable[[int, int], None]) -> str:
    """Digest of the content."""
    path = _path(params)
    n, _ = arrays.shape(path, _key(params, path), params.columns)
    found = _verified(params, path, _lists(params, path, n))
    progress(n, n)
    return found


def load(params: Params, context: Context) -> Collection:
    """Read, verify against the digest of the plan, draw and split.

    Raises
    ------
    ConfigError
        If the content is no longer what was planned.
    """
    import numpy as np

    path = _path(params)
    found = arrays.values(path, _key(params, path), params.columns)
    about = _lists(params, path, len(found))
    digest = _verified(params, path, about)
    _check_given(params, about)
    labels = None if about.labels is None else np.array(about.labels, np.int64)
    parts = None if about.parts is None else np.array(about.parts, np.uint8)
    rows, split = _split.sample_and_split(parts, labels, len(found), params.sample, params.seed, params.split)
    return Collection(
        digest=digest,
        split=split,
        labels=None if labels is None else labels[rows],
        names=about.classes,
        root=None if about.names is None else path.parent,
        files=None if about.names is None else [about.names[row] for row in rows],
        rows=rows,
        total=len(found),
        embeddings=arrays.floats(found[rows]),
        info={"source": str(path)},
    )


def _path(params: Params) -> Path:
    if params.path is None:
        raise ConfigError(f"{WHERE}.path: give dataset.path=FILE ({', '.join(arrays.FORMATS)}).")
    return arrays.located(params.path, f"{WHERE}.path")


def _key(params: Params, path: Path) -> str | None:
    """The array of the numbers: `features` where there are several and none is named."""
    if params.key is not None or path.suffix.lower() not in (".npz", ".safetensors"):
        return params.key
    try:
        arrays.shape(path, "features")
    except ConfigError:
        return None
    return "features"


def _verified(params: Params, path: Path, about: _Lists) -> str:
    values = _digest(path, *arrays.stamp(path), _key(params, path), params.columns)
    listed = {name: getattr(about, name) for name in ("classes", "labels", "names", "parts")}
    found = hashing.digest({"values": values, **{name: value and list(value) for name, value in listed.items()}})
    if params.digest not in (None, found):
        raise ConfigError(
            f"{path}: its content is {hashing.short(found)}, not {hashing.short(params.digest)} as planned or pinned; "
            "plan again, or put the file back."
        )
    return found


@functools.cache
def _digest(path: Path, size: int, mtime_ns: int, key: str | None, columns: tuple[str, ...] | None) -> str:
    return arrays.digest(arrays.values(path, key, columns), path)


def _lists(params: Params, path: Path, n: int) -> _Lists:
    labels = _entries(path, params.labels, LABELS, "labels", n)
    names = _entries(path, params.names, NAMES, "names", n)
    parts = _entries(path, params.parts, SPLIT, "parts", n)
    classes, numbers = _classes(labels) if labels else (None, None)
    twice = [name for name, count in Counter(names or ()).items() if count > 1]
    if twice:
        raise ConfigError(f"{path}: names that stand in several rows: {arrays.some(twice)}.")
    return _Lists(classes, numbers, tuple(names) if names else None, _parts(parts) if parts else None)


def _entries(path: Path, named: str | None, usual: Sequence[str], option: str, n: int) -> list[str] | None:
    found = lists.find(path, named, usual, f"{WHERE}.{option}")
    if found is not None and len(found) != n:
        raise ConfigError(f"{WHERE}.{option}: {len(found)} entries for the {n} rows of {path}.")
    return found and [entry.strip() for entry in found]


def _classes(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Class names, sorted as numbers where all are whole numbers, and the class of each row."""
    empty = [row for row, label in enumerate(labels) if not label]
    if empty:
        raise ConfigError(f"{WHERE}.labels: no label in row {arrays.some(empty)}.")
    whole = all(label.removeprefix("-").isdecimal() for label in labels)
    classes = sorted(set(labels), key=(lambda label: (int(label), label)) if whole else None)
    number = {label: place for place, label in enumerate(classes)}
    return tuple(classes), tuple(number[label] for label in labels)


def _parts(entries: Sequence[str]) -> tuple[int, ...]:
    known = {**PART_NAMES, **{str(part): part for part in range(len(PARTS))}}
    other = sorted({entry for entry in entries if entry.lower() not in known})
    if other:
        raise refuse(f"{WHERE}.parts", other[0], known)
    return tuple(known[entry.lower()] for entry in entries)


def _check_given(params: Params, about: _Lists) -> None:
    if params.split.source == "given" and about.parts is None:
        raise ConfigError(
            f"{WHERE}.split.source: received 'given'; the file has no split: give dataset.parts=NAME, or use random."
        )
