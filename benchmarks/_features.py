"""Real features for the benchmarks of the sweep engine, made once and kept as .npy files in a folder.

``narrow``  Fashion-MNIST, 8,000 images: pixels, 50 principal components
``wide``    Fashion-MNIST, 10,000 images: EfficientNet-Lite0 at 96 pixels, 1,280 embeddings
``digits``  the 1,797 digits of 8 x 8 pixels that come with scikit-learn: for trials, nothing is fetched
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from backbench import paths, plugins
from backbench.stage import Context, Inputs, Member
from backbench.store import Store

SHAPES = {"narrow": 8_000, "wide": 10_000, "digits": 1_797}
TITLES = {
    "narrow": "Fashion-MNIST pixels, PCA",
    "wide": "Fashion-MNIST, EfficientNet-Lite0 embeddings (96 pixels)",
    "digits": "scikit-learn's digits",
}
WHOLE = 70_000
CORES = len(os.sched_getaffinity(0))
# Of the jitter, in standard deviations of a column.
JITTER = 0.1


@dataclass(frozen=True)
class Data:
    """Rows (n, d) float32, their classes (n,) int64, and the split (n,) uint8: 0, 1, 2 train, validation, test."""

    x: np.ndarray
    truth: np.ndarray
    split: np.ndarray

    def first(self, n: int | None) -> "Data":
        """The first `n` rows; they come in no order."""
        return self if n is None else Data(self.x[:n].copy(), self.truth[:n], self.split[:n])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in vars(self).items():
            np.save(folder / f"{name}.npy", array)


def load(folder: Path) -> Data:
    """What `Data.save` has written."""
    return Data(*(np.load(folder / f"{name}.npy") for name in ("x", "truth", "split")))


def work_folder(given: Path | None) -> Path:
    """Where features are kept between launches."""
    return given or Path(tempfile.gettempdir()) / "backbench-benchmarks"


def conf(kind: str, name: str) -> dict[str, Any]:
    """The options of a plugin as they are written in its YAML."""
    return yaml.safe_load((paths.conf() / kind / f"{name}.yaml").read_text(encoding="utf-8"))


def shape(name: str, work: Path) -> Data:
    """The features of a shape, made at the first call."""
    folder = work / name
    if not (folder / "split.npy").exists():
        {"narrow": _narrow, "wide": _wide, "digits": _digits}[name](folder)
    return load(folder)


def components(d: int, work: Path) -> Path:
    """Folder with all 70,000 images of Fashion-MNIST as `d` principal components of their pixels."""
    folder = work / f"pca{d}"
    if not (folder / "split.npy").exists():
        pixels, truth, split = _fashion(None)
        _mixed(_reduced(pixels, d), truth, split).save(folder)
    return folder


def grown(folder: Path, n: int) -> Data:
    """`n` rows of the features in `folder`; more than there are: all of them again and again, with jitter."""
    base = load(folder)
    if n <= len(base.x):
        return base.first(n)
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.arange(len(base.x)), rng.integers(0, len(base.x), n - len(base.x))])
    x = base.x[rows]
    width = (JITTER * base.x.std(axis=0)).astype(np.float32)
    for start in range(len(base.x), n, 1 << 16):
        part = x[start : start + (1 << 16)]
        part += width * rng.standard_normal(part.shape, dtype=np.float32)
    return Data(x, base.truth[rows], base.split[rows])


def _fashion(sample: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (n, 784) float32 in [0, 1], classes, and a random split of 60, 20 and 20 %."""
    collection = plugins.load("dataset", "fashion_mnist").load(
        plugins.params("dataset", _dataset(sample)), Context(downloads=paths.downloads())
    )
    pixels = collection.pixels.reshape(len(collection.split), -1).astype(np.float32) / np.float32(255)
    return pixels, collection.labels, collection.split


def _dataset(sample: int | None) -> dict[str, Any]:
    split = {"source": "random", "validation": 0.2, "test": 0.2}
    return {**conf("dataset", "fashion_mnist"), "sample": sample, "split": split}


def _reduced(x: np.ndarray, d: int) -> np.ndarray:
    params = plugins.params("transform", {**conf("transform", "pca"), "n_components": d})
    return plugins.load("transform", "pca").fit_transform(params, x, x)


def _mixed(x: np.ndarray, truth: np.ndarray, split: np.ndarray) -> Data:
    order = np.random.default_rng(0).permutation(len(x))
    return Data(np.ascontiguousarray(x[order], np.float32), truth[order].astype(np.int64), split[order])


def _narrow(folder: Path) -> None:
    pixels, truth, split = _fashion(SHAPES["narrow"])
    _mixed(_reduced(pixels, 50), truth, split).save(folder)


def _digits(folder: Path) -> None:
    from sklearn.datasets import load_digits

    x, truth = load_digits(return_X_y=True)
    split = np.random.default_rng(0).choice([0, 1, 2], len(x), p=[0.6, 0.2, 0.2]).astype(np.uint8)
    _mixed(x, truth, split).save(folder)


def _wide(folder: Path) -> None:
    """Through the stages dataset and features, as a sweep does it."""
    from backbench.stages import dataset, features

    store, refs = Store(folder / "store"), {}
    context = Context(threads=CORES, scratch=folder / "scratch", downloads=paths.downloads())
    stages = {"dataset": (dataset, _dataset(SHAPES["wide"])), "features": (features, _network())}
    for kind, (module, config) in stages.items():
        key = kind[0] * 64
        for outcome in module.compute([Member(key, config)], Inputs(store, refs), context):
            store.write(kind, key, {"config": config, "info": dict(outcome.info)}, outcome.arrays)
        refs[kind] = (kind, key)
    stored = Inputs(store, refs)
    labels, split = (stored.array("dataset", name) for name in ("labels", "split"))
    _mixed(stored.array("features", "features"), labels, split).save(folder)
    shutil.rmtree(store.root)


def _network() -> dict[str, Any]:
    """Configuration of the features."""
    values = conf("backbone", "efficientnet_lite0")
    module = plugins.load("backbone", "efficientnet_lite0")
    params = module.resolve(plugins.params("backbone", values), "cpu")
    return {"name": values["name"], **vars(params), "image": vars(params.image), **module.identity(params)}
