"""Chooses the engine that runs a network, and opens it (imports no engine before that).

``torch`` is eager PyTorch, ``inductor`` its compiler, ``openvino`` the CPU runtime of the extra of that name. ``auto``
becomes one of them when a sweep is planned, because features depend on the engine and the precision: OpenVINO on a CPU
for float32, PyTorch for the rest. OpenVINO computes in bfloat16 where it is named and the processor has it. It alone
computes in int8, which is calibrated on images of the collection (`_quantised`).
"""

import dataclasses
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from backbench.backbones._extractor import Extractor
from backbench.backbones._processor import NEEDS as NEEDS
from backbench.backbones._processor import native as native
from backbench.schema import ConfigError
from backbench.stage import Context

if TYPE_CHECKING:
    import torch

    Normalise = Callable[[torch.Tensor], torch.Tensor]

# Images that a network in int8 is calibrated on, unless the options say otherwise.
CALIBRATION = 300
NVIDIA = Path("/proc/driver/nvidia/gpus")
COMPILERS = ("g++", "clang++", "c++")
# Pixels of a batch on a core, measured to be fast for networks from 96 to 224 pixels; and on a device.
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


class Options(Protocol):
    """Options of a backbone that runs on an engine: a dataclass with these fields."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def engine(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def calibration(self) -> int: ...


P = TypeVar("P", bound=Options)


def resolve(params: P, device: str) -> P:
    """`params` with ``auto`` replaced by an engine, which is checked; `device` is auto, cpu, cuda or cuda:N.

    Raises
    ------
    ConfigError
        If the engine is not installed, or does not support the options.
    """
    on_cpu = device == "cpu" or (device == "auto" and not _cuda_visible())
    engine = params.engine
    if engine == "auto":
        fits = on_cpu and params.precision == "float32" and _installed("openvino")
        engine = "openvino" if fits or params.precision == "int8" else "torch"
    problem = _problem(engine, params.precision, device, on_cpu)
    if problem:
        raise ConfigError(f"backbone.engine={engine}: {problem}")
    images = params.calibration if params.precision == "int8" else CALIBRATION
    return dataclasses.replace(params, engine=engine, calibration=images)


def nearest(params: Any) -> Any:
    """`params` with PyTorch in place of OpenVINO where that lacks their precision on this processor, else as they are.

    Both compute the same network in the same precision, and round their sums in another order. PyTorch has no int8.
    """
    if getattr(params, "engine", None) != "openvino" or params.precision == "int8":
        return params
    from backbench.backbones import _openvino

    return params if _openvino.computes_in(params.precision) else dataclasses.replace(params, engine="torch")


def open(network: "torch.nn.Module", normalise: "Normalise", params: Any, context: Context) -> Extractor:
    """The function from uint8 images (n, h, w, c) to float32 features (n, d), run by the engine of `params`.

    Parameters
    ----------
    network
        From normalised float images (n, c, h, w) to features (n, d); the engine may modify it.
    normalise
        From float images 0..255 to the input of the network; may work in place.

    Raises
    ------
    ConfigError
        If the engine cannot run this network.
    """
    if params.engine == "openvino":
        from backbench.backbones import _openvino

        return _openvino.open(network, normalise, params, context)
    from backbench.backbones import _torch

    return _torch.open(network, normalise, params, context)


def batch(params: Any, device: str, most: int) -> int:
    """Images per batch: a power of two that follows from the size of an image, the engine and the device alone.

    On a CPU it is at most `most`, which is also the size for a backbone without an engine. The activations of a few
    images stay in the cache of a core: MobileNetV2 at 224 pixels took 14 ms per image in batches of 4 and 27 ms in
    batches of 32; with OpenVINO, 6.5 ms and 7.9 ms. 256 images of 224 pixels fill a device.
    """
    engine = getattr(params, "engine", None)
    if engine is None:
        return most
    area = params.image.size**2
    if device == "cpu" or engine == "openvino":
        return min(most, _power_of_two(max(CORE_LEAST, CORE_PIXELS[engine] // area)))
    return _power_of_two(min(DEVICE_MOST, max(DEVICE_LEAST, DEVICE_PIXELS // area)))


def runtime(engine: str, device: str) -> dict[str, Any]:
    """Everything the bits of a row depend on besides the options and the shape of its batch, as plain JSON.

    Versions of the libraries that run `engine`, and of the C++ compiler if it builds the kernels. For a CPU, its name
    and the instruction sets by which kernels are chosen; for CUDA, the names of the devices and the versions of CUDA
    and cuDNN. PyTorch is imported for CUDA alone. OpenVINO runs on the CPU whatever `device` is.
    """
    libraries = {name: importlib.metadata.version(name) for name in LIBRARIES.get(engine, ()) if _installed(name)}
    where = _processor() if device == "cpu" or engine == "openvino" else _cuda(device)
    about = {"engine": engine, "libraries": libraries, **where}
    compiler = _compiler() if engine == "inductor" and device == "cpu" else None
    return about | ({"compiler": _version_of(compiler)} if compiler else {})


def _problem(engine: str, precision: str, device: str, on_cpu: bool) -> str | None:
    """Why an engine cannot be used, and what to do; None if it can."""
    if engine == "openvino" and not _installed("openvino"):
        return 'the package openvino is not installed: pip install "backbench[openvino]", or backbone.engine=torch.'
    if engine == "openvino" and device.startswith("cuda"):
        instead = (
            "backbone.precision=bfloat16, or execution.device=cpu" if precision == "int8" else "backbone.engine=torch"
        )
        return f"it runs on the CPU, but execution.device={device}; give {instead}."
    if precision == "int8" and engine != "openvino":
        return "received backbone.precision=int8, which OpenVINO alone computes in; give backbone.engine=openvino."
    if precision == "int8" and not _installed("nncf"):
        return (
            'backbone.precision=int8 needs the package nncf to calibrate, not installed: pip install "backbench[int8]".'
        )
    if engine == "openvino" and not native(precision) and precision in NEEDS:
        slow = {"bfloat16": ", or backbone.engine=torch, which is slow at it here"}
        return (
            f"received backbone.precision={precision}, which needs {NEEDS[precision]}, and Linux lists neither for the "
            f"processor of this machine, where the sweep is planned; allowed: float32{slow.get(precision, '')}. For "
            "jobs on other machines, plan on one like them."
        )
    if precision == "float16" and (on_cpu or engine == "openvino"):
        gpu = "on a GPU backbone.engine=torch" if engine == "openvino" else "execution.device=cuda"
        return f"received backbone.precision=float16 on a CPU; allowed: float32, bfloat16, or {gpu}."
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
        # The first core; the others repeat it.
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
    cudnn: Callable[[], int | None] = torch.backends.cudnn.version  # it has no annotations
    libraries = {"cuda": torch.version.cuda, "cudnn": cudnn()}
    return {"device": "cuda", "devices": sorted(names), **libraries}


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _compiler() -> str | None:
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, (named,) if named else COMPILERS)), None)


def _version_of(compiler: str) -> str:
    """The first line that a compiler prints about its version."""
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.partition("\n")[0]


def _cuda_visible() -> bool:
    """Whether PyTorch will see a CUDA device, determined without importing it."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = listed is not None and (not listed.strip() or listed.strip().startswith("-"))
    return not hidden and NVIDIA.is_dir() and any(NVIDIA.iterdir())
