"""MNIST: 70,000 grey images of 28 x 28 pixels of handwritten digits, ten classes.

Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
IEEE 86(11), 1998. From torchvision's mirrors; see ``_mnist_like``.
"""

import functools
from dataclasses import dataclass

from backbench.datasets import TEST, TRAIN, _fetch, _mnist_like

UNHASHED = ("root", "archive")
COLLECTION = _mnist_like.MnistLike(
    stem="mnist",
    title="MNIST",
    folder="MNIST",
    names=tuple("0123456789"),
    sizes={
        TRAIN: (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        TEST: (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    },
    sources=(functools.partial(_fetch.torchvision_mnist, "MNIST"),),
)


@dataclass(frozen=True)
class Params(_mnist_like.Params):
    """Options; see ``_mnist_like``."""


describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
