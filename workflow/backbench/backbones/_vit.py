"""Vision transformers of torchvision at any image size (imports torchvision inside functions)."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from backbench.schema import ConfigError

if TYPE_CHECKING:
    import torch

    State = Mapping[str, torch.Tensor]

POSITIONS = "encoder.pos_embedding"


def options(name: str, patch: int) -> Callable[[Any], dict[str, Any]]:
    """The function that gives the arguments of the builder: the size of the images, a multiple of `patch`."""

    def sized(params: Any) -> dict[str, Any]:
        size = params.image.size
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
        if patches == (params.image.size // patch) ** 2 or patches < 1 or math.isqrt(patches) ** 2 != patches:
            return state
        return interpolate_embeddings(params.image.size, patch, {**state, POSITIONS: positions.float()})

    return adapted
