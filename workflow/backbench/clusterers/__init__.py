"""Clusterer plugins: all members of a family on one matrix, with what they share computed once.

A plugin is a module that is a `Clusterer`, and optionally `Narrowed`, `Parted`, `Timed`, `plugins.Searching` and
`plugins.Varied`.

Imports `metrics` and what lies below it; scikit-learn and scipy inside functions alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from backbench import plugins

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

MB = 1 << 20


@dataclass(frozen=True)
class Task:
    """One member: a plugin's parameters and the axes that it uses."""

    params: Any
    k: int | None = None
    seed: int | None = None

    @property
    def clusters(self) -> int:
        """The number of clusters `k`, which every member of a clusterer with this axis has."""
        assert self.k is not None
        return self.k


@runtime_checkable
class Clusterer(Protocol):
    """What a clusterer's module holds.

    Attributes
    ----------
    Params : frozen dataclass of all options, each spelled out in ``conf/clusterer/<stem>.yaml``
    AXES : the subset of ``{"k", "seed"}`` that it uses
    """

    AXES: frozenset[str]

    @property
    def Params(self) -> type[Any]: ...

    def problems(self, params: Any, n: int, d: int, k: int | None, /) -> list[str]:
        """Why it cannot work on n rows of d columns, as sentences; asked at planning time."""
        ...

    def memory_mb(self, params: Any, n: int, d: int, count: int, /) -> float:
        """Peak memory in MB beyond the matrix, with `count` members at once."""
        ...

    def prepare(self, x: "np.ndarray", members: Sequence[Task], near: "Near", /) -> Any:
        """What the members share on the rows (n, d); `near` gives neighbours of the rows."""
        ...

    def fit(self, shared: Any, x: "np.ndarray", task: Task, /) -> "tuple[np.ndarray, dict[str, Any]]":
        """Labels (n,) int64 of the rows (n, d), -1 for noise, and plain information; `bic` in it becomes a metric."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A clusterer that says how long it takes."""

    def seconds(self, params: Any, n: int, d: int, k: int | None, count: int, /) -> float:
        """Seconds of one core for one of `count` members, with its part of what they share."""
        ...


@runtime_checkable
class Parted(Protocol):
    """A clusterer that can tell representations apart which lie side by side in the columns."""

    def parted(self, params: Any, widths: tuple[int, ...], /) -> Any:
        """The options for representations of these widths, with every ``auto`` replaced; empty: for one alone."""
        ...


@runtime_checkable
class Narrowed(Protocol):
    """A clusterer with options under which it uses fewer axes than `AXES`."""

    def axes(self, params: Any, /) -> frozenset[str]:
        """The axes that it uses with these options."""
        ...


def axes(module: Clusterer, params: Any) -> frozenset[str]:
    """The axes that a clusterer uses with its options: the others are no part of its hash."""
    return module.axes(params) if isinstance(module, Narrowed) else module.AXES


@cache
def load(name: str) -> Clusterer:
    """The clusterer of this name.

    Raises
    ------
    ConfigError
        If there is none; it names those that there are.
    TypeError
        If the module lacks a part of the contract.
    """
    module = plugins.load("clusterer", name)
    if not isinstance(module, Clusterer):
        raise TypeError(f"{module.__name__} is no clusterer: docs/plugins.md says what one holds")
    return module


def too_many(k: int | None, n: int) -> list[str]:
    """The problem of asking for fewer than one cluster, or more than there are rows."""
    return [f"k = {k} clusters of {n} rows: k is at least 1 and at most the number of rows"] if _outside(k, n) else []


def _outside(k: int | None, n: int) -> bool:
    return k is not None and not 1 <= k <= n
