"""Several backbones side by side, applied to new images: each part is a model of its own without a task.

The prepared pixels of an image are those of all parts in one row (pixels,) uint8, so that whoever reads images need not
know of parts.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench import schema
from backbench.images.policy import Image as Policy

if TYPE_CHECKING:
    import numpy as np

    from backbench.pictures.source import Source

CHANNELS = {"RGB": 3, "L": 1}


def policies(backbone: Mapping[str, Any]) -> list[Policy]:
    """How images are prepared for a backbone, or for each part of it."""
    several = backbone.get("parts") or [backbone]
    return [schema.parse(Policy, part["image"], "image") for part in several]


def packed(pixels: "Sequence[np.ndarray]") -> "np.ndarray":
    """The pixels (size, size, channels) of an image for each part, in one row where there are several."""
    import numpy as np

    return pixels[0] if len(pixels) == 1 else np.concatenate([part.reshape(-1) for part in pixels])


def unpacked(rows: "np.ndarray", policies: Sequence[Policy]) -> "list[np.ndarray]":
    """The images (n, size, size, channels) of each part, from rows (n, pixels) that :func:`packed` made."""
    import numpy as np

    shapes = [(policy.size, policy.size, CHANNELS[policy.mode]) for policy in policies]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    return [part.reshape(len(rows), *shape) for part, shape in zip(np.split(rows, ends[:-1], 1), shapes, strict=True)]


def stored_pixels(source: "Source", rows: "np.ndarray", policies: Sequence[Policy]) -> "np.ndarray":
    """Known images (m,) of a run as its backbone, or all parts of it, were given them."""
    import numpy as np

    if len(policies) == 1:
        return source.images[rows]
    parts = [source.prepared(policy)[rows] for policy in policies]
    return np.concatenate([part.reshape(len(rows), -1) for part in parts], axis=1)
