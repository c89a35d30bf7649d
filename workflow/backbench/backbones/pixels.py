"""Flattened pixels in 0..1: the baseline that a learned representation has to beat."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench.backbones import Image
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

BATCH = 1024
ENGINE = "numpy"
GFLOPS = 4e-4
CHANNELS = {"RGB": 3, "L": 1}


@dataclass(frozen=True)
class Params:
    """Options: how the images are prepared."""

    image: Image


def width(params: Params) -> int:
    """Number of features."""
    return params.image.size**2 * CHANNELS[params.image.mode]


def gflops(params: Params) -> float:
    """What converting an image costs, as 10^9 multiplications of a network in the same time."""
    return GFLOPS


def identity(params: Params) -> dict[str, Any]:
    """Nothing beyond the options."""
    return {}


def open(params: Params, context: Context) -> Callable[["np.ndarray"], "np.ndarray"]:
    """The function from uint8 images (n, h, w, c) to float32 (n, h * w * c)."""
    import numpy as np

    def features(images: np.ndarray) -> np.ndarray:
        """Features (n, h * w * c) float32 in 0..1 of images (n, h, w, c) uint8."""
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)

    return features
