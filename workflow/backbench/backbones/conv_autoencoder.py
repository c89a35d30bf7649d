"""A convolutional autoencoder trained on the images of the data set: its code is the embedding.

Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction", ICANN 2011, trained end to end:
3 x 3 convolutions with max pooling and dropout, one dense layer to the code, and a mirrored decoder that doubles the
sides by repetition before each convolution (Odena et al., "Deconvolution and checkerboard artifacts", 2016).
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

BATCH = 128
ENGINE = "torch"
# 10^9 operations of float32 a second that one core makes in the training: convolutions with few channels are slow.
CORE_GFLOPS = 25.0
KERNEL = 3 * 3
WHERE = "backbone(conv_autoencoder)"


@dataclass(frozen=True)
class Params(Learning):
    """Options. Each of `channels` is a convolution and a pooling that halves the sides (rounding down).

    `dropout` is the share of activations that are dropped after each pooling in training.
    """

    channels: tuple[Annotated[int, Range(low=1)], ...]
    code_width: Annotated[int, Range(low=1)]
    dropout: Annotated[float, Range(low=0.0, high=0.9)]


def width(params: Params) -> int:
    """Width of the code."""
    return params.code_width


def identity(params: Params) -> dict[str, Any]:
    """Nothing beyond the options: the weights follow from them and from the images."""
    _learning.check(params, WHERE)
    if not params.channels or params.image.size >> len(params.channels) < 1:
        most = params.image.size.bit_length() - 1
        raise ConfigError(
            f"{WHERE}.channels: received {len(params.channels)} poolings; allowed: 1 to {most}, which halve "
            f"{params.image.size} pixels to 1."
        )
    return {}


def layers(params: Params) -> list[tuple[int, int]]:
    """(multiplications for an image, weights) of each layer; the decoder mirrors the encoder."""
    channels, size = [_learning.values(params.image) // params.image.size**2, *params.channels], params.image.size
    kernels = [KERNEL * inputs * outputs for inputs, outputs in pairwise(channels)]
    convolutions = [(kernel * (size >> level) ** 2, kernel) for level, kernel in enumerate(kernels)]
    dense = channels[-1] * (size >> len(kernels)) ** 2 * params.code_width
    return [*convolutions, (dense, dense)] * 2


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

    network = _autoencoder.Convolutional(images.shape[1:], params)
    return _training.fit(network, params, images, rows, validation_rows, context, __name__)
