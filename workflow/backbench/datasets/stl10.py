"""STL-10: 13,000 labelled colour images of 96 x 96 pixels, ten classes of 1,300.

Source: Coates, Lee and Ng, "An Analysis of Single Layer Networks in Unsupervised Feature Learning", AISTATS 2011. The
official splits have 500 training and 800 test images per class; the 100,000 unlabelled images are not used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.datasets import TEST, TRAIN, _arrays_known
from backbench.datasets._arrays_known import ArrayCollection
from backbench.datasets._known import Known, Original, verify
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

UNHASHED = ("root", "archive")
NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
SIDE = 96
MD5 = {
    "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
    "train_y.bin": "5a34089d4802c674881badbb80307741",
    "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
    "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
}
STEMS = {TRAIN: "train", TEST: "test"}


@dataclass(frozen=True)
class Params(_arrays_known.Params):
    """Options; see ``_arrays_known``."""


def _files(folder: Path) -> Sequence[Path]:
    return [folder / name for name in MD5]


def _fits(folder: Path) -> bool:
    return all(path.is_file() for path in _files(folder))


def _decode(folder: Path, part: int) -> tuple["np.ndarray", "np.ndarray"]:
    """Pixels (n, 96, 96, 3) uint8 and labels (n,) int64 of one split."""
    import numpy as np

    images, numbers = (folder / f"{STEMS[part]}_{kind}.bin" for kind in "Xy")
    for path in (images, numbers):
        verify(path, MD5[path.name])
    labels, planes = np.fromfile(numbers, np.uint8), np.fromfile(images, np.uint8)
    if planes.size != len(labels) * 3 * SIDE * SIDE or not labels.size or labels.min() < 1:
        raise ConfigError(f"{images} holds {planes.size:,} bytes for {len(labels):,} labels.")
    # MATLAB stores images by column.
    pixels = planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 3, 2, 1)
    return np.ascontiguousarray(pixels), labels.astype(np.int64) - 1


COLLECTION = ArrayCollection(
    known=Known(
        title="STL-10",
        originals=(
            Original(
                "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                "91f7769df0f17e558f3565bffb0c7dfb",
            ),
        ),
        folder="stl10_binary",
        holds=", ".join(MD5),
        fits=_fits,
    ),
    names=NAMES,
    per_class={TRAIN: 500, TEST: 800},
    decode=_decode,
    files=_files,
)
describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
