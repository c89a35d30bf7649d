"""Tensors by name in a ``.safetensors`` file; its library refuses a header that does not match the file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from backbench.arrays._tables import INTEGER, OBJECT, REAL, Side, Table, pick
from backbench.arrays.bounds import Bounds

KINDS = {"BOOL": "b", "F": "f", "BF": "f", "I": "i", "U": "u"}
WIDEST = 8


def _heads(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and stored type of each tensor."""
    with safe_open(path, framework="numpy") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 (it is not a mapping)
        return {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}


def _kind(stored: str) -> str:
    return KINDS.get(stored, KINDS.get(stored.rstrip("0123456789"), stored))


def table(path: Path, key: str | None, columns: Any, bounds: Bounds) -> Table:
    """The tensor of features, from the header."""
    heads = _heads(path)
    numbers = [name for name, (_, stored) in heads.items() if _kind(stored) in "fiub"]
    name = pick(path, key, {name: shape for name, (shape, _) in heads.items()}, numbers, bounds)
    shape, stored = heads[name]
    return Table(name, shape, _kind(stored), f"the tensor {name}")


def values(path: Path, name: str, bounds: Bounds) -> np.ndarray:
    """The tensor `name`, of any shape: (n, d) for the table."""
    shape, stored = _heads(path)[name]
    bounds.check(path, math.prod(shape) * WIDEST, f"the tensor {name} {shape}")
    if stored != "BF16":
        with safe_open(path, framework="numpy") as opened:
            return opened.get_tensor(name)
    # NumPy has no bfloat16.
    with safe_open(path, framework="pt") as opened:
        return opened.get_tensor(name).float().numpy()


def column(path: Path, name: str, bounds: Bounds, missing: bool = False) -> np.ndarray | None:
    """The tensor `name`, (n,) or of any shape; None if there is none."""
    return values(path, name, bounds) if name in _heads(path) else None


def beside(path: Path) -> dict[str, Side]:
    """Every tensor by name; none of them is text."""
    kinds = {"i": INTEGER, "u": INTEGER, "b": INTEGER, "f": REAL}
    return {name: Side(kinds.get(_kind(stored), OBJECT), shape) for name, (shape, stored) in _heads(path).items()}
