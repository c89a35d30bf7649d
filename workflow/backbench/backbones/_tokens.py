"""Options of vision transformers: the last blocks side by side, class tokens and means of patch tokens, several crops.

The last blocks are those of the linear evaluation of DINOv2 (Oquab et al., "DINOv2: Learning Robust Visual Features
without Supervision", TMLR 2024): the class tokens of the last n blocks, each behind the last norm, and with
``class_mean`` the mean of the patch tokens of the last one behind them. Crops are averaged as in Krizhevsky et al.,
"ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012, though over features and not over
probabilities (torch is imported inside functions).
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from backbench.schema import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

    # The class token (n, d) of a block, None where the network has none, and its patch tokens (n, patches, d).
    Block = tuple[torch.Tensor | None, torch.Tensor]

Pooling = Literal["class", "mean", "class_mean"]
Crops = Literal[1, 5, 10]


def asked(params: Any) -> bool:
    """Whether the tokens of blocks are asked for, and not the features that the network itself gives."""
    return bool(params.blocks > 1 or params.pooling)


def pooling(params: Any) -> Pooling:
    """What is taken of each block."""
    chosen: Pooling = params.pooling or "class"
    return chosen


def parts(params: Any, width: int) -> list[int]:
    """Widths of the columns that belong together, where tokens of so many columns are asked for: a block each, then
    the mean."""
    return [width] * (params.blocks + (pooling(params) == "class_mean"))


def check(where: str, params: Any, model: str, depth: int, has_class: bool) -> None:
    """Refuse what a vision transformer of so many blocks does not have.

    Raises
    ------
    ConfigError
        For more blocks than there are, and a class token where there is none.
    """
    if params.blocks > depth:
        raise ConfigError(f"{where}.blocks: received {params.blocks}; allowed: 1 to {depth}, the blocks of {model}.")
    if pooling(params) != "mean" and not has_class:
        received = "null" if params.pooling is None else params.pooling
        raise ConfigError(
            f"{where}.pooling: received {received}; allowed: mean, because {model} has no class token (null with "
            "blocks=1 gives the features of the network itself)."
        )


def refusal(where: str, params: Any, model: str) -> ConfigError:
    """The error for a network whose blocks are not known."""
    option = f"blocks: received {params.blocks}" if params.blocks > 1 else f"pooling: received {params.pooling!r}"
    return ConfigError(
        f"{where}.{option}; allowed: blocks=1 and pooling=null, because {model} is no vision transformer whose blocks "
        "are known here."
    )


def gathered(blocks: "Sequence[Block]", chosen: Pooling) -> "torch.Tensor":
    """Features (n, d) of the last blocks, the last one at the end."""
    import torch

    if chosen == "mean":
        return torch.cat([patches.mean(1) for _, patches in blocks], dim=1)
    classes = [token for token, _ in blocks if token is not None]
    more = [blocks[-1][1].mean(1)] if chosen == "class_mean" else []
    return torch.cat([*classes, *more], dim=1)


def cropping(where: str, params: Any) -> Any:
    """`params` with the square that several crops are taken from in place of their size, which becomes `view`.

    Raises
    ------
    ConfigError
        If images are prepared so that nothing is cut off, and for the side of a crop without crops.
    """
    if params.crops == 1 and params.view is not None:
        raise ConfigError(f"{where}.view: received {params.view} with crops=1; allowed: null, planning fills it in.")
    if params.crops == 1 or params.view is not None:
        return params
    image = params.image
    if image.resize != "crop" or (image.shorter or 0) <= image.size:
        raise ConfigError(
            f"{where}.crops: received {params.crops}; allowed: 1 where nothing of an image is cut off. Crops are taken "
            f"of a larger square: give backbone.image.resize=crop and backbone.image.shorter above {image.size}."
        )
    return dataclasses.replace(params, view=image.size, image=dataclasses.replace(image, size=image.shorter))


def side(params: Any) -> int:
    """Width and height of what the network is given."""
    size: int = params.view or params.image.size
    return size


def crops(network: "nn.Module", params: Any) -> "nn.Module":
    """The network on several crops of a square image: the four corners and the centre, with `crops` 10 mirrored too.

    The features of an image are the mean of those of its crops.
    """
    if params.crops == 1:
        return network
    import torch
    from torch import nn

    inner, start = params.view, round((params.image.size - params.view) / 2)
    far = params.image.size - inner
    corners = [(0, 0), (0, far), (far, 0), (far, far), (start, start)]

    class Crops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Any) -> Any:
            views = [x[:, :, top : top + inner, left : left + inner] for top, left in corners]
            views += [view.flip(3) for view in views] if params.crops == 2 * len(corners) else []
            rows = self.network(torch.cat(views))
            return rows.reshape(len(views), -1, rows.shape[1]).mean(0)

    return Crops().eval()
