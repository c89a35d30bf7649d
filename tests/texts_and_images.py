"""A CLIP of few numbers with random weights: a backbone with a text tower, for tests."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@contextlib.contextmanager
def tiny_clip(folder: Path) -> Iterator[tuple[Any, list[str]]]:
    """The model, known to open_clip while this lasts, and the overrides of a run with it."""
    open_clip = pytest.importorskip("open_clip")
    before = list(open_clip.factory._MODEL_CONFIG_PATHS)
    (folder / "tiny-clip.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder / "tiny-clip.json")
    torch.manual_seed(3)
    model = open_clip.create_model("tiny-clip").eval()
    torch.save(model.state_dict(), folder / "w.pt")
    options = {"model": "tiny-clip", "pretrained": "none", "weights": folder / "w.pt", "engine": "torch"}
    yield model, ["backbone=open_clip", *(f"backbone.{name}={value}" for name, value in options.items())]
    open_clip.factory._MODEL_CONFIG_PATHS[:] = before
    open_clip.factory._rescan_model_configs()
