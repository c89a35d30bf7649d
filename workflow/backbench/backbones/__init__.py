"""Backbone plugins (layer 1): from decoded images to embeddings.

A plugin module has ``Params`` (with a field `image`), ``BATCH``, ``ENGINE``, ``width(params)``, ``identity(params)``
(what stands in the hash besides the options, or in place of one) and one of

- ``open(params, context)``: the function from a uint8 batch (n, h, w, c) to float32 features (n, d); a true attribute
  `one_shape` asks for batches of one shape;
- ``fit(params, images, rows, validation_rows, context)``: that function, learnt from `rows`, and how it went as JSON;
  the function may have `arrays`, a mapping from names to what is to be stored beside the features;
- ``embeddings(params, source)``, with ``IMAGES = False``: features (n, d) that were made elsewhere; `source` is
  :class:`Rows`, there is no field `image`, and ``width(params, description)`` may ask the data set. So may
  ``settle(params, description)``, where there is one: it gives the options as they are for this data set, before
  anything is hashed, and sentences on what they are. ``record(params)`` is written beside the features.

``resolve(params, device)``, where there is one, replaces every ``auto`` and null before anything is hashed. A plugin
whose ``Params`` has `engine` and `precision` ends in :func:`backbench.backbones._engine.open`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from backbench.images.policy import Image as Image
from backbench.images.policy import Side as Side

if TYPE_CHECKING:
    import numpy as np

Engine = Literal["auto", "torch", "inductor", "openvino"]
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Rows:
    """What a backbone without images may know about the rows of a data set.

    `positions` (n,) is the place of each row in the source's own order of `total` rows, `files` the relative paths of
    its images, and `embeddings` (n, d) what a data set of embeddings consists of; None where there are none.
    """

    n: int
    total: int
    positions: "np.ndarray"
    files: Sequence[str] | None = None
    embeddings: "np.ndarray | None" = None
