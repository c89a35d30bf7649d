"""Tensors by name in a ``.safetensors`` file."""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from backbench.arrays import pick

KINDS = {"BOOL": "b", "F": "f", "BF": "f", "I": "i", "U": "u"}


def table(path: Path, key: str | None, columns: Any) -> tuple[str, tuple[int, ...], str]:
    with safe_open(path, framework="numpy") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 (it is no mapping)
        shapes = {name: tuple(found.get_shape()) for name, found in slices.items()}
        name = pick(path, key, shapes)
        stored = slices[name].get_dtype()
    return name, shapes[name], KINDS.get(stored, KINDS.get(stored.rstrip("0123456789"), stored))


def values(path: Path, name: str) -> np.ndarray:
    with safe_open(path, framework="numpy") as opened:
        if opened.get_slice(name).get_dtype() != "BF16":
            return opened.get_tensor(name)
    # NumPy has no bfloat16.
    with safe_open(path, framework="pt") as opened:
        return opened.get_tensor(name).float().numpy()


def column(path: Path, name: str) -> np.ndarray | None:
    with safe_open(path, framework="numpy") as opened:
        return opened.get_tensor(name) if name in opened.keys() else None  # noqa: SIM118
