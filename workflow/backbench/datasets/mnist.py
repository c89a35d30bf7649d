"""MNIST: 70,000 grey images of 28 x 28 pixels of handwritten digits, ten classes.

Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
IEEE 86(11), 1998. From torchvision's mirrors; see ``_mnist_like``.
"""

import functools
from dataclasses import dataclass

from backbench.datasets import TEST, TRAIN, _download, _mnist_like

UNHASHED = ("root", "archive")
# As in torchvision's class, which a test compares; importing torchvision takes seconds.
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
SUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
COLLECTION = _mnist_like.MnistLike(
    stem="mnist",
    title="MNIST",
    folder="MNIST",
    names=tuple("0123456789"),
    sizes={
        TRAIN: (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        TEST: (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    },
    sources=(functools.partial(_download.mirrored, MIRRORS, SUMS),),
)


@dataclass(frozen=True)
class Params(_mnist_like.Params):
    """Options; see ``_mnist_like``."""


describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
