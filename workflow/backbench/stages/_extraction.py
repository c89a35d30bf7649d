"""Batches of images through an extractor into a partial array.

A row of features must not depend on the other rows. The kernels that a library chooses depend on the shape of a batch,
so all batches of an extraction have the same shape: the last is filled up with black images, whose rows are dropped. If
memory runs out, batches are halved: near the beginning all rows are computed again; later, the rows come from batches
of two shapes, and that is reported.
"""

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from backbench import plugins, threads
from backbench.backbones import _engine
from backbench.backbones._contract import Backbone, Extract
from backbench.backbones._extractor import DeviceLost, OutOfMemory
from backbench.schema import ConfigError
from backbench.stage import Context
from backbench.stages._partial import Partial

log = logging.getLogger(__name__)

# A lane takes a task of about this many images at once, however small its batches: handing over a task takes time.
TASK = 32
RELEASE_BYTES = 1 << 26
# Tasks of each lane that may finish before an earlier one does: on a busy machine some task waits for its core.
AHEAD = 4
SHARE = 4
# If memory runs out within this many batches of each lane, they are computed again.
BEGINNING = 8


class Images(Protocol):
    """Images (n, h, w, c) uint8 that are indexed by slices."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Some of the images, (m, h, w, c) uint8."""

    def release(self) -> None:
        """Free the memory of what was read; it can be read again."""


class NotFinite(ValueError):
    """Features with NaN or infinity, which nothing can be computed from."""


def parameters(module: Backbone[Any], config: Mapping[str, Any]) -> Any:
    """The options of a backbone in a stage's configuration.

    Raises
    ------
    ConfigError
        If its weights are no longer those that it was planned with.
    """
    fields = {field.name: field.default for field in dataclasses.fields(module.Params)}
    options = set(fields)
    absent = [
        key for key in getattr(module, "UNHASHED", ()) if fields.get(key, dataclasses.MISSING) is dataclasses.MISSING
    ]
    values = dict.fromkeys(absent, 0) | {key: config[key] for key in options & set(config)}
    params = plugins.params("backbone", {"name": config["name"], **values})
    for key, value in module.identity(params).items():
        if key not in options and config[key] != value:
            raise ConfigError(f"{config['name']}: {key} is {value}, but {config[key]} was planned; plan again.")
    return params


def batch_of(module: Backbone[Any], params: Any, context: Context) -> int:
    """Images in a batch of the plugin `module`, known before it is opened; the features may depend on it."""
    return context.batch_size or _engine.batch(params, context.device, module.BATCH)


def run(partial: Partial, images: Images, extract: Extract, size: int, context: Context) -> dict[str, Any]:
    """Compute the rows that are missing, in batches of `size` images (see :func:`batch_of`).

    Returns
    -------
    dict
        ``device`` and ``batch_size``, as they were at the end; ``mixed_batches`` is True if the rows, including those
        of an earlier attempt, come from batches of several shapes, and absent otherwise.

    Raises
    ------
    NotFinite, DeviceLost
        What was done until then stays in `partial`. If a single image is too large for the device's memory, the device
        counts as lost.
    """
    work = _Work(partial, images, extract, getattr(extract, "lanes", max(1, context.threads)))
    # An earlier attempt may have had memory for fewer images.
    size = min([size, *partial.sizes])
    # A device has few lanes, but decoding images that are not cached takes all cores.
    with threads.beside(max(work.lanes, context.threads)):
        size = _spent(work, size)
    used = {"device": getattr(extract, "device", "cpu"), "batch_size": size}
    return used | ({"mixed_batches": True} if mixed(partial) else {})


def mixed(partial: Partial) -> bool:
    """Whether the rows of `partial` come from batches of several shapes, and may therefore differ by rounding."""
    return len(partial.sizes) > 1


def _spent(work: "_Work", size: int) -> int:
    """Work until nothing is left; returns the size of the last batches."""
    while True:
        try:
            work.stretch(size)
        except OutOfMemory as error:
            size = _halved(size, error)
            work.begin_again()
        else:
            return size


def _halved(size: int, error: OutOfMemory) -> int:
    if size == 1:
        raise DeviceLost(f"not enough memory for a single image: {error}") from error
    log.warning("not enough memory for %d images at once, continuing with %d (%s)", size, size // 2, error)
    return size // 2


class _Work:
    """The rows of `partial` that are missing, taken in batches of one size."""

    def __init__(self, partial: Partial, images: Images, extract: Extract, lanes: int):
        self.partial, self.images, self.extract, self.lanes = partial, images, extract, lanes
        self.one_shape = getattr(extract, "one_shape", False)

    def stretch(self, size: int) -> None:
        """Compute all missing rows in batches of `size`."""

        def features(task: slice) -> np.ndarray:
            """Features (m, d) of the images of a task."""
            images = self.images[task]
            batches = [self._batch(images[row : row + size], size) for row in range(0, len(images), size)]
            return batches[0] if len(batches) == 1 else np.concatenate(batches)

        for rows in threads.in_order(features, self._tasks(size), AHEAD * self.lanes):
            check(rows, self.partial.done)
            if self.one_shape and size not in self.partial.sizes:
                self.partial.sizes.append(size)
            self.partial.append(rows)

    def begin_again(self) -> None:
        """Drop the rows that come from batches of another shape if they are few."""
        if self.one_shape and self.partial.done <= BEGINNING * self.lanes * max(self.partial.sizes, default=0):
            self.partial.restart()

    def _batch(self, images: np.ndarray, size: int) -> np.ndarray:
        """Features (n, d) of `images` (n, h, w, c), computed in a batch of `size` images."""
        n = len(images)
        if n == size or not self.one_shape:
            return self.extract(images)
        filled = np.zeros((size, *images.shape[1:]), images.dtype)
        filled[:n] = images
        return self.extract(filled)[:n]

    def _tasks(self, size: int) -> Iterator[slice]:
        """Ranges of rows; the thread that computes the features of a range also reads or decodes its images."""
        row, held, each = self.partial.done, 0, int(np.prod(self.images.shape[1:]))
        while row < len(self.images):
            # Smaller towards the end, so that no lane works long while the others are idle.
            task = min(TASK, (len(self.images) - row) // (SHARE * self.lanes))
            stop = min(row + size * max(1, task // size), len(self.images))
            yield slice(row, stop)
            held += (stop - row) * each
            row = stop
            if held > RELEASE_BYTES:
                self.images.release()
                held = 0


def check(rows: np.ndarray, first: int) -> None:
    """Raise :class:`NotFinite` if `rows` (n, d) hold NaN or infinity; `first` is the number of the first image."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise NotFinite(f"the features of image {first + int(np.argmin(finite))} are not finite")
