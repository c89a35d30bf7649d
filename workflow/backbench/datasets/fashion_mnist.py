"""Fashion-MNIST (layer 1): 70,000 grey images of 28 x 28 pixels, ten classes of 7,000.

Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST", arXiv:1708.07747, 2017 (MIT licence). The archives of the mirrors
and of the Debian package differ in their bytes, so the decoded arrays are verified: ``digest`` is over the pixels and
labels of the training part followed by those of the test part.
"""

import functools
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from backbench import hashing
from backbench.datasets import TEST, TRAIN, Collection, Description, Split, _fetch, _idx, _split
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

UNHASHED = ("root",)
NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIDE = 28
PER_CLASS = {TRAIN: 6000, TEST: 1000}
FILES = {TRAIN: "train", TEST: "t10k"}
CACHE = "fashion_mnist"
PACKAGE = "dataset-fashion-mnist"
PACKAGE_FILES = "usr/share/datasets/fashion-mnist"


@dataclass(frozen=True)
class Params:
    """Options. `root` is a folder that holds the four files; `n` and `digest` pin the content of the collection.

    `sample` is the number of images drawn by class and official part (null for all); `seed` is that of the draw and
    of the split.
    """

    root: str | None
    n: int
    digest: str
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split


def describe(params: Params) -> Description:
    """What planning needs, without reading a file."""
    sizes = {(part, label): count for part, count in PER_CLASS.items() for label in range(len(NAMES))}
    if params.n != sum(sizes.values()):
        raise ConfigError(f"dataset(fashion_mnist).n: received {params.n}; the collection has {sum(sizes.values())}.")
    counts = _split.counts(sizes, params.sample, params.split)
    return Description(sum(counts), len(NAMES), params.digest, counts)


def fingerprint(params: Params, progress: Callable[[int, int], None]) -> str:
    """The pinned digest."""
    progress(params.n, params.n)
    return params.digest


def load(params: Params, context: Context) -> Collection:
    """Fetch where needed, decode, verify, draw and split.

    Raises
    ------
    ConfigError
        If no source has the files, or what was found is not the collection that `digest` names.
    """
    import numpy as np

    pixels, labels, place = _verified(params, context.downloads)
    parts = np.repeat([TRAIN, TEST], [PER_CLASS[TRAIN] * len(NAMES), PER_CLASS[TEST] * len(NAMES)]).astype(np.uint8)
    rows, split = _split.sample_and_split(parts, labels, len(labels), params.sample, params.seed, params.split)
    return Collection(
        digest=params.digest,
        split=split,
        labels=labels[rows],
        names=NAMES,
        pixels=pixels[rows],
        info={"source": str(place)},
    )


def _verified(params: Params, downloads: Path) -> tuple["np.ndarray", "np.ndarray", Path]:
    """Pixels and labels from the first source that gives the pinned content."""
    tried: list[str] = []
    for place in _places(params.root, downloads, tried):
        try:
            pixels, labels = _decode(place)
        except _idx.IdxError as error:
            tried.append(str(error))
        else:
            found = content_digest(pixels, labels)
            if found == params.digest:
                return pixels, labels, place
            tried.append(f"{place}: content {hashing.short(found)}, not the pinned {hashing.short(params.digest)}")
        log.warning("%s", tried[-1])
        if params.root is None and place == downloads / CACHE:
            shutil.rmtree(place)
    raise _absent(tried)


def content_digest(pixels: "np.ndarray", labels: "np.ndarray") -> str:
    """Digest of the decoded collection: training part, then test part."""
    return hashing.digest({"pixels": hashing.array_digest(pixels), "labels": hashing.array_digest(labels)})


def _places(root: str | None, downloads: Path, tried: list[str]) -> Iterator[Path]:
    """Folders that hold the four files, the cheapest source first; what has none is noted in `tried`."""
    cache = downloads / CACHE
    if root is not None:
        base = Path(root).expanduser()
        local = [base, base / "FashionMNIST" / "raw", base / "fashion-mnist"]
    else:
        local = [cache, Path("/") / PACKAGE_FILES]
    for place in local:
        if all(_file(place, part, kind) for part in FILES for kind in ("images", "labels")):
            yield place
        else:
            tried.append(f"{place}: not all four files")
    for fill in () if root is not None else _SOURCES:
        try:
            yield _fetch.into(cache, fill)
        except _fetch.FetchError as error:
            log.info("Fashion-MNIST: %s", error)
            tried.append(str(error))


def _file(place: Path, part: int, kind: str) -> Path | None:
    stem = f"{FILES[part]}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
    return next((place / name for name in (f"{stem}.gz", stem) if (place / name).is_file()), None)


def _decode(place: Path) -> tuple["np.ndarray", "np.ndarray"]:
    import numpy as np

    pixels, labels = [], []
    for part, count in PER_CLASS.items():
        n = count * len(NAMES)
        for kind, shape, found in (("images", (n, SIDE, SIDE), pixels), ("labels", (n,), labels)):
            path = _file(place, part, kind)
            if path is None:
                raise _idx.IdxError(f"{place} lacks {FILES[part]}-{kind}-idx*-ubyte[.gz]")
            found.append(_idx.read(path, shape))
    return np.concatenate(pixels), np.concatenate(labels).astype(np.int64)


def _absent(tried: list[str]) -> ConfigError:
    wanted = ", ".join(f"{stem}-images-idx3-ubyte[.gz], {stem}-labels-idx1-ubyte[.gz]" for stem in FILES.values())
    return ConfigError(
        f"Fashion-MNIST was not found. Looked for {wanted}. Tried: {'; '.join(tried)}. "
        f"Put the four files into a folder and give dataset.root=FOLDER, or install the Debian package {PACKAGE}."
    )


_SOURCES = (
    _fetch.torchvision_fashion_mnist,
    functools.partial(_fetch.debian_package, PACKAGE, PACKAGE_FILES),
)
