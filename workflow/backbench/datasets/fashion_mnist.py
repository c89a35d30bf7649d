"""Fashion-MNIST: 70,000 grey images of 28 x 28 pixels, ten classes of 7,000.

Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST", arXiv:1708.07747, 2017 (MIT licence). From torchvision's mirrors or
the Debian package; see ``_mnist_like``.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

from backbench.datasets import TEST, TRAIN, _fetch, _mnist_like

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
        functools.partial(_fetch.torchvision_mnist, "FashionMNIST"),
        functools.partial(_fetch.debian_package, PACKAGE, PACKAGE_FILES),
    ),
    places=(Path("/") / PACKAGE_FILES,),
    hint=f", or install the Debian package {PACKAGE}",
)


@dataclass(frozen=True)
class Params(_mnist_like.Params):
    """Options; see ``_mnist_like``."""


describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
