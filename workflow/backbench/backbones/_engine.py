"""Which engine runs a network, and running it (layer 1; imports no engine before it is opened).

``torch`` is eager PyTorch, ``inductor`` its compiler, ``openvino`` the CPU runtime of the extra of that name. ``auto``
becomes one of them when a sweep is planned: the family of the engine and the precision are part of what features are.
"""

import dataclasses
import importlib.metadata
import importlib.util
import os
import platform
import queue
import shutil
import subprocess
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
# Pixels of a batch on a core, seen to be good for networks from 96 to 224 pixels; and on a device.
CORE_PIXELS = {"openvino": 4 * 112**2, "torch": 6 * 224**2, "inductor": 6 * 224**2}
DEVICE_PIXELS = 256 * 224**2
CORE_LEAST, DEVICE_LEAST, DEVICE_MOST = 4, 32, 1024
LIBRARIES = {
    "numpy": ("numpy",),
    "torch": ("torch",),
    "inductor": ("torch", "triton"),
    # PyTorch traces the network that OpenVINO runs.
    "openvino": ("openvino", "torch"),
}
CPUINFO = Path("/proc/cpuinfo")
INSTRUCTIONS = ("sse4", "avx", "amx", "fma", "asimd", "sve", "bf16", "i8mm")


class OutOfMemory(RuntimeError):
    """A batch that there is no room for; a smaller one may fit."""


class DeviceLost(RuntimeError):
    """A device that answers no more; what it has not computed can go on elsewhere."""


class Extractor:
    """Callable from uint8 images (n, h, w, c) to float32 features (n, d), from as many threads as there are lanes.

    A lane computes one batch at a time; a call takes one that is free. `device` is where they compute. The bits of a
    row may depend on the shape of its batch, though not on the other rows: `one_shape` asks for batches of one shape.
    """

    one_shape = True

    def __init__(self, lanes: "Sequence[Lane]", device: str):
        self.lanes, self.device = len(lanes), device
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


def batch(params: Any, device: str, most: int) -> int:
    """Images of a batch: a power of two that follows from the size of an image, the engine and the device alone.

    On a CPU it is at most `most`, which is also the size for a backbone without an engine. The activations of a few
    images stay in the cache of a core: MobileNetV2 at 224 pixels was seen to take 14 ms an image in batches of 4 and 27
    in batches of 32, with OpenVINO 6.5 and 7.9. A device is full with 256 images of 224 pixels.
    """
    engine = getattr(params, "engine", None)
    if engine is None:
        return most
    area = params.image.size**2
    if device == "cpu":
        return min(most, _power_of_two(max(CORE_LEAST, CORE_PIXELS[engine] // area)))
    return _power_of_two(min(DEVICE_MOST, max(DEVICE_LEAST, DEVICE_PIXELS // area)))


def runtime(engine: str, device: str) -> dict[str, Any]:
    """What the bits of a row depend on besides the options and the shape of its batch, as plain JSON.

    Versions of the libraries that run `engine`, and of the C++ compiler where one makes the kernels; for the CPU its
    name and the instruction sets that kernels are chosen by, for CUDA the names of the devices and the versions of CUDA
    and cuDNN. PyTorch is imported for CUDA alone.
    """
    libraries = {name: importlib.metadata.version(name) for name in LIBRARIES.get(engine, ()) if _installed(name)}
    about = {"engine": engine, "libraries": libraries, **(_processor() if device == "cpu" else _cuda(device))}
    compiler = _compiler() if engine == "inductor" and device == "cpu" else None
    return about | ({"compiler": _version_of(compiler)} if compiler else {})


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


def _power_of_two(count: int) -> int:
    return 1 << (count.bit_length() - 1)


def _processor() -> dict[str, Any]:
    fields: dict[str, str] = {}
    if CPUINFO.exists():
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
        # Of the first core: what follows repeats it.
        for name, _, value in (line.partition(":") for line in lines):
            fields.setdefault(name.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", "")).split()
    return {
        "device": "cpu",
        "processor": fields.get("model name") or platform.processor() or platform.machine(),
        "instructions": sorted(flag for flag in flags if flag.startswith(INSTRUCTIONS)),
    }


def _cuda(device: str) -> dict[str, Any]:
    import torch

    from backbench.backbones import _torch

    names = {torch.cuda.get_device_name(listed) for listed in _torch.devices(device)}
    libraries = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return {"device": "cuda", "devices": sorted(names), **libraries}


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _compiler() -> str | None:
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, (named,) if named else COMPILERS)), None)


def _version_of(compiler: str) -> str:
    """The first line of what a compiler says of itself."""
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.partition("\n")[0]


def _cuda_visible() -> bool:
    """Whether there is a CUDA device for PyTorch, found without importing it."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = listed is not None and (not listed.strip() or listed.strip().startswith("-"))
    return not hidden and NVIDIA.is_dir() and any(NVIDIA.iterdir())
