"""Which device the mathematics of a shard runs on: numpy on the CPU, or PyTorch.

A device never counts for a hash. ``torch`` is PyTorch on the CPU: the code of the accelerated paths, where no GPU is.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_current = "cpu"


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """Compute on ``cpu`` (numpy), ``cuda``, ``cuda:N`` or ``torch`` within the block, in every thread."""
    global _current
    before, _current = _current, name
    try:
        yield
    finally:
        _current = before


def accelerated() -> bool:
    """Whether PyTorch computes."""
    return _current != "cpu"


def torch_device() -> "torch.device":
    """The device that tensors go to."""
    import torch

    return torch.device("cpu" if _current in ("cpu", "torch") else _current)


def tensor(array: Any, dtype: str = "float64") -> "torch.Tensor":
    """A copy of an array as a tensor on the device."""
    import torch

    return torch.as_tensor(array).to(device=torch_device(), dtype=getattr(torch, dtype), copy=True)
