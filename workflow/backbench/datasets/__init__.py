"""Dataset plugins (layer 1): where a collection of images and its labels come from.

A plugin module has ``Params``, ``UNHASHED`` (the names of options that are paths), ``describe(params)`` for planning,
``fingerprint(params, reading)`` and ``load(params, context)``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.images.policy import Image

TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = ("train", "validation", "test")
Share = Annotated[float, Range(low=0.0, high=1.0)]
NO_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """How a collection is divided, always stratified by class.

    ``auto`` is ``given`` for a collection that brings its own parts, else ``random``; planning settles it before
    anything is hashed. ``given`` keeps the collection's own parts; where it has no validation part, the fraction
    `validation` of its training part is drawn. ``random`` draws the fractions `validation` and `test` of everything.
    With ``given``, `test` has no effect and therefore always the same value, so that it makes no difference to a hash.
    """

    source: Literal["auto", "given", "random"]
    validation: Share
    test: Share

    def settled(self, given: bool) -> "Split":
        """The same with ``auto`` resolved for a collection that brings its own parts, or does not."""
        return replace(self, source="given" if given else "random") if self.source == "auto" else self

    def __post_init__(self) -> None:
        if self.source == "given":
            object.__setattr__(self, "test", NO_TEST_SHARE)


UNREAD = bytes(32)


@dataclass(frozen=True)
class Reading:
    """How the files of a collection are read for the first time.

    `progress` is told how many are done of those that have to be read. The pixels that `policies` make of each are kept
    below `store`, so that no file has to be decoded for the features again.
    """

    progress: Callable[[int, int], None] = lambda done, total: None
    policies: "Sequence[Image]" = ()
    store: Path | None = None


@dataclass(frozen=True)
class Description:
    """What planning knows about a collection; `digest` is None while nobody has fingerprinted it.

    `counts` are the images of the training, validation and test part; `classes` is None without labels. A collection
    of embeddings alone has no `images`, and `width` is their number of columns. `notice` is what the user should know.
    `understood` says in sentences what the collection is taken for, `given` whether it brings its own split. `files`
    are the names of its images in its own order, before any draw. Of files, `root` is the folder where they are now,
    `excluded` gives the reason of each file there that is no image of the collection, and `keys` are the digests that
    the images are known by (see ``images.reading.key_of``); ``UNREAD`` stands for each of the `unread` ones.
    `older` says that a version read them that told files by the digest of their pixels.
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


@dataclass(frozen=True)
class Collection:
    """A loaded collection: the drawn images in their final order, as pixels, as files under `root`, or as embeddings.

    `split` holds 0, 1, 2 for training, validation and test; `digest` is the content digest of the whole source; `rows`
    (n,) int64 are the places of the drawn images in the source's own order, which has `total`; both are always set. Of
    files, `file_digests` (n, 32) are the SHA-256 of their bytes, `contents` (n, 32) are equal for images of equal
    pixels, `phashes` (n,) uint64 are the perceptual hashes (0: too little structure for one), `spreads` (n,) float32
    the deviation of the grey values of those without structure, `sizes` (n, 2) int32 width and height, `modes` the
    colour modes as stored.
    `embeddings` (n, d) float32 are those of a collection without images; `info` is plain JSON for the record.
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
