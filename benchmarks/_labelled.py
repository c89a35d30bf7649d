"""Labelled collections of images that can be had offline, and their features, kept as .npy files in a folder.

Each has a group: subsets of the same images share it, and are no independent evidence.

    caltech101      subsets of the 50 folders in BACKBENCH_ASSETS, 3 to 25 classes, of equal and of unequal size
    photographs     the 30 photographs of AutoImageClassifier's repository, in BACKBENCH_ASSETS
    fashion_mnist   subsets of Fashion-MNIST
    digits          the 8 x 8 digits that come with scikit-learn
    folders         any folder with a sub-folder for each class, given by --folders
"""

import functools
import io
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _features
import numpy as np

from backbench import paths, plugins
from backbench.images import decoding, preparing, scaling
from backbench.images.policy import Image as Policy
from backbench.stage import Context

SEED = 0
# Images of a class that are kept of the larger collections, and of a subset in all.
OF_A_CLASS, IN_ALL = 24, 300
BATCH = 32
ENDINGS = {".jpg", ".jpeg", ".png"}
# Representations: a backbone and what is changed of its images. A judge that makes no candidates is given the images as
# the sweep's own network is.
WHOLE = {"size": 224, "resize": "crop", "shorter": 256}
SMALL = {"size": 96, "resize": "squash", "shorter": None}
REPRESENTATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "pixels": ("pixels", {}),
    "lite0": ("efficientnet_lite0", {}),
    "lite0_96": ("efficientnet_lite0", SMALL),
    "lite2": ("efficientnet_lite2", WHOLE),
    "lite2_96": ("efficientnet_lite2", SMALL),
}


@dataclass(frozen=True)
class Images:
    """All images of a group: `open` gives the picture of a row; `classes` (images,) are names of folders."""

    group: str
    open: Callable[[int], Any]
    classes: np.ndarray


@dataclass(frozen=True)
class Collection:
    """A labelled subset: features (rows, columns) of each representation, and the true class of each row (rows,)."""

    name: str
    group: str
    features: dict[str, np.ndarray]
    truth: np.ndarray

    @property
    def classes(self) -> int:
        return len(np.unique(self.truth))


def groups(folders: Sequence[Path]) -> dict[str, Callable[[], Images]]:
    """What can be had, by name; assets are looked for in BACKBENCH_ASSETS."""
    have: dict[str, Callable[[], Images]] = {}
    assets = os.environ.get("BACKBENCH_ASSETS")
    if assets:
        data = Path(assets) / "data"
        have["caltech101"] = lambda: _tar(data / "caltech101_51.tar")
        have["photographs"] = lambda: _photographs(data / "autoimageclassifier_golden")
    have["fashion_mnist"] = _fashion
    have["digits"] = _digits
    for folder in folders:
        have[folder.name] = lambda folder=folder: _folder(folder)
    return have


