"""A dense autoencoder trained on the images of the data set (layer 1): its code is the embedding.

Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006, trained end to
end; 784-2000-1000-500-10 is the network that was published for Fashion-MNIST. The decoder mirrors the encoder.
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

BATCH = 512
ENGINE = "torch"
WHERE = "backbone(autoencoder)"


@dataclass(frozen=True)
class Params(Learning):
    """Options. `widths` are the layers after the pixels, the last one the code."""

    widths: tuple[Annotated[int, Range(low=1)], ...]


def width(params: Params) -> int:
    """Width of the code."""
    if not params.widths:
        raise ConfigError(f"{WHERE}.widths: received an empty list; allowed: one width or more, the last the code's.")
    return params.widths[-1]


def identity(params: Params) -> dict[str, Any]:
    """Nothing beyond the options: the weights follow from them and from the images."""
    _learning.check(params, WHERE)
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

    network = _autoencoder.Dense(images.shape[1:], params)
    return _training.fit(network, params, images, rows, validation_rows, context, __name__)
