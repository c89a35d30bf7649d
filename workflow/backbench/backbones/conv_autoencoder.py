"""A convolutional autoencoder trained on the images of the data set (layer 1): its code is the embedding.

Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction", ICANN 2011, trained end to end:
3 x 3 convolutions with max pooling and dropout, one dense layer to the code, and a mirrored decoder that doubles the
sides by repetition before each convolution (Odena et al., "Deconvolution and checkerboard artifacts", 2016).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import _learning
from backbench.backbones._learning import Learning
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

BATCH = 128
ENGINE = "torch"
WHERE = "backbone(conv_autoencoder)"


@dataclass(frozen=True)
class Params(Learning):
    """Options. Each of `channels` is a convolution and a pooling that halves the sides (odd ones are rounded down).

    `dropout` is the share of activations left out after each pooling while training.
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


def fit(
    params: Params, images: "np.ndarray", rows: "np.ndarray", validation_rows: "np.ndarray", context: Context
) -> tuple[Callable[["np.ndarray"], "np.ndarray"], dict[str, Any]]:
    """Train on uint8 images (n, h, w, c); the function from images to float32 codes, and how the training went.

    Raises
    ------
    ConfigError
        If there are too few rows, or the loss is no longer finite.
    """
    from backbench.backbones import _autoencoder, _training

    network = _autoencoder.Convolutional(images.shape[1:], params)
    return _training.fit(network, params, images, rows, validation_rows, context, __name__)
