"""The images of a dataset, row by row: as they are stored, and as they are passed to a backbone.

Files are read from the folder that was asked for, or from where they are found, and checked against the digest of their
bytes that the dataset stage recorded. An error names the image it concerns.
"""

import contextlib
import copy
import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from backbench import threads
from backbench.datasets import _registry
from backbench.files import make_folder, share
from backbench.images import cache, content, decoding, preparing, reading, scaling
from backbench.images.decoding import Decoded
from backbench.images.policy import Image as Policy
from backbench.stage import Context, Inputs
from backbench.stages import _stored
from backbench.stages._partial import release

MAPPED = 4096
# Rows that one thread prepares at a time.
BLOCK = 64

Opener = Callable[[int, "int | None"], AbstractContextManager[Decoded]]


class Prepared:
    """The images of a dataset, prepared by a policy: (n, size, size, channels) uint8, indexed like an array.

    Pixels that the cache of the policy holds are read from there; the others are computed from the file or the array.

    Parameters
    ----------
    root
        Folder that was asked for; None for the folder where the dataset stage found the files.
    keep
        Whether pixels computed from files go into the cache, for the next backbone with the same policy.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, inputs: Inputs, policy: Policy, root: str | None = None, keep: bool = False):
        self.policy, self._name, self._keys = policy, names(inputs), keys(inputs)
        # Called for the first image that is not cached: cached images need no file.
        self._opener = functools.cache(functools.partial(opener, inputs, root))
        self._same = _as_stored(inputs, policy)
        self._cache = cache.PixelCache(inputs.store.root, policy)
        self._writer = cache.Writer(self._cache) if keep and self._keys is not None else None
        self._rows = np.arange(inputs.info("dataset")["n"])

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self), *self._cache.shape)

    def release(self) -> None:
        """Free the memory of the pages that were read."""
        self._cache.release()
        if self._same is not None:
            release(self._same)

    def close(self) -> None:
        """Finish writing to the cache."""
        if self._writer is not None:
            self._writer.close()

    def take(self, rows: np.ndarray) -> "Prepared":
        """The images of `rows` (m,) alone, in their order."""
        subset = copy.copy(self)
        subset._rows = self._rows[rows]
        return subset

    def __getitem__(self, rows: "int | slice | np.ndarray | list[int]") -> np.ndarray:
        """The images (m, size, size, channels) uint8 of m rows; of a single row, (size, size, channels)."""
        chosen = self._rows[rows]
        if self._same is not None:
            return self._same[chosen]
        if chosen.ndim == 0:
            return self._image(int(chosen))
        pixels = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        missing: list[int] = []
        for place, row in enumerate(chosen.tolist()):
            cached = self._cached(row)
            pixels[place] = self._made(row) if cached is None else cached
            missing += [place] if cached is None else []
        if self._writer is not None and self._keys is not None and missing:
            self._writer.append([self._keys[row].tobytes() for row in chosen[missing]], pixels[missing])
        return pixels

    def on_disk(self, context: Context) -> np.ndarray:
        """All images (n, size, size, channels) as a memory-mapped array in the scratch folder, for many reads."""
        if self._same is not None and len(self._rows) == len(self._same):
            return self._same
        path = context.scratch / "images.npy"
        make_folder(path.parent)
        path.unlink(missing_ok=True)  # it may be another user's
        array = np.lib.format.open_memmap(path, "w+", np.uint8, self.shape)
        blocks = [slice(first, first + BLOCK) for first in range(0, len(self), BLOCK)]
        share(path)
        with threads.beside(context.threads):
            for block, rows in zip(blocks, threads.in_order(self.__getitem__, blocks), strict=True):
                array[block] = rows
        return array

    def _image(self, row: int) -> np.ndarray:
        """The image (size, size, channels) uint8 of a row, from the cache or computed."""
        cached = self._cached(row)
        return self._made(row) if cached is None else cached

    def _cached(self, row: int) -> np.ndarray | None:
        """The image (size, size, channels) uint8 of a row, if the cache holds it."""
        return None if self._keys is None else self._cache.read(self._keys[row].tobytes())

    def _made(self, row: int) -> np.ndarray:
        """The image (size, size, channels) uint8 of a row, computed from its file or array."""
        opened = self._opener()
        with named(self._name(row)), opened(row, scaling.least(self.policy)) as decoded:
            return preparing.resize(decoded, self.policy)


def keys(inputs: Inputs) -> np.ndarray | None:
    """Cache keys (n, 32) uint8 of the pixels of each row: digests of their files; None for arrays of pixels."""
    info = inputs.info("dataset")
    if "files" not in info:
        return None
    digests, bits = inputs.array("dataset", "file_digests"), info.get("bits")
    pairs = zip(digests, info["files"], strict=True)
    joined = b"".join(reading.key_of(digest.tobytes(), bits, name) for digest, name in pairs)
    return np.frombuffer(joined, np.uint8).reshape(-1, cache.KEY_BYTES)


def row_keys(inputs: Inputs) -> np.ndarray:
    """Keys (n, 32) uint8 of the features of each row; for an array, made from its digest and the position in it."""
    of_files = keys(inputs)
    if of_files is not None:
        return of_files
    digest = inputs.info("dataset")["digest"]
    places = (f"{digest}:{row}".encode("ascii") for row in inputs.array("dataset", "rows").tolist())
    joined = b"".join(hashlib.sha256(place).digest() for place in places)
    return np.frombuffer(joined, np.uint8).reshape(-1, cache.KEY_BYTES)


def opener(inputs: Inputs, root: str | None = None) -> Opener:
    """The function that opens the image of a row, given the least shorter side in pixels to decode it at (None: whole).

    Raises
    ------
    ConfigError
        If the folder of the files no longer exists.
    """
    info = inputs.info("dataset")
    if "files" not in info:
        return _of_array(inputs.array("dataset", "pixels", mmap=True))
    place = _registry.locate(info["digest"], info["files"], [Path(root or info["root"]), Path(info["root"])])
    digests = inputs.array("dataset", "file_digests")

    def opened(row: int, least: int | None) -> AbstractContextManager[Decoded]:
        return _file(place, info["files"][row], digests[row].tobytes().hex(), info.get("bits"), least)

    return opened


def names(inputs: Inputs) -> Callable[[int], str]:
    """The function that names the image of a row: by its path within the collection, or by its number."""
    files = inputs.info("dataset").get("files")
    return (lambda row: f"image {row}") if files is None else files.__getitem__


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Turn errors about an image into errors that name it.

    Raises
    ------
    Unreadable
        Instead of any error except OSError and Unreadable.
    """
    try:
        yield
    except (OSError, decoding.Unreadable):
        raise
    except MemoryError as error:
        raise decoding.Unreadable(f"{name}: not enough memory for it; use fewer threads") from error
    except Exception as error:  # Pillow's errors do not say which image they concern
        raise decoding.Unreadable(f"{name}: {type(error).__name__}: {error}") from error


