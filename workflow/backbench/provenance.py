"""Where and with what a result was made: recorded with it, never hashed."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from backbench import __version__, paths

LIBRARIES = (
    *("numpy", "scipy", "scikit-learn", "torch", "torchvision", "openvino", "timm", "open_clip_torch", "umap-learn"),
    *("fast-plscan", "fastcluster", "faiss-cpu", "genieclust", "kneed", "pillow", "opentsne", "scikit-network"),
    *("scikit-learn-intelex", "daal", "nncf"),
)
# Instruction sets by which numerical libraries choose their kernels, as Linux calls them on x86 and on ARM.
INSTRUCTIONS = (
    *("avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "fphp", "sve", "sve2", "bf16", "i8mm", "svebf16", "sme"),
)


@cache
def versions() -> dict[str, str]:
    """Versions of Python, of backbench and of the libraries that compute."""
    return {"python": platform.python_version(), "backbench": __version__, **installed(LIBRARIES)}


def installed(libraries: Iterable[str]) -> dict[str, str]:
    """Versions of those of `libraries` that are installed."""
    known = {}
    for name in libraries:
        try:
            known[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return known


@cache
def git_commit() -> str | None:
    """Commit of the checkout, ``-dirty`` where files of it were changed; None outside a checkout."""
    command = ["git", "-C", str(paths.CHECKOUT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def machine() -> dict[str, Any]:
    """The machine as far as it may matter to the last bit of a result."""
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpuinfo("model name") or platform.processor() or "unknown",
        "cpu_features": cpu_features(),
        "blas": blas(),
        "cores": os.cpu_count(),
    }


@cache
def blas() -> str:
    """The libraries of linear algebra that numpy and scipy call, by the names of `threadpoolctl`: ``numpy openblas
    0.3.31 Haswell pthreads; scipy openblas 0.3.30 Haswell pthreads``, each with its version, its kernel for this
    processor and its threading layer. Empty where there is none that `threadpoolctl` knows.
    """
    # The library of scipy is loaded with its first module that needs it.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    return "; ".join(sorted(_library(entry) for entry in threadpool_info() if entry["user_api"] == "blas"))


def _library(entry: Mapping[str, Any]) -> str:
    """A library of `threadpool_info` in words, with the package that brought it."""
    folders = Path(entry["filepath"]).parts
    package = next((name.removesuffix(".libs") for name in folders if name.endswith(".libs")), "system")
    words = (entry.get(key) for key in ("internal_api", "version", "architecture", "threading_layer"))
    return " ".join([package, *(str(word) for word in words if word)])


@cache
def cpu_features() -> str:
    """Those of `INSTRUCTIONS` that the processor has, such as ``avx avx2 fma``; empty where the system does not say."""
    has = {*_cpuinfo("flags").split(), *_cpuinfo("Features").split()}
    return " ".join(name for name in INSTRUCTIONS if name in has)


@cache
def _cpuinfo(key: str) -> str:
    """The value of a line of the first processor in Linux's list; empty where there is none."""
    if sys.platform != "linux":
        return ""
    with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
        values = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key)
        return next(values, "")
