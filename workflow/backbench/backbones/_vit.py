"""Vision transformers of torchvision at any image size (layer 1; imports torchvision inside functions)."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backbench.schema import ConfigError

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]

POSITIONS = "encoder.pos_embedding"


def options(name: str, patch: int) -> Callable[[Any], dict[str, Any]]:
    """The builder's arguments: the size of the images, a multiple of `patch`."""

    def sized(params: Any) -> dict[str, Any]:
        size = params.image.size
        if size % patch:
            raise ConfigError(f"backbone({name}).image.size: received {size}; allowed: multiples of {patch}.")
        return {"image_size": size}

    return sized


def interpolated(patch: int) -> "Callable[[State, Any], State]":
    """What gives a state dict position embeddings for images of another size, as torchvision interpolates them."""

    def adapted(state: "State", params: Any) -> "State":
        from torchvision.models.vision_transformer import interpolate_embeddings

        found = state.get(POSITIONS)
        places = found.shape[1] - 1 if found is not None and found.ndim == 3 else 0
        if places == (params.image.size // patch) ** 2 or places < 1 or math.isqrt(places) ** 2 != places:
            return state
        return interpolate_embeddings(params.image.size, patch, {**state, POSITIONS: found.float()})

    return adapted
