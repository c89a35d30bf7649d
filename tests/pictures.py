"""Painted pictures, and collections of them, for the tests of the dataset plugins."""

from pathlib import Path

import numpy as np
from PIL import Image

from backbench import plugins
from backbench.datasets import Reading
from backbench.stage import Context

RANDOM = {"source": "random", "validation": 0.2, "test": 0.2}
GIVEN = {"source": "given", "validation": 0.2, "test": 0.2}
FOLDER = {
    "name": "folder",
    "root": None,
    "digest": None,
    "sample": None,
    "seed": 0,
    "split": RANDOM,
    "unreadable": "exclude",
}


def paint(path: Path, number: int, size=(20, 16)):
    """A picture of noise, another one for each number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)


def scene(number: int, size=(96, 80)) -> Image.Image:
    """A smooth picture, as a photograph is: it looks the same at another size or quality."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def params_of(values, **changes):
    return plugins.params("dataset", {**values, **changes})


def folder_params(root, **changes):
    return params_of(FOLDER, root=str(root), **changes)


def folder_describe(root, **changes):
    return plugins.load("dataset", "folder").describe(folder_params(root, **changes))


def folder_load(root, **changes):
    return plugins.load("dataset", "folder").load(folder_params(root, **changes), Context())


def digest_of(root, **changes):
    return plugins.load("dataset", "folder").fingerprint(folder_params(root, **changes), Reading())
