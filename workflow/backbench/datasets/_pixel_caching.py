"""Caching the prepared pixels of files as they are read, for the features that a sweep will need."""

import contextlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from types import TracebackType

from backbench.datasets import Reading
from backbench.images.cache import PixelCache, Writer
from backbench.images.policy import Image as Policy
from backbench.images.reading import Look, key_of

log = logging.getLogger(__name__)

# The share of the free space of a disk that prepared pixels may take.
SHARE = 0.8


class PixelCaching:
    """Writes the prepared pixels of files to the caches of their policies (a context manager).

    `policies` are those whose pixels are wanted: none if the disk has no space for them, and then the files are decoded
    again when their pixels are needed.
    """

    def __init__(self, reading: Reading, bits: int | None, files: int):
        self.bits, self._stack = bits, contextlib.ExitStack()
        self._writers: list[Writer] = []
        self.policies: Sequence[Policy] = ()
        if reading.store is None or not reading.policies:
            return
        caches = [PixelCache(reading.store, policy) for policy in reading.policies]
        wanted = files * sum(cache.bytes_each for cache in caches)
        place = next(folder for folder in (reading.store, *reading.store.parents) if folder.exists())
        if wanted > SHARE * shutil.disk_usage(place).free:
            log.warning(
                "%s has no space to cache the decoded images (%d MB); they will be decoded again when needed",
                place,
                wanted >> 20,
            )
            return
        self._writers = [self._stack.enter_context(Writer(cache)) for cache in caches]
        self.policies = reading.policies

    def write(self, looks: Mapping[str, Look]) -> None:
        """Commit the pixels of a block of files."""
        import numpy as np

        prepared = {name: look for name, look in looks.items() if look.rows}
        keys = [key_of(bytes.fromhex(look.facts["sha256"]), self.bits, name) for name, look in prepared.items()]
        for position, writer in enumerate(self._writers if prepared else ()):
            writer.append(keys, np.stack([look.rows[position] for look in prepared.values()]))

    def __enter__(self) -> "PixelCaching":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
