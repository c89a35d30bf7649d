"""Where and with what a result was made: recorded with it, never hashed."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from backbench import __version__, paths

LIBRARIES = (
    *("numpy", "scipy", "scikit-learn", "torch", "torchvision", "openvino", "timm", "open_clip_torch", "umap-learn"),
    *("fastcluster", "faiss-cpu", "genieclust", "kneed", "pillow", "opentsne"),
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
    return {"platform": platform.platform(), "machine": platform.machine(), "cpu": _cpu(), "cores": os.cpu_count()}


@cache
def _cpu() -> str:
    if sys.platform == "linux":
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
