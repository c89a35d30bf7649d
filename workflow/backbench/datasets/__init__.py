"""Dataset plugins (layer 1): where a collection of images and its labels come from.

A plugin module has ``Params``, ``UNHASHED`` (the names of options that are paths), ``describe(params)`` for planning,
``fingerprint(params, progress)`` and ``load(params, context)``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = ("train", "validation", "test")
Share = Annotated[float, Range(low=0.0, high=1.0)]


@dataclass(frozen=True)
class Split:
    """How a collection is divided, always stratified by class.

    ``given`` keeps the collection's own parts; where it has no validation part, the fraction `validation` of its
    training part is drawn. ``random`` draws the fractions `validation` and `test` of everything.
    """

    source: Literal["given", "random"]
    validation: Share
    test: Share


@dataclass(frozen=True)
class Description:
    """What planning knows about a collection; `digest` is None while nobody has fingerprinted it.

    `counts` are the images of the training, validation and test part; `classes` is None without labels.
    """

    n: int
    classes: int | None
    digest: str | None
    counts: tuple[int, int, int]


@dataclass(frozen=True)
class Collection:
    """A loaded collection: the drawn images in their final order, either as pixels or as files under `root`.

    `split` holds 0, 1, 2 for training, validation and test; `digest` is the content digest of the whole source.
    `file_digests` (n, 32) are the SHA-256 of the decoded pixels of each file; `info` is plain JSON for the record.
    """

    digest: str
    split: "np.ndarray"
    labels: "np.ndarray | None"
    names: Sequence[str] | None
    pixels: "np.ndarray | None" = None
    root: Path | None = None
    files: Sequence[str] | None = None
    file_digests: "np.ndarray | None" = None
    info: Mapping[str, Any] = field(default_factory=dict)
