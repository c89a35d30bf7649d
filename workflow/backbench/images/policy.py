"""How images are prepared for a backbone."""

from dataclasses import dataclass
from typing import Annotated, Literal

from backbench.schema import ConfigError, Range

Side = Annotated[int, Range(low=1, high=4096)]


@dataclass(frozen=True)
class Image:
    """How images are prepared: colour mode, then resize to a square of `size` pixels.

    ``crop`` with `shorter` is torchvision's ``Resize(shorter)`` and ``CenterCrop(size)``; without it, the largest
    central square is resized in one step. ``decode: scaled`` decodes a large JPEG photograph at the DCT scale given by
    ``images.scaling``, ``full`` always whole; it has no effect on collections that are arrays of pixels.
    """

    size: Side
    mode: Literal["RGB", "L"]
    resize: Literal["squash", "crop"]
    interpolation: Literal["bilinear", "bicubic", "nearest"]
    shorter: Side | None = None
    decode: Literal["scaled", "full"] = "scaled"

    def __post_init__(self) -> None:
        if self.shorter is None:
            return
        if self.resize != "crop":
            raise ConfigError(
                f"image.shorter: received {self.shorter} with resize={self.resize}; allowed: resize=crop, or "
                "image.shorter=null with it."
            )
        if self.shorter < self.size:
            raise ConfigError(f"image.shorter: received {self.shorter}; allowed: at least image.size={self.size}.")
