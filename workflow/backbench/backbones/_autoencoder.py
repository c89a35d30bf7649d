"""Autoencoders in PyTorch (torch is imported at the top, so only ``fit`` of a plugin imports this).

``forward`` maps images (n, c, h, w) in 0..1 to reconstructions before the activation of the output, ``encode`` maps
them to codes. Dropout draws from the generator that is passed in; without one there is no dropout. The initial weights
are Glorot and Bengio's uniform ones ("Understanding the difficulty of training deep feedforward neural networks",
AISTATS 2010, equation 16), the biases are zero.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,
    "linear": lambda x: x,
}
KERNEL = 3


class Dense(nn.Module):
    """Dense layers from the pixels to the code, and back through the same widths."""

    # Rows of a batch per core: with fewer, reading the weights would dominate.
    slice_rows = 128

    def __init__(self, shape: Sequence[int], params: Any):
        super().__init__()
        self.shape = tuple(shape)
        self.activation, self.code = ACTIVATIONS[params.activation], ACTIVATIONS[params.code_activation]
        widths = [self.shape[0] * self.shape[1] * self.shape[2], *params.widths]
        with torch.device("meta"):
            self.encoder = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
            self.decoder = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths[::-1]))

    def encode(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        x = x.permute(0, 2, 3, 1).flatten(1)
        for layer in self.encoder[:-1]:
            x = self.activation(layer(x))
        return self.code(self.encoder[-1](x))

    def forward(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        x = self.encode(x, generator)
        for layer in self.decoder[:-1]:
            x = self.activation(layer(x))
        return self.decoder[-1](x).reshape(len(x), *self.shape).permute(0, 3, 1, 2)


class Convolutional(nn.Module):
    """Convolution, activation, max pooling and dropout to the code; dense, repetition and convolution back."""

    slice_rows = 32

    def __init__(self, shape: Sequence[int], params: Any):
        super().__init__()
        height, width, colours = shape
        self.activation, self.code = ACTIVATIONS[params.activation], ACTIVATIONS[params.code_activation]
        self.dropout = params.dropout
        channels = [colours, *params.channels]
        self.sides = [(height >> level, width >> level) for level in range(len(channels))]
        flat = channels[-1] * self.sides[-1][0] * self.sides[-1][1]
        with torch.device("meta"):
            self.encoder = nn.ModuleList(_convolution(*pair) for pair in pairwise(channels))
            self.to_code, self.from_code = nn.Linear(flat, params.code_width), nn.Linear(params.code_width, flat)
            self.decoder = nn.ModuleList(_convolution(*pair) for pair in pairwise(channels[::-1]))

    def encode(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        for layer in self.encoder:
            x = functional.max_pool2d(self.activation(layer(x)), 2)
            if generator is not None and self.dropout:
                x = x * torch.empty_like(x).bernoulli_(1 - self.dropout, generator=generator) / (1 - self.dropout)
        return self.code(self.to_code(x.flatten(1)))

    def forward(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        x = self.activation(self.from_code(self.encode(x, generator)))
        x = x.reshape(len(x), -1, *self.sides[-1])
        for number, (layer, sides) in enumerate(zip(self.decoder, self.sides[-2::-1], strict=True), 1):
            x = layer(functional.interpolate(x, size=sides))
            x = x if number == len(self.decoder) else self.activation(x)
        return x


class Encoder(nn.Module):
    """The half of an autoencoder that is used after the training."""

    def __init__(self, network: Dense | Convolutional):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.encode(x)


N = TypeVar("N", bound=nn.Module)


def initialise(network: N, seed: int) -> N:
    """Give a network its initial weights, on the CPU and without PyTorch's global random state."""
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for weights in network.parameters():
        if weights.dim() > 1:
            nn.init.xavier_uniform_(weights, generator=generator)
        else:
            nn.init.zeros_(weights)
    return network


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, KERNEL, padding=KERNEL // 2)
