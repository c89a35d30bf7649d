"""Fashion-MNIST (layer 1): 70,000 grey images of 28 x 28 pixels, ten classes of 7,000.

Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST", arXiv:1708.07747, 2017 (MIT licence). From torchvision's mirrors or
the Debian package; see ``_mnist_like``.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

from backbench.datasets import TEST, TRAIN, Collection, Description, Reading, _fetch, _mnist_like
from backbench.stage import Context

UNHASHED = ("root", "archive")
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
PACKAGE = "dataset-fashion-mnist"
PACKAGE_FILES = "usr/share/datasets/fashion-mnist"
COLLECTION = _mnist_like.MnistLike(
    stem="fashion_mnist",
    title="Fashion-MNIST",
    folder="FashionMNIST",
    names=NAMES,
    sizes={TRAIN: (6000,) * 10, TEST: (1000,) * 10},
    sources=(
        _fetch.torchvision_fashion_mnist,
        functools.partial(_fetch.debian_package, PACKAGE, PACKAGE_FILES),
    ),
    places=(Path("/") / PACKAGE_FILES,),
    hint=f", or install the Debian package {PACKAGE}",
)


@dataclass(frozen=True)
class Params(_mnist_like.Params):
    """Options; see ``_mnist_like``."""


def describe(params: Params) -> Description:
    """What planning needs, without reading a file."""
    return COLLECTION.describe(params)


def fingerprint(params: Params, reading: Reading) -> str:
    """The pinned digest."""
    reading.progress(params.n, params.n)
    return params.digest


def load(params: Params, context: Context) -> Collection:
    """Fetch where needed, decode, verify against the digest, draw and split."""
    return COLLECTION.load(params, context.downloads)
