"""Transform plugins: one step of a task's chain from embeddings to the matrix that it works on.

A plugin is a module that is a `Transform`, and optionally `Timed`.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from backbench import plugins

if TYPE_CHECKING:
    import numpy as np

# Transforms that leave representations side by side in the columns where they are.
APART = frozenset({"l2", "standardise"})


@runtime_checkable
class Transform(Protocol):
    """What a transform's module holds.

    Attributes
    ----------
    Params : frozen dataclass of all options, each spelled out in ``conf/transform/<stem>.yaml``
    FITTED : whether it learns from rows; if not, the fit scope is no part of the hash
    """

    FITTED: bool

    @property
    def Params(self) -> type[Any]: ...

    def problems(self, params: Any, n_fit: int, d: int, /) -> list[str]:
        """Why it cannot learn from so many rows of d columns, as sentences; asked at planning time."""
        ...

    def width(self, params: Any, d: int, /) -> int:
        """Number of columns that come out."""
        ...

    def label(self, params: Any, /) -> str:
        """Short name in tables, such as ``pca50``."""
        ...

    def fit_transform(self, params: Any, fit_rows: "np.ndarray", rows: "np.ndarray", /) -> "np.ndarray":
        """Rows (n, d) transformed by what was learnt from `fit_rows` (m, d), float32 (n, width)."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A transform that takes long enough to say how long."""

    def seconds(self, params: Any, n: int, d: int, /) -> float:
        """Seconds of one core for n rows of d columns, beyond reading and writing them."""
        ...


@cache
def load(name: str) -> Transform:
    """The transform of this name.

    Raises
    ------
    ConfigError
        If there is none; it names those that there are.
    TypeError
        If the module lacks a part of the contract.
    """
    module = plugins.load("transform", name)
    if not isinstance(module, Transform):
        raise TypeError(f"{module.__name__} is no transform: docs/plugins.md says what one holds")
    return module
