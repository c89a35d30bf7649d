"""What models of other libraries share: how they prepare images, and where their weights come from (layer 1)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from backbench.backbones import Image, Side, _engine, _normalise, _weights
from backbench.schema import refuse
from backbench.stage import Context

if TYPE_CHECKING:
    from torch import nn

RANDOM = "random"


@dataclass(frozen=True)
class Own:
    """An :class:`Image` in which null means the model's own; another `size` takes the model's `shorter` along."""

    size: Side | None
    mode: Literal["RGB"]
    resize: Literal["squash", "crop"] | None
    interpolation: Literal["bilinear", "bicubic", "nearest"] | None
    shorter: Side | None = None
    decode: Literal["scaled", "full"] = "scaled"


def settled(asked: Own | Image, own: Callable[[int | None], Image]) -> Image:
    """`asked` with every null replaced; `own` gives the model's way for a size, None for its own size.

    Where size, resize and interpolation are all asked for, the model is not.
    """
    if asked.size and asked.resize and asked.interpolation:
        return Image(asked.size, asked.mode, asked.resize, asked.interpolation, asked.shorter, asked.decode)
    model = own(asked.size)
    resize = asked.resize or model.resize
    shorter = asked.shorter or (model.shorter if resize == "crop" else None)
    return Image(model.size, asked.mode, resize, asked.interpolation or model.interpolation, shorter, asked.decode)


def identity(params: Any, file: Callable[[Any], Path]) -> dict[str, Any]:
    """The digest of the weights in the file of `params`, or the seed of random ones."""
    if params.weights == RANDOM:
        return {"weights": RANDOM, "weights_seed": params.weights_seed}
    return {"weights": "file", "weights_sha256": _weights.digest(file(params))}


def open(network: "nn.Module", params: Any, context: Context) -> _engine.Extractor:
    """The network on the engine of `params`, with their mean and deviation."""
    return _engine.open(network, _normalise.standard(params.mean, params.deviation), params, context)


def three(where: str, values: Iterable[float]) -> tuple[float, ...]:
    """One number for each colour; a deviation is never 0.

    Raises
    ------
    ConfigError
        If there are more or fewer, or one of a deviation is not positive.
    """
    found = tuple(float(value) for value in values)
    if len(found) != 3 or (where.endswith("deviation") and min(found) <= 0):
        raise refuse(where, found, "three numbers" + (", each > 0" if where.endswith("deviation") else ""))
    return found
