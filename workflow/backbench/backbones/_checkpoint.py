"""Checkpoints of a training: written whole or not at all, and read without running code (imports torch)."""

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from backbench.files import make_folder, share

log = logging.getLogger(__name__)


def write(path: Path, body: dict[str, Any]) -> None:
    """Replace an older checkpoint by `body`, which holds tensors and plain values."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as handle:
        torch.save(body, handle)
        handle.flush()
        os.fsync(handle.fileno())
    share(temporary)
    temporary.replace(path)


def read(path: Path) -> dict[str, Any]:
    """A checkpoint; empty if there is none that can be read."""
    if not path.exists():
        return {}
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        log.warning("%s cannot be read, so the training starts again: %s", path, error)
        return {}
