"""Batches of images through an extractor into a partial array (layer 2).

On a device the size of a batch is found on the way: it doubles from the plugin's own while images per second grow by
more than 5 %, and what was computed meanwhile counts. Wherever memory runs out, it is halved and the work goes on.
"""

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from backbench import threads
from backbench.backbones._engine import DeviceLost, OutOfMemory
from backbench.stage import Context
from backbench.stages._partial import Partial, release

log = logging.getLogger(__name__)

Extract = Callable[[np.ndarray], np.ndarray]
GROWTH, LARGEST = 1.05, 2048
# Rounds of all lanes at one size: the first warms up, the others are timed.
ROUNDS = 4
RELEASE_BYTES = 1 << 26
# Tasks that may be done before an earlier one is, for each lane: on a busy machine one of them waits for its core.
AHEAD = 4
SHARE = 4


class NotFinite(ValueError):
    """Features that nothing can be computed from."""


def run(partial: Partial, images: np.ndarray, extract: Extract, batch: int, context: Context) -> Mapping[str, Any]:
    """Compute the rows that are missing; returns the device and the size of batch that were used.

    Parameters
    ----------
    batch
        The plugin's size of a batch, where `context` has none; an extractor may want fewer.

    Raises
    ------
    NotFinite, DeviceLost
        What was done until then stays in `partial`. One image that is too much for the device's memory counts as a
        lost device.
    """
    lanes = getattr(extract, "lanes", max(1, context.threads))
    searches = getattr(extract, "searches", False) and context.batch_size is None
    size = context.batch_size or min(batch, getattr(extract, "batch", None) or batch)
    work = _Work(partial, images, extract, lanes, batch)
    with threads.beside(lanes):
        size = _spent(work, size, searches)
    return {"device": getattr(extract, "device", "cpu"), "batch_size": size}


def _spent(work: "_Work", size: int, searches: bool) -> int:
    """Work until nothing is left; returns the size of the last batches."""
    best, used = 0.0, size
    while work.left:
        used = size
        try:
            speed = work.stretch(size, ROUNDS * work.lanes if searches else None)
        except OutOfMemory as error:
            size, searches = _halved(size, error), False
        else:
            grows = speed > GROWTH * best
            searches = searches and grows and 2 * size <= LARGEST
            size, best = (2 * size if searches else size if grows else size // 2), speed
    return used


def _halved(size: int, error: OutOfMemory) -> int:
    if size == 1:
        raise DeviceLost(f"no memory for a single image: {error}") from error
    log.warning("no memory for %d images at once, going on with %d (%s)", size, size // 2, error)
    return size // 2


class _Work:
    """The rows of `partial` that are missing, taken in stretches of batches of one size.

    A lane takes a task of about `task` images at once, however small the batches in it are: handing over has its price.
    """

    def __init__(self, partial: Partial, images: np.ndarray, extract: Extract, lanes: int, task: int):
        self.partial, self.images, self.extract, self.lanes, self.task = partial, images, extract, lanes, task

    @property
    def left(self) -> int:
        return len(self.images) - self.partial.done

    def stretch(self, size: int, count: int | None) -> float:
        """Compute the next `count` tasks of batches of `size`, or all; images per second after the first round."""
        first, start, warm = self.partial.done, time.perf_counter(), 0

        def features(images: np.ndarray) -> np.ndarray:
            parts = [self.extract(images[row : row + size]) for row in range(0, len(images), size)]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        tasks = self._tasks(size, count)
        for number, rows in enumerate(threads.in_order(features, tasks, AHEAD * self.lanes), 1):
            check(rows, self.partial.done)
            self.partial.append(rows)
            if number == self.lanes:
                start, warm = time.perf_counter(), self.partial.done - first
        return (self.partial.done - first - warm) / max(time.perf_counter() - start, 1e-9)

    def _tasks(self, size: int, count: int | None) -> Iterator[np.ndarray]:
        row, held, whole = self.partial.done, 0, self.left
        for _ in itertools.count() if count is None else range(count):
            if row >= len(self.images):
                return
            # Smaller towards the end, so that no lane works for long while the others have nothing left; of one size
            # while sizes are compared.
            left = len(self.images) - row if count is None else whole
            task = min(self.task, left // (SHARE * self.lanes))
            images = self.images[row : row + size * max(1, task // size)]
            yield images
            row, held = row + len(images), held + images.nbytes
            if held > RELEASE_BYTES:
                release(self.images)
                held = 0


def check(rows: np.ndarray, first: int) -> None:
    """Raise :class:`NotFinite` for rows with NaN or infinity; `first` is the number of their first image."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise NotFinite(f"the features of image {first + int(np.argmin(finite))} are not finite")
