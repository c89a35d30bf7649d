"""What the machine of a GPU is, and its ceilings: copies and matrix products, which explain the other times."""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

PEERS = ("faiss", "cuml", "flashlib", "torchvision", "PIL", "triton", "scipy", "sklearn", "pandas")
# Bytes of a copy and side of a matrix product, by the size of the run.
COPIES = {"full": 1 << 30, "small": 1 << 22, "tiny": 1 << 18}
SIDES = {"full": 8192, "small": 256, "tiny": 64}
ROUNDS = 5


def measure(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One record of names and versions, then one for each ceiling."""
    yield {"about": about(asked["device"])}
    for name, unit, amount, work in _ceilings(asked["device"], COPIES[asked["size"]], SIDES[asked["size"]]):
        rounds = [amount / seconds for seconds in timed(work, asked["device"])]
        yield {"ceiling": name, "unit": unit, "rounds": rounds}


def about(device: str) -> dict[str, Any]:
    """Names, versions and memory."""
    import importlib.util

    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {
        "device": "the CPU (a trial)",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(memory, 1),
        "packages": {name: _version(name) for name in PEERS if importlib.util.find_spec(name)},
        "absent": [name for name in PEERS if not importlib.util.find_spec(name)],
        "compiler": Path(compiler(device) or "none").name,
        "lacking": lacking(device),
    }
    if device != "cpu":
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "device": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "device_memory_gib": round(properties.total_memory / 2**30, 1),
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _driver(),
        }
    return found


def compiler(device: str) -> str | None:
    """Where the compiler is that compiled networks need: of C for Triton, of C++ on a CPU."""
    variable, names = ("CXX", ("g++", "clang++")) if device == "cpu" else ("CC", ("gcc", "clang"))
    places = (shutil.which(name) for name in ([os.environ[variable]] if variable in os.environ else names))
    return next((place for place in places if place), None)


def lacking(device: str) -> str:
    """What a compiled network needs and this machine lacks, in words; empty if there is all of it."""
    import importlib.util

    if device != "cpu" and not importlib.util.find_spec("triton"):
        return "no Triton"
    command, language = compiler(device), "c++" if device == "cpu" else "c"
    if not command:
        return f"no {language.upper()} compiler"
    scheme = sysconfig.get_default_scheme().replace("posix_local", "posix_prefix")
    headers = f"-I{sysconfig.get_paths(scheme=scheme)['include']}"
    words = [command, "-x", language, "-fsyntax-only", headers, "-"]
    tried = subprocess.run(words, input="#include <Python.h>\n", text=True, capture_output=True, check=False)
    return "no Python headers" if tried.returncode else ""


def timed(work: Callable[[], object], device: str, rounds: int = ROUNDS) -> list[float]:
    """Seconds of each round, after one that does not count; the device is waited for before and after each."""
    seconds = []
    for _ in range(rounds + 1):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def wait(device: str) -> None:
    """Wait for what the device has been given to do."""
    if device not in ("cpu", "torch"):
        import torch

        torch.cuda.synchronize()


def _ceilings(device: str, size: int, side: int) -> Iterator[tuple[str, str, float, Callable[[], object]]]:
    """Name, unit, how much of it a call does, and the call."""
    import torch

    pageable = torch.randint(0, 255, (size,), dtype=torch.uint8)
    staged = torch.empty(size, dtype=torch.uint8, pin_memory=device != "cpu")
    there, other = pageable.to(device), pageable.to(device)
    copies = {
        "host memory to page-locked memory, one thread": lambda: np.copyto(staged.numpy(), pageable.numpy()),
        "page-locked memory to the device": lambda: there.copy_(staged, non_blocking=True),
        "pageable memory to the device": lambda: there.copy_(pageable),
        "the device to page-locked memory": lambda: staged.copy_(there, non_blocking=True),
        "device to device, read and written": lambda: other.copy_(there),
    }
    for name, work in copies.items():
        yield name, "GB/s", (2 if "written" in name else 1) * size / 1e9, work
    for kind in ("float64", "float32", "bfloat16", "float16"):
        edge = side // 2 if kind == "float64" else side
        left, right = (torch.randn(edge, edge, device=device).to(getattr(torch, kind)) for _ in range(2))
        yield f"matrix product, {kind}, side {edge}", "TFLOP/s", 2 * edge**3 / 1e12, lambda a=left, b=right: a @ b


def _version(name: str) -> str:
    import importlib.metadata

    known = {"PIL": "pillow", "sklearn": "scikit-learn"}
    try:
        return importlib.metadata.version(known.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _driver() -> str:
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").split()
        return next(word for word in words if word[:1].isdigit() and "." in word)
    except (OSError, StopIteration):
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    except (OSError, StopIteration):
        return platform.machine()
