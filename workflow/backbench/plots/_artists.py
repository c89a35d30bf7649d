"""What pictures draw thousands of, in less time than with the artists of matplotlib, which these are subclasses of.

The module imports matplotlib, and is itself imported inside functions only.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import to_rgba
from matplotlib.image import AxesImage
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D
from PIL import Image

from backbench.plots import PHOTOGRAPH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase

# Interpolations, as matplotlib names them, and those of Pillow that are nearest to them.
KERNELS = {"nearest": Image.Resampling.NEAREST, "hanning": Image.Resampling.HAMMING}
# With so many dots for each pixel or more, images of no set interpolation stay sharp.
SHARP = 3


class Photograph(AxesImage):
    """An image of the collection (h, w) or (h, w, 3) uint8, set on whole pixels and resized by Pillow.

    `interpolation` is ``nearest`` or ``hanning``; None for what matplotlib calls ``antialiased``.
    """

    def __init__(self, axes: "Axes", pixels: np.ndarray, interpolation: str | None = None, **more: Any):
        """Take pixels (h, w), (h, w, 1) or (h, w, 3) uint8."""
        super().__init__(axes, cmap="gray", interpolation=interpolation, gid=PHOTOGRAPH, **more)
        self.pixels = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
        self.set_data(self.pixels)
        self.set_clim(0, 255)

    def make_image(
        self, renderer: "RendererBase", magnification: float = 1.0, unsampled: bool = False
    ) -> tuple[np.ndarray, float, float, Any]:
        """The image as it is drawn, (height, width, 4) uint8 from its lowest row up, and its left and lower pixel."""
        box = self.get_window_extent()
        left, low = round(box.x0), round(box.y0)
        width, height = max(1, round(box.x1) - left), max(1, round(box.y1) - low)
        drawn = Image.fromarray(self.pixels).resize((width, height), self._kernel(width, height)).convert("RGBA")
        return np.asarray(drawn)[::-1], left, low, None

    def _kernel(self, width: int, height: int) -> Image.Resampling:
        chosen = self.get_interpolation()
        if chosen not in KERNELS:
            dots = max(width, height) / max(self.pixels.shape[:2])
            chosen = "nearest" if dots >= SHARP or dots in (1, 2) else "hanning"
        return KERNELS[chosen]


class Cloud(Artist):
    """Points of several groups, drawn in turns: the number of a group and some of its points (n, 2) each.

    `looks` holds the ``marker``, its size ``ms``, ``color`` and ``alpha`` of each group. Markers have no edge.
    """

    def __init__(self, turns: Sequence[tuple[int, np.ndarray]], looks: Mapping[int, Mapping[str, Any]]):
        """Draw the turns, points (n, 2) of a group each, in this order."""
        super().__init__()
        self.turns, self.looks = turns, looks

    def draw(self, renderer: "RendererBase") -> None:
        """Draw one marker at a time, which is set on whole pixels."""
        assert self.axes is not None  # it is drawn with its axes
        to_pixels: Any = self.axes.transData.frozen()
        marks = {code: MarkerStyle(look["marker"]) for code, look in self.looks.items()}
        for code, spots in self.turns:
            mark, look = marks[code], self.looks[code]
            size = float(np.asarray(renderer.points_to_pixels(look["ms"])))
            least = mark.get_snap_threshold()
            gc = renderer.new_gc()
            self._set_gc_clip(gc)  # type: ignore[attr-defined]  # for subclasses, but without a type
            gc.set_linewidth(0)
            gc.set_snap(None if least is None else size >= least)
            shape = mark.get_transform() + Affine2D().scale(size)
            colour = to_rgba(look["color"], look["alpha"])
            renderer.draw_markers(gc, mark.get_path(), shape, Path(spots), to_pixels, colour)
            gc.restore()
