"""The words that every stage shares: member, shard inputs, context, outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from backbench.store import Store

KINDS = (
    *("dataset", "audit", "images", "features", "matrix", "neighbours", "judge"),
    *("clustering", "classification", "retrieval"),
)
# Metrics of a fit and what is derived from it: recorded under the hash of the fit, and no stage of their own.
SCORES = "scores"
# How images are prepared for a backbone: a link of the chain of hashes without a result of its own.
RECIPE = "images"


@dataclass(frozen=True)
class Member:
    """One stage result that is asked for: its hash and its canonical configuration."""

    hash: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Inputs:
    """What the members of a shard are computed from: the stages before them, read from the store and verified.

    `refs` maps a role (``dataset``, ``images``, ``features``, ``matrix``) to the (kind, hash) of a stage result;
    ``neighbours.<metric>`` is one that only saves work.
    """

    store: "Store"
    refs: Mapping[str, tuple[str, str]]

    def array(self, role: str, name: str, mmap: bool = False) -> "np.ndarray":
        """An array of a stage before, (rows, ...); see :meth:`Store.array`."""
        return self.store.array(*self.refs[role], name, mmap=mmap)

    def info(self, role: str) -> Mapping[str, Any]:
        return self.store.info(*self.refs[role])


class Held(Inputs):
    """Inputs whose arrays are read once, for all who work on them in one job."""

    def array(self, role: str, name: str, mmap: bool = False) -> "np.ndarray":
        """An array of a stage before, (rows, ...), read once unless it is mapped."""
        if mmap:
            return super().array(role, name, mmap)
        if (role, name) not in self._arrays:
            self._arrays[role, name] = super().array(role, name)
        return self._arrays[role, name]

    @cached_property
    def _arrays(self) -> dict[tuple[str, str], "np.ndarray"]:
        """The arrays (rows, ...) that were read, by role and name."""
        return {}


@dataclass(frozen=True)
class Context:
    """How a shard is computed. Nothing here may change a result."""

    threads: int = 1
    device: str = "cpu"
    batch_size: int | None = None
    workers: int = 0
    on_device_loss: Literal["fail", "cpu"] = "fail"
    scratch: Path = Path("scratch")
    downloads: Path = Path("downloads")
    progress: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True)
class Outcome:
    """The result of one member, or the reason why there is none.

    `metrics` maps a metric's name to its value, NaN where undefined; `notes` says why it is undefined. `info` is plain
    JSON that goes into the record; `arrays` are stored beside it. `used` holds what of the context was really used
    (``device``, ``batch_size``), where a stage decides that itself: it is recorded, and replayed by a reproduction.
    """

    hash: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, "np.ndarray"] = field(default_factory=dict)
    seconds: float = 0.0
    failure: str | None = None
    used: Mapping[str, Any] = field(default_factory=dict)
