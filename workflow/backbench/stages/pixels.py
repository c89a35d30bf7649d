"""The images of a dataset, row by row: as they are stored, and as a backbone is given them (layer 2).

Files are read in the folder that was asked for, or where they are found, and checked against the digest of their bytes
that the dataset stage recorded. An error says which image it is of.
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
from backbench.images import cache, content, decoding, preparing, reading, scaling
from backbench.images.decoding import Decoded
from backbench.images.policy import Image as Policy
from backbench.stage import Context, Inputs
from backbench.stages._partial import release

MAPPED = 4096
# Rows that one thread prepares at a time.
BLOCK = 64

Opener = Callable[[int, "int | None"], AbstractContextManager[Decoded]]


class Prepared:
    """The images of a dataset as a policy makes them, (n, size, size, channels) uint8, indexed as an array is.

    Pixels that the cache of the policy holds are read from there; the others are made from the file or the array.

    Parameters
    ----------
    root
        Folder that was asked for; None: where the dataset stage found it.
    keep
        Whether pixels that are made of files go into the cache, for the next backbone of the same policy.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, inputs: Inputs, policy: Policy, root: str | None = None, keep: bool = False):
        self.policy, self._name, self._keys = policy, names(inputs), keys(inputs)
        # Opened when the first image is: what the cache holds needs no file.
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
        """Give back the memory of the pages that were read."""
        self._cache.release()
        if self._same is not None:
            release(self._same)

    def close(self) -> None:
        """End writing to the cache."""
        if self._writer is not None:
            self._writer.close()

    def take(self, rows: np.ndarray) -> "Prepared":
        """Those of some rows alone, in their order."""
        part = copy.copy(self)
        part._rows = self._rows[rows]
        return part

    def __getitem__(self, rows: "int | slice | np.ndarray | list[int]") -> np.ndarray:
        chosen = self._rows[rows]
        if self._same is not None:
            return self._same[chosen]
        if chosen.ndim == 0:
            return self._one(int(chosen))
        pixels, missing = np.empty((len(chosen), *self.shape[1:]), np.uint8), []
        for place, row in enumerate(chosen.tolist()):
            cached = self._cached(row)
            pixels[place] = self._made(row) if cached is None else cached
            missing += [place] if cached is None else []
        if self._writer is not None and missing:
            self._writer.append([self._keys[row].tobytes() for row in chosen[missing]], pixels[missing])
        return pixels

    def on_disk(self, context: Context) -> np.ndarray:
        """All of them as a memory-mapped array in the scratch folder, for who goes through them many times."""
        if self._same is not None and len(self._rows) == len(self._same):
            return self._same
        path = context.scratch / "images.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(path, "w+", np.uint8, self.shape)
        blocks = [slice(first, first + BLOCK) for first in range(0, len(self), BLOCK)]
        with threads.beside(context.threads):
            for block, rows in zip(blocks, threads.in_order(self.__getitem__, blocks), strict=True):
                array[block] = rows
        return array

    def _one(self, row: int) -> np.ndarray:
        cached = self._cached(row)
        return self._made(row) if cached is None else cached

    def _cached(self, row: int) -> np.ndarray | None:
        return None if self._keys is None else self._cache.read(self._keys[row].tobytes())

    def _made(self, row: int) -> np.ndarray:
        opened = self._opener()
        with named(self._name(row)), opened(row, scaling.least(self.policy)) as decoded:
            return preparing.resize(decoded, self.policy)


def keys(inputs: Inputs) -> np.ndarray | None:
    """What the pixels of each row are known by, (n, 32) uint8: digests of their files; None for arrays of pixels."""
    info = inputs.info("dataset")
    if "files" not in info:
        return None
    digests, bits = inputs.array("dataset", "file_digests"), info.get("bits")
    pairs = zip(digests, info["files"], strict=True)
    joined = b"".join(reading.key_of(digest.tobytes(), bits, name) for digest, name in pairs)
    return np.frombuffer(joined, np.uint8).reshape(-1, cache.KEY_BYTES)


def row_keys(inputs: Inputs) -> np.ndarray:
    """What the features of each row are known by, (n, 32) uint8: of an array, its digest and the place in it."""
    of_files = keys(inputs)
    if of_files is not None:
        return of_files
    digest = inputs.info("dataset")["digest"]
    places = (f"{digest}:{row}".encode("ascii") for row in inputs.array("dataset", "rows").tolist())
    joined = b"".join(hashlib.sha256(place).digest() for place in places)
    return np.frombuffer(joined, np.uint8).reshape(-1, cache.KEY_BYTES)


def opener(inputs: Inputs, root: str | None = None) -> Opener:
    """The function that opens the image of a row at a scale that leaves a shorter side of so many pixels (None: whole).

    Raises
    ------
    ConfigError
        If the folder of the files is gone.
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
    """What the image of a row is called: its path within the collection, or its number."""
    files = inputs.info("dataset").get("files")
    return (lambda row: f"image {row}") if files is None else files.__getitem__


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Whatever happens to an image as an error that names it.

    Raises
    ------
    Unreadable
        In place of any error but those of the system and those that are Unreadable already.
    """
    try:
        yield
    except (OSError, decoding.Unreadable):
        raise
    except MemoryError as error:
        raise decoding.Unreadable(f"{name}: not enough memory for it; use fewer threads") from error
    except Exception as error:  # Pillow's errors for one image would leave no trace of which it was
        raise decoding.Unreadable(f"{name}: {type(error).__name__}: {error}") from error


def _as_stored(inputs: Inputs, policy: Policy) -> np.ndarray | None:
    """The pixels of an array (n, size, size, channels) where the policy leaves them as they are."""
    if "pixels" not in inputs.store.read(*inputs.refs["dataset"])["arrays"]:
        return None
    pixels = inputs.array("dataset", "pixels", mmap=True)
    stored = pixels[..., None] if pixels.ndim == 3 else pixels
    wanted = (policy.size, policy.size, cache.CHANNELS[policy.mode])
    return stored if stored.shape[1:] == wanted and policy.shorter in (None, policy.size) else None


def _of_array(pixels: np.ndarray) -> Opener:
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
        raise decoding.Unreadable(f"{path} is gone; put it back, or launch again to go on without it") from None
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
    _registry.forget(root)  # what it looks like from outside may be as before, and so may the others
    return decoding.Unreadable(f"{root / name} has changed since the folder was fingerprinted{why}; launch again")
