"""CIFAR-10: 60,000 colour images of 32 x 32 pixels, ten classes of 6,000.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The "python version" (pickles, read
after their MD5 is verified, by an unpickler that accepts only NumPy arrays), or the "binary version".
"""

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench.datasets import TEST, TRAIN, _arrays_known
from backbench.datasets._arrays_known import ArrayCollection
from backbench.datasets._known import Known, Original, verify
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

UNHASHED = ("root", "archive")
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
PER_BATCH = 10_000
# MD5 sums of the files of the python version.
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
BATCHES = {TRAIN: [f"data_batch_{number}" for number in range(1, 6)], TEST: ["test_batch"]}


@dataclass(frozen=True)
class Params(_arrays_known.Params):
    """Options; see ``_arrays_known``."""


def _files(folder: Path) -> Sequence[Path]:
    """The six files of the python version, or else of the binary version."""
    pickled = [folder / name for name in MD5]
    return pickled if pickled[0].is_file() else [folder / f"{name}.bin" for name in MD5]


def _fits(folder: Path) -> bool:
    return all(path.is_file() for path in _files(folder))


def _decode(folder: Path, part: int) -> tuple["np.ndarray", "np.ndarray"]:
    """Pixels (n, 32, 32, 3) uint8 and labels (n,) int64 of one split."""
    import numpy as np

    by_name = {path.stem: path for path in _files(folder)}
    batches = [_batch(by_name[name]) for name in BATCHES[part]]
    pixels, labels = (np.concatenate(kind) for kind in zip(*batches, strict=True))
    return np.ascontiguousarray(pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)), labels.astype(np.int64)


def _batch(path: Path) -> tuple["np.ndarray", "np.ndarray"]:
    """Planes (n, 3072) uint8 and labels (n,) of one file."""
    import numpy as np

    if path.suffix == ".bin":
        data = np.fromfile(path, np.uint8)
        _check_size(path, data.size, PER_BATCH * (1 + 3 * SIDE * SIDE))
        records = data.reshape(PER_BATCH, -1)
        return records[:, 1:], records[:, 0]
    verify(path, MD5[path.name])
    body = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    planes, labels = np.asarray(body["data"], np.uint8), np.asarray(body["labels"], np.uint8)
    _check_size(path, planes.size, PER_BATCH * 3 * SIDE * SIDE)
    return planes, labels


def _check_size(path: Path, actual: int, expected: int) -> None:
    if actual != expected:
        raise ConfigError(f"{path} holds {actual:,} bytes, not {expected:,}.")


class _ArraysOnly(pickle.Unpickler):
    """Reads plain values and NumPy arrays only; their few names are resolved here, not by import."""

    def find_class(self, module: str, name: str) -> Any:
        import numpy as np

        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise pickle.UnpicklingError(f"a CIFAR-10 batch has no {module}.{name}")


def _empty(kind: type, shape: tuple[int, ...], code: object) -> "np.ndarray":
    """An empty array (0,), as from NumPy's own ``_reconstruct``; the state that follows gives shape and bytes."""
    import numpy as np

    if kind is not np.ndarray:
        raise pickle.UnpicklingError("a CIFAR-10 batch has plain arrays only")
    return np.ndarray.__new__(np.ndarray, (0,), np.uint8)


def _latin1(text: str, _: str) -> bytes:
    return text.encode("latin1")


COLLECTION = ArrayCollection(
    known=Known(
        title="CIFAR-10",
        originals=(
            Original(
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                "c58f30108f718f92721af3b95e74349a",
            ),
        ),
        folder="cifar-10-batches-py",
        holds="data_batch_1 to data_batch_5 and test_batch (or the same with .bin)",
        fits=_fits,
    ),
    names=NAMES,
    per_class={TRAIN: 5000, TEST: 1000},
    decode=_decode,
    files=_files,
)
describe, fingerprint, load = COLLECTION.describe, COLLECTION.fingerprint, COLLECTION.load