def _as_stored(inputs: Inputs, policy: Policy) -> np.ndarray | None:
    """The pixels of an array (n, size, size, channels) if the policy leaves them as they are."""
    if "pixels" not in _stored.dataset(inputs)["arrays"]:
        return None
    pixels = inputs.array("dataset", "pixels", mmap=True)
    stored = pixels[..., None] if pixels.ndim == 3 else pixels
    wanted = (policy.size, policy.size, cache.CHANNELS[policy.mode])
    return stored if stored.shape[1:] == wanted and policy.shorter in (None, policy.size) else None


def _of_array(pixels: np.ndarray) -> Opener:
    """The opener of images in an array (n, h, w) or (n, h, w, channels) uint8."""
    from PIL import Image

    @contextlib.contextmanager
    def opened(row: int, least: int | None) -> Iterator[Decoded]:
        if row % MAPPED == 0:
            release(pixels)
        yield decoding.of_image(Image.fromarray(pixels[row]))

    return opened


@contextlib.contextmanager
def _file(root: Path, name: str, sha256: str, bits: int | None, least: int | None) -> Iterator[Decoded]:
    path = root / name
    try:
        held = content.read(path)
    except FileNotFoundError:
        raise decoding.Unreadable(f"{path} is missing; restore it, or run again to continue without it") from None
    except decoding.Unreadable as error:
        raise _changed(root, name, f" ({error})") from error
    if held.sha256 != sha256:
        raise _changed(root, name)
    try:
        with decoding.decode_each(held, bits, [least]) as (decoded,):
            yield decoded
    except decoding.Unreadable as error:
        _registry.forget(root)
        raise decoding.Unreadable(f"{path}: {error}; launch again, and it is left out") from error


def _changed(root: Path, name: str, why: str = "") -> decoding.Unreadable:
    _registry.forget(root)  # other files may have changed as well, even if their sizes and times look the same
    return decoding.Unreadable(f"{root / name} has changed since the folder was fingerprinted{why}; launch again")
