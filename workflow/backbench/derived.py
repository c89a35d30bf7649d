"""Cache of results that are derived from stored ones.

A derived result is JSON, and arrays where it needs them, in a store under a digest of what it is made from and of the
code that makes it. A damaged one counts as absent. Of several processes one makes it while the others wait. Nothing
depends on the cache: any of it may be deleted at any time, and is made again.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backbench import code, hashing, paths, provenance
from backbench.files import WriteError, locked
from backbench.store import DONE, Store, StoreError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)


def of_results() -> Store:
    """The cache of this results folder: of what is made from its sweeps, whatever store they share with others."""
    return Store(paths.results() / "cache")


@dataclass(frozen=True)
class Content:
    """What a derived result holds: plain JSON without NaN, and arrays of any shape.

    `circumstances` are recorded beside it; `lasting` is False for what shall not be cached, since an input was missing.
    """

    info: Mapping[str, Any]
    arrays: "Mapping[str, np.ndarray]" = field(default_factory=dict)
    circumstances: Mapping[str, Any] = field(default_factory=dict)
    lasting: bool = True


@dataclass(frozen=True)
class Derived:
    """A derived result: its kind, what it is made from (canonical JSON), and the modules whose code makes it."""

    store: Store
    kind: str
    origin: Mapping[str, Any]
    modules: Sequence[str]

    @cached_property
    def hash(self) -> str:
        return hashing.digest({"kind": self.kind, "origin": self.origin, "code": code.digest(self.modules)})

    @property
    def there(self) -> bool:
        """Whether it is in the cache, its arrays with their full sizes."""
        record = self.store.read(self.kind, self.hash)
        return record is not None and self.store.complete(self.kind, record)

    def read(self) -> Content | None:
        """What the cache holds, None where that is absent or damaged."""
        record = self.store.read(self.kind, self.hash)
        if record is None:
            return None
        try:
            arrays = {name: self.store.array(self.kind, self.hash, name) for name in record["arrays"]}
        except (OSError, StoreError) as error:
            log.warning("%s", error)
            return None
        return Content(json.loads(record["info"]), arrays)

    def ensure(self, make: Callable[[], Content]) -> Content:
        """What the cache holds, or else what `make` returns, which is cached; a store that cannot be written is not."""
        content = self.read()
        if content is not None:
            return content
        with self._sole_maker():
            content = self.read()
            if content is None:
                began = time.perf_counter()
                made = make()
                # As text, for the store sorts keys: who reads it gets the order in which it was made.
                text = json.dumps(made.info, allow_nan=False)
                if made.lasting:
                    self._write(made, text, time.perf_counter() - began)
                content = replace(made, info=json.loads(text))
            return content

    def _write(self, content: Content, text: str, seconds: float) -> None:
        record = {
            "status": DONE,
            "origin": self.origin,
            "info": text,
            "provenance": {
                "versions": provenance.versions(),
                "git": provenance.git_commit(),
                **provenance.machine(),
                **content.circumstances,
                "finished": round(time.time(), 3),
                "seconds": round(seconds, 6),
            },
        }
        try:
            self.store.write(self.kind, self.hash, record, content.arrays)
        except (OSError, WriteError) as error:
            log.debug("%s %s is not cached: %s", self.kind, hashing.short(self.hash), error)

    @contextlib.contextmanager
    def _sole_maker(self) -> Iterator[None]:
        scratch = self.store.scratch(self.kind, self.hash)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(scratch.with_name(f"{hashing.short(self.hash)}.lock")))
            except (OSError, WriteError) as error:
                log.debug("%s %s is made without a lock: %s", self.kind, hashing.short(self.hash), error)
            yield
