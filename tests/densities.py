"""Rows in clumps, and clusterers fitted on them as a shard."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import yaml

from backbench import clusterers, paths, plugins, threads
from backbench.metrics import labels
from backbench.metrics.near import Near


def conf(name: str) -> dict[str, Any]:
    """The plugin's YAML."""
    return yaml.safe_load((Path(paths.conf()) / "clusterer" / f"{name}.yaml").read_text())


def options(name: str, **changed: Any) -> Any:
    """The options in the plugin's YAML, some of them changed."""
    return plugins.params("clusterer", conf(name) | changed)


def blobs(seed: int = 0, n: int = 150, d: int = 4, k: int = 4, spread: float = 2.5) -> np.ndarray:
    """Rows around `k` centres."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + spread * rng.normal(size=(k, d))[rng.integers(0, k, n)]).astype(np.float32)


def fit(module: ModuleType, x: np.ndarray, tasks: list[clusterers.Task], near: Near | None = None, count: int = 1):
    """Labels and information of all tasks, fitted as a shard."""
    with threads.one_core_each(count):
        shared = module.prepare(x, tasks, near or Near(x))
        return [module.fit(shared, x, task) for task in tasks]


def one(module: ModuleType, x: np.ndarray, params: Any, **axes: int):
    """Labels and information of one member."""
    return fit(module, x, [clusterers.Task(params, **axes)])[0]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two labelings are equal but for the names of the clusters."""
    return np.array_equal(labels.canonical(one), labels.canonical(other))
