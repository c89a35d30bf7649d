"""Vision transformers of torchvision: any image size, and the tokens of the last blocks (imports it in functions)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import Side, _tokens, _torchvision
from backbench.schema import ConfigError, Range

if TYPE_CHECKING:
    import torch
    from torch import nn

    State = Mapping[str, torch.Tensor]

POSITIONS = "encoder.pos_embedding"


@dataclass(frozen=True)
class Params(_torchvision.Params):
    """Options, with those of ``_tokens``; planning fills in `view`, the side of a crop."""

    blocks: Annotated[int, Range(low=1)] = 1
    pooling: _tokens.Pooling | None = None
    crops: _tokens.Crops = 1
    view: Side | None = None


def tokens(whole: Any, params: Any) -> "nn.Module":
    """The tokens of the last blocks of a vision transformer, behind its last norm."""
    from torch import nn

    encoder = whole.encoder

    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, x: Any) -> Any:
            patches = self.whole._process_input(x)
            classes = self.whole.class_token.expand(patches.shape[0], -1, -1)
            values = encoder.dropout(_joined(classes, patches) + encoder.pos_embedding)
            blocks = []
            for layer in encoder.layers:
                values = layer(values)
                blocks.append(values)
            ends = [encoder.ln(block) for block in blocks[-params.blocks :]]
            return _tokens.gathered([(end[:, 0], end[:, 1:]) for end in ends], _tokens.pooling(params))

    return Blocks().eval()


def _joined(classes: Any, patches: Any) -> Any:
    import torch

    return torch.cat([classes, patches], dim=1)


def options(name: str, patch: int) -> Callable[[Any], dict[str, Any]]:
    """The function that gives the arguments of the builder: the size of the images, a multiple of `patch`."""

    def sized(params: Any) -> dict[str, Any]:
        size = _torchvision.side(params)
        if size % patch:
            raise ConfigError(f"backbone({name}).image.size: received {size}; allowed: multiples of {patch}.")
        return {"image_size": size}

    return sized


def interpolated(patch: int) -> "Callable[[State, Any], State]":
    """The function that interpolates the position embeddings of a state dict to the image size, as torchvision does."""

    def adapted(state: "State", params: Any) -> "State":
        from torchvision.models.vision_transformer import interpolate_embeddings

        positions = state.get(POSITIONS)
        if positions is None or positions.ndim != 3:
            return state
        patches = positions.shape[1] - 1
        size = _torchvision.side(params)
        if patches == (size // patch) ** 2 or patches < 1 or math.isqrt(patches) ** 2 != patches:
            return state
        return interpolate_embeddings(size, patch, {**state, POSITIONS: positions.float()})

    return adapted
