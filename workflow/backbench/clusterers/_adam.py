"""Adam (Kingma and Ba 2015, algorithm 1) on lists of float32 arrays of numpy or PyTorch, which it updates in place."""

from collections.abc import Sequence
from typing import Any

FIRST, SECOND, LEAST = 0.9, 0.999, 1e-8


class Adam:
    """The moments of some parameters; equals `torch.optim.Adam` but for rounding."""

    def __init__(self, parameters: Sequence[Any], rate: float):
        """For parameters of any shape, arrays or tensors, with a learning rate."""
        self.parameters, self.rate, self.steps = list(parameters), rate, 0
        self._moments = [(each * 0, each * 0) for each in parameters]

    def step(self, gradients: Sequence[Any]) -> None:
        """Move the parameters against gradients of the same shapes."""
        self.steps += 1
        length = self.rate / (1 - FIRST**self.steps)
        correction = (1 - SECOND**self.steps) ** 0.5
        for parameter, (first, second), gradient in zip(self.parameters, self._moments, gradients, strict=True):
            first *= FIRST
            first += (1 - FIRST) * gradient
            second *= SECOND
            second += (1 - SECOND) * gradient * gradient
            parameter -= length * first / (second**0.5 / correction + LEAST)
