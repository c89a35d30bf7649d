"""Arrays by name in an ``.npz`` file."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from backbench.arrays import _npy, pick


def _heads(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    heads = {}
    with zipfile.ZipFile(path) as opened:
        for name in opened.namelist():
            with opened.open(name) as handle:
                heads[name.removesuffix(".npy")] = _npy.header(handle, path / name)
    return heads


def table(path: Path, key: str | None, columns: Any) -> tuple[str, tuple[int, ...], str]:
    heads = _heads(path)
    name = pick(path, key, {name: found for name, (found, _) in heads.items()})
    _npy.refuse_objects(heads[name][1], path / name)
    return name, heads[name][0], heads[name][1].kind


def values(path: Path, name: str) -> np.ndarray:
    with np.load(path, allow_pickle=False) as opened:
        return opened[name]


def column(path: Path, name: str) -> np.ndarray | None:
    heads = _heads(path)
    if name not in heads:
        return None
    _npy.refuse_objects(heads[name][1], path / name)
    return values(path, name)
