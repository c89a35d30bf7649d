"""The environment of the peers: made once, with pinned versions, and apart from that of backbench."""

import os
import subprocess
import sys
from pathlib import Path

from backbench import provenance

INTELEX, FAST = "scikit-learn-intelex==2026.2.0", "fast_hdbscan==0.3.4"
# fast_hdbscan searches with it above 30 columns.
SEARCH = "pynndescent==0.7.0"
# What the peers share with backbench has the version that backbench has.
SHARED = ("numpy", "scipy", "scikit-learn")
LIST = "peers.txt"


def requirements() -> list[str]:
    versions = provenance.versions()
    return [*(f"{name}=={versions[name]}" for name in SHARED), INTELEX, FAST, SEARCH]


def python(folder: Path) -> Path:
    """The interpreter of the environment in a folder, which is made if the peers of today's versions are not there."""
    interpreter, listed = folder / "bin" / "python", folder / LIST
    wanted = "\n".join(requirements())
    if interpreter.exists() and listed.exists() and listed.read_text(encoding="utf-8") == wanted:
        return interpreter
    print(f"installing the peers into {folder}", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], folder)
    _run([str(interpreter), "-m", "pip", "install", "--quiet", *requirements()], folder)
    listed.write_text(wanted, encoding="utf-8")
    return interpreter


def variables() -> dict[str, str]:
    """Of the processes of all sides: nobody's kernels of BLAS are chosen for him, and the peers know no backbench."""
    left_out = {"OPENBLAS_CORETYPE", "PYTHONPATH", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OMP_WAIT_POLICY"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | {"PYTHONWARNINGS": "ignore"}


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables())
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SystemExit(
            f"the peers could not be installed into {folder}: {last}\n"
            f"They come from PyPI: {' '.join(requirements())}. Without a network, give --environment a folder that was "
            f"made where there is one, or try --small, which takes scikit-learn alone."
        )
