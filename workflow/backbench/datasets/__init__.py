"""Dataset plugins: where a collection of images and its labels come from.

A plugin is a module that satisfies :class:`Plugin`; :func:`plugin` loads one by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

from backbench import plugins
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.images.policy import Image
    from backbench.stage import Context

TRAIN, VALIDATION, TEST = 0, 1, 2
# The names of the splits, in the order of their codes.
PARTS = ("train", "validation", "test")
Share = Annotated[float, Range(low=0.0, high=1.0)]
NO_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """How a collection is divided into training, validation and test splits, always stratified by class.

    ``auto`` becomes ``given`` for a collection that brings its own splits, else ``random``; planning decides that
    before anything is hashed. ``given`` keeps the collection's own splits; if it has no validation split, the fraction
    `validation` of its training split is drawn. ``random`` draws the fractions `validation` and `test` of all images.
    ``temporal`` takes the latest for these, by the times that a table gives, and is not stratified. With ``given``,
    `test` has no effect; it is set to a fixed value so that it does not change the hash.
    """

    source: Literal["auto", "given", "random", "temporal"]
    validation: Share
    test: Share

    def settled(self, given: bool) -> "Split":
        """The same with ``auto`` resolved; `given` says whether the collection brings its own splits."""
        return replace(self, source="given" if given else "random") if self.source == "auto" else self

    def __post_init__(self) -> None:
        if self.source == "given":
            object.__setattr__(self, "test", NO_TEST_SHARE)


UNREAD = bytes(32)


@dataclass(frozen=True)
class Reading:
    """How the files of a collection are read for the first time.

    `progress` is called with the number of files read so far and the number to read. The pixels that each of `policies`
    prepares are cached below `store`, so that no file has to be decoded again for the features.
    """

    progress: Callable[[int, int], None] = lambda done, total: None
    policies: "Sequence[Image]" = ()
    store: Path | None = None


@dataclass(frozen=True)
class Description:
    """What planning knows about a collection; `digest` is None until it has been fingerprinted.

    `counts` are the numbers of training, validation and test images; `classes` is None without labels. A collection of
    embeddings has no `images`, and `width` is its number of columns. `notice` is something the user should know.
    `understood` says in sentences how the collection was understood, `given` whether it brings its own splits. `files`
    are the names of all images in the collection's own order, before any draw. For files, `root` is the folder where
    they are now, `excluded` maps each file there that is not an image of the collection to the reason, and `keys` are
    the digests that identify the images (see ``images.reading.key_of``), with ``UNREAD`` for each of the `unread` ones.
    `older` says that they were last read by a version that identified files by the digest of their pixels. `training`
    are the numbers of training images of the classes that have some.
    """

    n: int
    classes: int | None
    digest: str | None
    counts: tuple[int, int, int]
    images: bool = True
    width: int | None = None
    notice: str | None = None
    understood: tuple[str, ...] = ()
    given: bool = False
    files: Sequence[str] | None = None
    root: Path | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    keys: Sequence[bytes] | None = None
    older: bool = False
    unread: int = 0
    training: tuple[int, ...] = ()


@dataclass(frozen=True)
class Collection:
    """A loaded collection: the drawn images in their final order, as pixels, as files under `root`, or as embeddings.

    `split` (n,) uint8 holds 0, 1, 2 for training, validation and test, `labels` (n,) int64 the classes; `pixels` are
    (n, h, w) or (n, h, w, c) uint8. `digest` is the content digest of the whole source. `rows` (n,) int64 are the
    positions of the drawn images in the source, which has `total`; both are always set. For files, `file_digests` (n,
    32) uint8 are the SHA-256 of their bytes, `contents` (n, 32) uint8 are equal for images of equal pixels, `phashes`
    (n,) uint64 are the perceptual hashes (0: not enough structure for one), `spreads` (n,) float32 the standard
    deviations of the grey values of images without structure (else NaN), `sizes` (n, 2) int32 width and height, `modes`
    the colour modes as stored. `groups` (n,) int64 are the numbers of the groups that no split divides. `embeddings`
    (n, d) float32 are those of a collection without images; `info` is plain JSON for the record.
    """

    digest: str
    split: "np.ndarray"
    labels: "np.ndarray | None"
    names: Sequence[str] | None
    pixels: "np.ndarray | None" = None
    root: Path | None = None
    files: Sequence[str] | None = None
    file_digests: "np.ndarray | None" = None
    contents: "np.ndarray | None" = None
    info: Mapping[str, Any] = field(default_factory=dict)
    rows: "np.ndarray | None" = None
    total: int | None = None
    phashes: "np.ndarray | None" = None
    spreads: "np.ndarray | None" = None
    sizes: "np.ndarray | None" = None
    modes: Sequence[str] | None = None
    embeddings: "np.ndarray | None" = None
    groups: "np.ndarray | None" = None


@runtime_checkable
class Plugin(Protocol):
    """What a module in this package offers. `params` is an instance of its own ``Params``."""

    @property
    def Params(self) -> type[Any]:
        """A frozen dataclass of the options; it has at least ``digest``, ``sample``, ``seed`` and ``split``."""

    @property
    def UNHASHED(self) -> tuple[str, ...]:
        """The options that only say where the data is, and stay out of the hash."""

    def describe(self, params: Any) -> Description:
        """What planning needs to know; cheap, and fetches nothing."""

    def fingerprint(self, params: Any, reading: Reading) -> str:
        """The digest of the content; may fetch and read everything."""

    def load(self, params: Any, context: "Context") -> Collection:
        """The drawn and divided collection, checked against the digest in `params`."""


def plugin(name: str) -> Plugin:
    """The dataset plugin `name`.

    Raises
    ------
    ConfigError
        If there is no such plugin; it lists those that exist.
    TypeError
        If the module does not satisfy :class:`Plugin`.
    """
    module = plugins.load("dataset", name)
    if not isinstance(module, Plugin):
        raise TypeError(f"{module.__name__} is not a dataset plugin; see backbench.datasets.Plugin.")
    return module
