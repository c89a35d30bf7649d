"""Cores, memory, precisions and GPU."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from backbench import machine
from backbench.backbones import _engine
from backbench.findings import Finding, fail, ok, warn
from backbench.wording import counted, listed

LEAST_MB, FEW_MB = 2_000, 4_000
DRIVERS = (("/dev/nvidia0", "nvidia-smi"), ("/dev/kfd", "rocm-smi"))
SECONDS = 10
# What each precision needs besides: extras of the package, with what they install.
EXTRAS = {"bfloat16": {"openvino": "openvino"}, "int8": {"openvino": "openvino", "int8": "nncf"}}


def machine_has(_: Sequence[str]) -> Iterator[Finding]:
    """Cores and memory that jobs on this machine may have, and the precisions that its processor computes in."""
    yield ok("cores", f"{machine.cores()} that this process may use")
    memory = machine.memory_mb()
    if memory < LEAST_MB:
        yield fail("memory", f"{memory:,} MB", f"give the container or the session {FEW_MB:,} MB")
    elif memory < FEW_MB:
        yield warn("memory", f"{memory:,} MB", "set dataset.sample=2000, or give the session more memory")
    else:
        yield ok("memory", f"{memory:,} MB")
    yield ok("precision", _precisions())


def _precisions() -> str:
    """What the processor computes in, with the option that asks for what is quicker than float32."""
    quick = [precision for precision in _engine.NEEDS if _engine.native(precision)]
    if not quick:
        needs = ", ".join(f"{precision} by OpenVINO needs {needed}" for precision, needed in _engine.NEEDS.items())
        return f"float32; {needs}, and Linux lists none of them"
    absent = [extra for extra, package in EXTRAS[quick[-1]].items() if not _engine._installed(package)]
    options = f"backbone.engine=openvino backbone.precision={quick[0]}"
    also = f", {quick[1]} more so" if len(quick) > 1 else ""
    extra = f" with the extra {absent[-1]}" if absent else ""
    return f"{listed(['float32', *quick])}: {options} is quicker{also}{extra}"


def gpu(_: Sequence[str]) -> Iterator[Finding]:
    """Whether there is a GPU, whether its driver answers, and whether PyTorch sees it."""
    present = [program for device, program in DRIVERS if Path(device).exists() or shutil.which(program)]
    if not present:
        yield ok("gpu", "none on this machine; everything runs on the CPU")
        return
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        yield ok("gpu", f"{counted(len(names), 'GPU')}: {', '.join(sorted(set(names)))}; PyTorch {torch.__version__}")
        return
    answers, words = _driver(present[0])
    if not answers:
        yield warn("gpu", f"{present[0]}: {words}", "a login node may lack a GPU; elsewhere, install its driver")
    elif torch.version.cuda is None and torch.version.hip is None:
        yield warn("gpu", f"{words}, but PyTorch {torch.__version__} is built without CUDA", "type: make setup")
    else:
        yield warn(
            "gpu",
            f"{words}, but PyTorch {torch.__version__} (CUDA {torch.version.cuda}) does not see it",
            "update the driver, or unset CUDA_VISIBLE_DEVICES",
        )


def _driver(program: str) -> tuple[bool, str]:
    """Whether the driver answers, and the first line of what it says."""
    query = ["--query-gpu=name,driver_version", "--format=csv,noheader"] if program == "nvidia-smi" else []
    try:
        done = subprocess.run([program, *query], capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    words = (done.stdout or done.stderr).strip().splitlines() or ["says nothing"]
    return done.returncode == 0, words[0]
