"""Models in the layout of the Hugging Face hub, made here: nothing is fetched."""

import functools
import json
import tempfile
from pathlib import Path

SIDE, PATCH, WIDTH = 32, 8, 16


@functools.cache
def _root() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="hubs-")


def place(layers: int = 3) -> Path:
    """Where a vision transformer of so many layers is, or will be."""
    return Path(_root().name) / f"vit-{layers}"


@functools.cache
def vision_transformer(layers: int = 3) -> Path:
    """The folder of a vision transformer, and of one with a layer more, with processors and without weights."""
    for count in (layers, layers + 1):
        options = {"hidden_size": WIDTH, "num_hidden_layers": count, "num_attention_heads": 2, "intermediate_size": 32}
        config = {"model_type": "vit", "architectures": ["ViTModel"], "image_size": SIDE, "patch_size": PATCH}
        processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": SIDE, "width": SIDE}}
        colours = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_normalize": True, "do_rescale": True}
        place(count).mkdir(parents=True, exist_ok=True)
        (place(count) / "config.json").write_text(json.dumps({**config, **options}))
        (place(count) / "preprocessor_config.json").write_text(
            json.dumps({**processor, **colours, "do_resize": True, "resample": 2, "rescale_factor": 1 / 255})
        )
    return place(layers)
