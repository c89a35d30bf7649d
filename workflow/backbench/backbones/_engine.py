"""Which engine runs a network, and running it (layer 1; imports no engine before it is opened).

``torch`` is eager PyTorch, ``inductor`` its compiler, ``openvino`` the CPU runtime of the extra of that name. ``auto``
becomes one of them when a sweep is planned: the family of the engine and the precision are part of what features are.
"""

import dataclasses
import importlib.util
import os
import queue
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backbench.schema import ConfigError
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np
    import torch

    Normalise = Callable[[torch.Tensor], torch.Tensor]
    Lane = Callable[[np.ndarray], np.ndarray]

Params = TypeVar("Params")
NVIDIA = Path("/proc/driver/nvidia/gpus")
COMPILERS = ("g++", "clang++", "c++")


class OutOfMemory(RuntimeError):
    """A batch that there is no room for; a smaller one may fit."""


class DeviceLost(RuntimeError):
    """A device that answers no more; what it has not computed can go on elsewhere."""


class Extractor:
    """Callable from uint8 images (n, h, w, c) to float32 features (n, d), from as many threads as there are lanes.

    A lane computes one batch at a time; a call takes one that is free. `device` is where they compute, `batch` the most
    images that are good for a batch (None: as many as the plugin says), and `searches` whether to find that by trying.
    """

    def __init__(self, lanes: "Sequence[Lane]", device: str, batch: int | None = None, searches: bool = False):
        self.lanes, self.device, self.batch, self.searches = len(lanes), device, batch, searches
        self._free: queue.SimpleQueue = queue.SimpleQueue()
        for lane in lanes:
            self._free.put(lane)

    def __call__(self, images: "np.ndarray") -> "np.ndarray":
        lane = self._free.get()
        try:
            return lane(images)
        finally:
            self._free.put(lane)


def resolve(params: Params, device: str) -> Params:
    """`params` with the engine that ``auto`` means here, checked; `device` is auto, cpu, cuda or cuda:N.

    Raises
    ------
    ConfigError
        If the engine is not installed, or cannot do what is asked for.
    """
    on_cpu = device == "cpu" or (device == "auto" and not _cuda_visible())
    engine = params.engine
    if engine == "auto":
        fits = on_cpu and params.precision == "float32" and _installed("openvino")
        engine = "openvino" if fits else "torch"
    problem = _problem(engine, params.precision, device, on_cpu)
    if problem:
        raise ConfigError(f"backbone.engine={engine}: {problem}")
    return dataclasses.replace(params, engine=engine)


def open(network: "torch.nn.Module", normalise: "Normalise", params: Any, context: Context) -> Extractor:
    """The function from uint8 images (n, h, w, c) to float32 features (n, d), run by the engine of `params`.

    Parameters
    ----------
    network
        From normalised float images (n, c, h, w) to features (n, d); it is the engine's from now on.
    normalise
        From float images 0..255 to what the network wants; may work in place.

    Raises
    ------
    ConfigError
        If the engine cannot run this network.
    """
    if params.engine == "openvino":
        from backbench.backbones import _openvino as engine
    else:
        from backbench.backbones import _torch as engine
    return engine.open(network, normalise, params, context)


def cached(params: Any, pixels: int) -> int | None:
    """The power of two nearest below as many images as have `pixels` pixels, but at least four.

    The activations of so few stay in the cache of a core: MobileNetV2 at 224 pixels was seen to take 14 ms an image in
    batches of 4 and 27 in batches of 32, with OpenVINO 6.5 and 7.9.
    """
    if not hasattr(params, "image"):
        return None
    return 1 << (max(4, pixels // params.image.size**2).bit_length() - 1)


def _problem(engine: str, precision: str, device: str, on_cpu: bool) -> str | None:
    """Why an engine cannot be used, and what to do; None where it can."""
    if engine == "openvino" and not _installed("openvino"):
        return 'the package openvino is not installed: pip install "backbench[openvino]", or backbone.engine=torch.'
    if engine == "openvino" and precision != "float32":
        return f"received backbone.precision={precision}; allowed: float32 (engine=torch has the others)."
    if engine == "openvino" and device.startswith("cuda"):
        return f"it runs on the CPU, and execution.device={device} is asked for; give backbone.engine=torch."
    if precision == "float16" and on_cpu:
        return "received backbone.precision=float16 on a CPU; allowed: float32, bfloat16, or execution.device=cuda."
    if engine == "inductor" and on_cpu and not _compiler():
        return (
            f"it needs a C++ compiler ({', '.join(COMPILERS)} or CXX), and none was found; give backbone.engine=torch."
        )
    return None


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _compiler() -> str | None:
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, (named,) if named else COMPILERS)), None)


def _cuda_visible() -> bool:
    """Whether there is a CUDA device for PyTorch, found without importing it."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = listed is not None and (not listed.strip() or listed.strip().startswith("-"))
    return not hidden and NVIDIA.is_dir() and any(NVIDIA.iterdir())
