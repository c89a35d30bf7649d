"""A dense autoencoder trained on the images of the data set: its code is the embedding.

Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006, trained end to
end; 784-2000-1000-500-10 is the network that was published for Fashion-MNIST. The decoder mirrors the encoder.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import _learning
from backbench.backbones._extractor import Extractor
from backbench.backbones._learning import Learning
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

BATCH = 512
ENGINE = "torch"
# 10^9 operations of float32 a second that one core makes in the training.
CORE_GFLOPS = 80.0
WHERE = "backbone(autoencoder)"


@dataclass(frozen=True)
class Params(Learning):
    """Options. `widths` are those of the layers after the pixels; the last layer is the code."""

    widths: tuple[Annotated[int, Range(low=1)], ...]


def width(params: Params) -> int:
    """Width of the code."""
    if not params.widths:
        raise ConfigError(
            f"{WHERE}.widths: received an empty list; allowed: one or more widths, the last for the code."
        )
    return params.widths[-1]


def identity(params: Params) -> dict[str, Any]:
    """Nothing beyond the options: the weights follow from them and from the images."""
    _learning.check(params, WHERE)
    return {}


def layers(params: Params) -> list[tuple[int, int]]:
    """(multiplications for an image, weights) of each layer; the decoder mirrors the encoder."""
    widths = [_learning.values(params.image), *params.widths]
    return [(inputs * outputs, inputs * outputs) for inputs, outputs in pairwise(widths)] * 2


def gflops(params: Params) -> float:
    """10^9 multiplications and additions that the code of one image takes."""
    return _learning.gflops(layers(params))


def fit(
    params: Params, images: "np.ndarray", rows: "np.ndarray", validation_rows: "np.ndarray", context: Context
) -> tuple[Extractor, dict[str, Any]]:
    """Train on the images (n, h, w, c) uint8; returns the function to codes (n, d) float32, and facts as JSON.

    `rows` (r,) and `validation_rows` (s,) are the training and validation splits.

    Raises
    ------
    ConfigError
        If there are too few rows, or the loss is no longer finite.
    """
    from backbench.backbones import _autoencoder, _training

    network = _autoencoder.Dense(images.shape[1:], params)
    return _training.fit(network, params, images, rows, validation_rows, context, __name__)