def features(images: Images, work: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features (images, columns) by representation and classes (images,), made at the first call."""
    path = work / "choosing" / f"{images.group}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **_extracted(images))
    with np.load(path) as stored:
        return dict(stored), images.classes


def _extracted(images: Images) -> dict[str, np.ndarray]:
    """Features (images, columns) float32 of all representations; each image is decoded once."""
    opened = {name: _opened(name) for name in REPRESENTATIONS}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in REPRESENTATIONS}
    for start in range(0, len(images.classes), BATCH):
        pictures = [images.open(row) for row in range(start, min(start + BATCH, len(images.classes)))]
        for name, (policy, extract) in opened.items():
            parts[name].append(extract(np.stack([preparing.resize(picture, policy) for picture in pictures])))
        print(f"{images.group}: {start + len(pictures)} of {len(images.classes)} images", flush=True)
    return {name: np.concatenate(part) for name, part in parts.items()}


@functools.cache
def _opened(name: str) -> tuple[Policy, Callable[[np.ndarray], np.ndarray]]:
    """How a representation wants its images, and its function from these to features."""
    backbone, changed = REPRESENTATIONS[name]
    values = _features.conf("backbone", backbone)
    values["image"] = {**values["image"], **changed}
    module, params = plugins.load("backbone", backbone), plugins.params("backbone", values)
    params = module.resolve(params, "cpu") if hasattr(module, "resolve") else params
    return params.image, module.open(params, Context(threads=_features.CORES))


# ------------------------------------------------------------------------------------------------ where they are


def _few(classes: Sequence[str]) -> list[int]:
    """Rows of a fixed sample of each class of all (images,)."""
    names, rng, rows = np.array(classes), np.random.default_rng(SEED), []
    for name in np.unique(names):
        members = np.flatnonzero(names == name)
        rows += sorted(rng.permutation(members)[: _most(len(np.unique(names)))].tolist())
    return rows


def _most(classes: int) -> int:
    """Images of each of some classes: of few classes more than of many."""
    return max(OF_A_CLASS, IN_ALL // 4 // classes)


def _tar(path: Path) -> Images:
    archive = tarfile.open(path)  # noqa: SIM115
    members = [member for member in archive.getmembers() if Path(member.name).suffix.lower() in ENDINGS]
    members = sorted((m for m in members if "BACKGROUND" not in m.name), key=lambda member: member.name)
    classes = [Path(member.name).parent.name for member in members]
    kept = _few(classes)

    def open_member(row: int) -> Any:
        from PIL import Image

        return Image.open(io.BytesIO(archive.extractfile(members[kept[row]]).read())).convert("RGB")

    return Images("caltech101", open_member, np.array([classes[row] for row in kept]))


def _files(group: str, files: Sequence[Path], classes: Sequence[str]) -> Images:
    def open_file(row: int) -> Any:
        return decoding.decode(files[row], least=scaling.AUDIT)

    return Images(group, open_file, np.array(classes))


def _folder(root: Path) -> Images:
    files = sorted(path for path in root.glob("*/*") if path.suffix.lower() in ENDINGS)
    kept = _few([path.parent.name for path in files])
    return _files(root.name, [files[row] for row in kept], [files[row].parent.name for row in kept])


def _photographs(root: Path) -> Images:
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS and "splits" in path.parts)
    return _files("photographs", files, [path.parent.name for path in files])


def _fashion() -> Images:
    from PIL import Image

    split = {"source": "random", "validation": 0.2, "test": 0.2}
    values = {**_features.conf("dataset", "fashion_mnist"), "sample": 400, "split": split}
    module = plugins.load("dataset", "fashion_mnist")
    loaded = module.load(plugins.params("dataset", values), Context(downloads=paths.downloads()))
    pixels = loaded.pixels.reshape(len(loaded.labels), 28, 28)
    return Images("fashion_mnist", lambda row: Image.fromarray(pixels[row]), loaded.labels.astype(str))


def _digits() -> Images:
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    kept = _few(data.target.astype(str).tolist())
    pixels = np.minimum(data.images * 16, 255).astype(np.uint8)
    return Images("digits", lambda row: Image.fromarray(pixels[kept[row]]), data.target[kept].astype(str))


# ------------------------------------------------------------------------------------------------ subsets


def subsets(images: Images, work: Path) -> list[Collection]:
    """Subsets of a group, by its number of classes: the whole, or several draws of 2 to 25 classes."""
    made, classes = features(images, work)
    names = np.unique(classes)
    counts = {50: (3, 5, 10, 15, 25), 10: (3, 6, 10)}.get(len(names), (len(names),))
    collections = []
    for draw, count in enumerate(count for count in counts for _ in range(2 if len(counts) > 3 else 1)):
        rng = np.random.default_rng([SEED, draw, count])
        rows = _drawn(classes, rng.choice(names, count, replace=False), rng, equal=draw % 2 == 0)
        part = {name: np.ascontiguousarray(x[rows]) for name, x in made.items()}
        kind = "equal" if draw % 2 == 0 else "unequal"
        truth = np.unique(classes[rows], return_inverse=True)[1]
        collections.append(Collection(f"{images.group} {count} {kind} ({draw})", images.group, part, truth))
    return collections


def _drawn(classes: np.ndarray, names: np.ndarray, rng: np.random.Generator, equal: bool) -> np.ndarray:
    """Rows (rows,) of the classes `names`: equally many of each, or between a fifth and all of them."""
    most = min(_most(len(names)), IN_ALL // len(names))
    rows = []
    for name in names:
        members = rng.permutation(np.flatnonzero(classes == name))
        rows.append(members[: most if equal else max(6, int(most * rng.uniform(0.2, 1.0)))])
    return np.sort(np.concatenate(rows))
