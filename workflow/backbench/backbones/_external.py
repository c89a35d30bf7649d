"""What models of other libraries share: how images are prepared, and where weights come from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from backbench.backbones import Image, Side, _engine, _normalise, _weights
from backbench.backbones._extractor import Extractor
from backbench.schema import refuse
from backbench.stage import Context

if TYPE_CHECKING:
    from torch import nn

RANDOM = "random"
# 10^9 multiplications and additions per image that are assumed for a network whose cost is not known.
GFLOPS = 4.0


@dataclass(frozen=True)
class ModelImage:
    """An :class:`Image` in which null means the value of the model; `shorter` scales with `size`."""

    size: Side | None
    mode: Literal["RGB"]
    resize: Literal["squash", "crop"] | None
    interpolation: Literal["bilinear", "bicubic", "nearest"] | None
    shorter: Side | None = None
    decode: Literal["scaled", "full"] = "scaled"


if TYPE_CHECKING:
    # The user's options are a ModelImage; planning replaces it by an Image without nulls.
    ImageOptions = ModelImage | Image
else:
    ImageOptions = ModelImage


def settled(asked: ImageOptions, of_model: Callable[[int | None], Image]) -> Image:
    """`asked` with every null replaced; `of_model` gives the model's values for a size (None: the model's size).

    The model is not consulted if size, resize and interpolation are all given.
    """
    if asked.size and asked.resize and asked.interpolation:
        return Image(asked.size, asked.mode, asked.resize, asked.interpolation, asked.shorter, asked.decode)
    model = of_model(asked.size)
    resize = asked.resize or model.resize
    shorter = asked.shorter or (model.shorter if resize == "crop" else None)
    return Image(model.size, asked.mode, resize, asked.interpolation or model.interpolation, shorter, asked.decode)


def side(image: ImageOptions) -> int:
    """The size of images in options without nulls."""
    assert image.size is not None, "the options have been resolved"
    return image.size


def identity(params: Any, file: Callable[[Any], Path]) -> dict[str, Any]:
    """The digest of the weights in the file of `params`, or the seed of random ones."""
    if params.weights == RANDOM:
        return {"weights": RANDOM, "weights_seed": params.weights_seed}
    return {"weights": "file", "weights_sha256": _weights.digest(file(params))}


def open(network: "nn.Module", params: Any, context: Context) -> Extractor:
    """The network on the engine of `params`, with the mean and deviation of `params`."""
    return _engine.open(network, _normalise.standard(params.mean, params.deviation), params, context)


def three(where: str, values: Iterable[float]) -> tuple[float, ...]:
    """The three numbers of an option, one per colour; deviations must be positive.

    Raises
    ------
    ConfigError
        If there are more or fewer, or a deviation is not positive.
    """
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or (where.endswith("deviation") and min(numbers) <= 0):
        raise refuse(where, numbers, "three numbers" + (", each > 0" if where.endswith("deviation") else ""))
    return numbers
