"""The contract of backbone plugins, as types.

A plugin is a module with the names of one of four protocols: :class:`Frozen`, :class:`Learner`, :class:`Given` or
:class:`Joining`. The contract tests check every plugin against them, with mypy. :class:`Resolving`, :class:`Settling`,
:class:`Refusing`, :class:`Parted`, :class:`OfLibraries`, :class:`Speaking` and :class:`Recording` are abilities that a
plugin may have.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from backbench import plugins
from backbench.backbones import Rows
from backbench.datasets import Description
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

# From images (n, h, w, c) uint8 to features (n, d) float32.
Extract = Callable[["np.ndarray"], "np.ndarray"]

P = TypeVar("P")


class Backbone(Protocol[P]):
    """What every backbone has."""

    __name__: str

    @property
    def Params(self) -> type[P]:
        """The frozen dataclass of the options."""

    @property
    def BATCH(self) -> int:
        """The most images in a batch on a CPU core; the batch size on any device if there is no option `engine`."""

    @property
    def ENGINE(self) -> str:
        """What runs it, if there is no option `engine`."""

    def identity(self, params: P) -> dict[str, Any]:
        """What is hashed besides the options, or in place of one: the digest of the weights.

        Raises
        ------
        ConfigError
            If a file is missing; says what was looked for, where, and how to supply it.
        """

    def gflops(self, params: P) -> float:
        """10^9 multiplications and additions that the features of one image take: for estimates of time."""


@runtime_checkable
class OfImages(Backbone[P], Protocol[P]):
    """A backbone whose features are computed from images: `Params` has a field `image`."""

    def width(self, params: P) -> int:
        """Number of features."""


@runtime_checkable
class Frozen(OfImages[P], Protocol[P]):
    """A backbone with fixed weights, or none."""

    def open(self, params: P, context: Context) -> Extract:
        """The function from images (n, h, w, c) uint8 to features (n, d) float32.

        A true attribute `one_shape` asks for batches of one shape.
        """


@runtime_checkable
class Learner(OfImages[P], Protocol[P]):
    """A backbone that is trained on the images of the data set."""

    @property
    def CORE_GFLOPS(self) -> float:
        """10^9 operations a second that one core makes in the training."""

    def layers(self, params: P) -> Sequence[tuple[int, int]]:
        """(multiplications for an image, weights) of each layer: for estimates of time."""

    def fit(
        self,
        params: P,
        images: "np.ndarray",
        rows: "np.ndarray",
        validation_rows: "np.ndarray",
        context: Context,
    ) -> tuple[Extract, dict[str, Any]]:
        """The function from images to features, learnt from `rows` of `images` (n, h, w, c), and facts as JSON.

        ``history`` among the facts becomes curves. The function may have `arrays`, a mapping from names to arrays that
        are stored beside the features.
        """


@runtime_checkable
class Given(Backbone[P], Protocol[P]):
    """A backbone whose features were computed elsewhere: `Params` has no field `image`."""

    def width(self, params: P, description: Description) -> int:
        """Number of features; the data set may decide."""

    def embeddings(self, params: P, source: Rows) -> "np.ndarray":
        """The features (n, d) of the rows of the data set."""


@runtime_checkable
class Joining(Backbone[P], Protocol[P]):
    """A backbone that is made of the features of others: `Params` has a field `parts` and no field `image`."""

    def width(self, params: P, widths: Sequence[int]) -> int:
        """Number of features, of parts that have so many."""

    def factors(self, params: P, parts: "Sequence[np.ndarray]") -> list[float]:
        """A number for each part, learnt from the features (n, d_i) of all rows of the data set."""

    def join(self, params: P, parts: "Sequence[np.ndarray]", scales: Sequence[float]) -> "np.ndarray":
        """Features (n, d) float32 of the parts (n, d_i) of any rows, with the numbers that :meth:`factors` gave."""


@runtime_checkable
class Resolving(Protocol):
    """Can replace every ``auto`` and null in its options, before anything is hashed."""

    def resolve(self, params: Any, device: str) -> Any:
        """The options without ``auto`` and null; `device` is auto, cpu, cuda or cuda:N."""


@runtime_checkable
class Settling(Protocol):
    """Can adapt its options to a data set, before anything is hashed."""

    def settle(self, params: Any, description: Description) -> tuple[Any, tuple[str, ...]]:
        """The options for this data set, and sentences that announce them."""


@runtime_checkable
class Refusing(Protocol):
    """Can check a file of weights when a sweep is planned; may import torch."""

    def fits(self, params: Any) -> None:
        """Raise ConfigError, with the keys, if a file of weights does not fit the network."""


@runtime_checkable
class Parted(Protocol):
    """Has columns that belong together, such as those of each block of a network."""

    def parts(self, params: Any) -> list[int]:
        """Their widths, in order; empty where all columns are one."""


@runtime_checkable
class OfLibraries(Protocol):
    """Defines its networks by libraries of its own, on whose versions rows depend too."""

    @property
    def LIBRARIES(self) -> tuple[str, ...]:
        """The names of their distributions."""


@runtime_checkable
class Speaking(Protocol):
    """Knows texts too: has a text tower that was trained together with its image encoder."""

    def texts(self, params: Any) -> "Callable[[Sequence[str]], np.ndarray]":
        """The function from texts to features (n, d) float32 in the space of the image features, not normalised."""


@runtime_checkable
class Recording(Protocol):
    """Has something to record beside the features."""

    def record(self, params: Any) -> Mapping[str, Any]:
        """What is recorded, as plain JSON."""


def load(name: str) -> Backbone[Any]:
    """The backbone plugin of that name.

    Raises
    ------
    ConfigError
        If there is none; names those that exist.
    TypeError
        If the module lacks a part of the contract.
    """
    module = plugins.load("backbone", name)
    if not isinstance(module, (Frozen, Learner, Given, Joining)):
        raise TypeError(f"{module.__name__} is not a backbone plugin; see docs/plugins.md.")
    return module
