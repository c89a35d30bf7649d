"""Fashion-MNIST: 70,000 grey images of 28 x 28 pixels, ten classes of 7,000.

Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST", arXiv:1708.07747, 2017 (MIT licence). From torchvision's mirrors or
the Debian package; see ``_mnist_like``.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

from backbench.datasets import TEST, TRAIN, _download, _fetch, _mnist_like

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
# As in torchvision's class, which a test compares; importing torchvision takes seconds.
MIRRORS = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
SUMS = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
PACKAGE = "dataset-fashion-mnist"
PACKAGE_FILES = "usr/share/datasets/fashion-mnist"
COLLECTION = _mnist_like.MnistLike(
    stem="fashion_mnist",
    title="Fashion-MNIST",
    folder="FashionMNIST",
    names=NAMES,
    sizes={TRAIN: (6000,) * 10, TEST: (1000,) * 10},
    sources=(
        functools.partial(_download.mirrored, MIRRORS, SUMS),
        functools.partial(_fetch.debian_package, PACKAGE, PACKAGE_FILES),
    ),
    places=(Path("/") / PACKAGE_FILES,),
    hint=f", or install the Debian package {PACKAGE}",
)


@dataclass(frozen=True)
class Params(_mnist_like.Params):
    """Options; see ``_mnist_like``."""


describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
