"""Backbone plugins: from decoded images to embeddings.

The contract of a plugin module is in :mod:`backbench.backbones._contract`. A plugin whose ``Params`` has `engine` and
`precision` ends in :func:`backbench.backbones._engine.open`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench.images.policy import Image as Image
from backbench.images.policy import Side as Side
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

Engine = Literal["auto", "torch", "inductor", "openvino"]
Precision = Literal["float32", "bfloat16", "float16", "int8"]
# Images that a network in int8 is calibrated on.
Calibration = Annotated[int, Range(low=10)]


@dataclass(frozen=True)
class Rows:
    """What a backbone without images knows about the rows of a data set.

    `positions` (n,) are the places of the rows in the order of the source, which has `total` rows; `files` are the
    relative paths of the images, and `embeddings` (n, d) those of a data set of embeddings. None if there are none.
    """

    n: int
    total: int
    positions: "np.ndarray"
    files: Sequence[str] | None = None
    embeddings: "np.ndarray | None" = None
