"""Backbone plugins (layer 1): from decoded images to embeddings.

A plugin module has ``Params`` (with a field `image`), ``BATCH``, ``ENGINE``, ``width(params)``, ``identity(params)``
(what stands in the hash besides the options, or in place of one) and ``open(params, context)``: the function from a
uint8 batch (n, h, w, c) to float32 features (n, d).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from backbench.schema import Range


@dataclass(frozen=True)
class Image:
    """How images are prepared: colour mode, then resize to a square of `size` pixels."""

    size: Annotated[int, Range(low=1, high=4096)]
    mode: Literal["RGB", "L"]
    resize: Literal["squash", "crop"]
    interpolation: Literal["bilinear", "bicubic", "nearest"]
