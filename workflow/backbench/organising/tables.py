"""The table beside the photographs: ``clusters.csv``, or ``classes.csv``."""

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench.datasets import PARTS, TRAIN
from backbench.files import write_bytes
from backbench.organising import centres, folders, sheets
from backbench.organising.moves import Plan, numbered

if TYPE_CHECKING:
    import numpy as np

CLUSTERS = ("path", "cluster", "name", "distance", "silhouette", "organised")
CLASSES = ("path", "split", "class", "source", "organised")
TITLES = {"cluster": CLUSTERS, "class": CLASSES}
NAMES = {"cluster": "clusters.csv", "class": "classes.csv"}


def place(plan: Plan) -> Path:
    """Where the table of a plan goes: never over a file that is no such table."""
    number = 1
    while not _free(path := plan.target / numbered(NAMES[plan.by], number), TITLES[plan.by]):
        number += 1
    return path


def write(plan: Plan, failed: Collection[str]) -> Path:
    """Write the table of a plan that was carried out but for the photographs that `failed`; sorted by path."""
    path = place(plan)
    lines = _clusters(plan, failed) if plan.by == "cluster" else _classes(plan, failed)
    write_bytes(path, sheets.encoded(TITLES[plan.by], sorted(lines, key=lambda line: line[0])))
    return path


def remove(path: Path) -> None:
    """Remove a table, unless its file is another one by now."""
    if any(_free(path, titles) for titles in TITLES.values()):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _free(path: Path, titles: Sequence[str]) -> bool:
    """Whether nothing is at a place, or an earlier table."""
    if not os.path.lexists(path):
        return True
    return path.is_file() and not path.is_symlink() and sheets.begins(path, titles)


def _clusters(plan: Plan, failed: Collection[str]) -> Iterator[Sequence[Any]]:
    source, files = plan.source, plan.photographs.files
    labels, distances, widths = source.labels.tolist(), centres.distances(source), centres.widths(source)
    special = {-1: folders.NOISE_FOLDER, -2: folders.OUTSIDE_FOLDER}
    for row, label in enumerate(labels):
        name = special.get(label) or plan.names.get(label, "")
        if folders.apart(source) and label >= 0:
            name = f"{PARTS[source.split[row]]} cluster {label}"
        numbers = (_number(distances, row), _number(widths, row))
        yield files[row], label, name, *numbers, _organised(plan, row, failed)


def _classes(plan: Plan, failed: Collection[str]) -> Iterator[Sequence[Any]]:
    source, files = plan.source, plan.photographs.files
    for row, part in enumerate(source.split.tolist()):
        number, how = (source.truth[row], "given") if part == TRAIN else (source.predictions[row], "predicted")
        yield files[row], PARTS[part], source.names[number], how, _organised(plan, row, failed)


def _organised(plan: Plan, row: int, failed: Collection[str]) -> str:
    return "" if plan.photographs.files[row] in failed else plan.places.get(row, "")


def _number(values: "np.ndarray | None", row: int) -> str:
    """A value of (n,) as text; empty where it is undefined."""
    return "" if values is None or values[row] != values[row] else f"{values[row]:.6g}"
