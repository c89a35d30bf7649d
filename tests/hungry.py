"""A copy of the program with a clusterer that ends its process for some k: by memory, a signal or time."""

import os
import shutil
import sys
from pathlib import Path

from sweeping import collection

from backbench import paths

PLUGIN = '''"""Labels by the row number, and a process that ends where `how` says so, for every k from `from_k`."""

import os
import time
from dataclasses import dataclass
from typing import Literal

AXES = frozenset({"k"})


@dataclass(frozen=True)
class Params:
    how: Literal["memory", "kill", "crash", "time"]
    from_k: int


def problems(params, n, d, k):
    return []


def memory_mb(params, n, d, count):
    return 1.0


def seconds(params, n, d, k, count):
    return 0.01


def prepare(x, members, near):
    return None


def fit(shared, x, task):
    import numpy as np

    if task.k >= task.params.from_k:
        if task.params.how == "memory":
            held = []
            while True:
                held.append(bytearray(os.urandom(1 << 20) * 100))
                time.sleep(0.2)
        if task.params.how == "time":
            time.sleep(600)
        os.kill(os.getpid(), 9 if task.params.how == "kill" else 11)
    return np.arange(len(x)) % task.k, {}
'''
OPTIONS = "# For tests.\nname: hungry\nhow: kill\nfrom_k: 4\n"
GRID = (
    *("experiment=none", "backbone=pixels", "clusterer=hungry,kmeans", "k=2,3,4", "classifier=none", "retrieval=none"),
    *("selection=published", "plots=none"),
)


def checkout(folder: Path) -> Path:
    """The program, its configuration and its workflow in a folder of their own, with the plugin."""
    for name in ("workflow", "conf", "scripts", "profiles"):
        shutil.copytree(paths.CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.CHECKOUT / "Snakefile", folder)
    (folder / "workflow" / "backbench" / "clusterers" / "hungry.py").write_text(PLUGIN)
    (folder / "conf" / "clusterer" / "hungry.yaml").write_text(OPTIONS)
    return folder


def environment(root: Path, **more: str) -> dict[str, str]:
    """The environment of a process that uses that copy, with results of its own."""
    places = {"PYTHONPATH": str(root / "workflow"), "BACKBENCH_RESULTS": str(root / "results"), "PWD": str(root)}
    dropped = ("BACKBENCH_CONF", "BACKBENCH_STORE", "BACKBENCH_PLAN", "BACKBENCH_BATCHES", "MLFLOW_TRACKING_URI")
    return {**{key: value for key, value in os.environ.items() if key not in dropped}, **places, **more}


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from backbench.cli import main; sys.exit(main())", *words]


def grid(root: Path, *more: str) -> list[str]:
    return [*collection(root / "pictures", ("a", "b", "c"), 8), *GRID, *more]
