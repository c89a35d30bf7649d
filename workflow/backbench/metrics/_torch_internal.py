"""The strips of `_widths` in PyTorch: float64 on the device, with the same grid, so that sums are exact there as well.

Exact sums have no order, so that additions which a device makes in any order give the same bits each time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from backbench import device
from backbench.metrics._cloud import GATHERED_BYTES, NEAR, Cloud, most_measured

if TYPE_CHECKING:
    import torch

STRIP_BYTES = 1 << 28
NARROWEST, WIDEST = 32, 2048
# Up to this number of clusters a product with an indicator matrix is faster than additions row by row.
PRODUCT_CLUSTERS = 128


def widths(cloud: Cloud, parts: Sequence[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """As `_widths.widths`: widths (m,) of `rows` (m,) for each labeling (n,)."""
    strips = _Strips(cloud, parts)
    size = strip(cloud.n)
    by_strip = [strips.widths(rows[start : start + size]) for start in range(0, len(rows), size)]
    return [np.concatenate(pieces) for pieces in zip(*by_strip, strict=True)]


def drawn(cloud: Cloud, parts: Sequence[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """Widths (m,) of `rows` (m,) for each labeling (n,), as exact as those of `widths`."""
    return widths(cloud, parts, rows)


def strip(n: int) -> int:
    """Number of rows of a strip."""
    return int(np.clip(STRIP_BYTES // (8 * n), NARROWEST, WIDEST))


class _Strips:
    """What all strips share, on the device."""

    def __init__(self, cloud: Cloud, parts: Sequence[np.ndarray]):
        """Copy the cloud and the labelings (n,) to the device."""
        self.cloud, self.rows = cloud, device.tensor(cloud.rows)
        self.codes = [device.tensor(part, "int64") for part in parts]
        self.counts = [device.tensor(np.bincount(part[part >= 0])) for part in parts]

    def widths(self, picked: np.ndarray) -> list[np.ndarray]:
        """Widths (s,) of the rows `picked` (s,) in each labeling."""
        chosen = device.tensor(picked, "int64")
        far = self._lengths(chosen)
        return [
            _width_of(_sums(far, codes, len(count)), codes[chosen], count).cpu().numpy()
            for codes, count in zip(self.codes, self.counts, strict=True)
        ]

    def _lengths(self, picked: "torch.Tensor") -> "torch.Tensor":
        left = self.rows[picked] * -2.0
        left[:, -2], left[:, -1] = 1.0, self.rows[picked, -2]
        tile = self.rows @ left.T
        row, column = (tile < NEAR).nonzero(as_tuple=True)
        tile[row, column] = self._settled(tile[row, column], row, picked[column], tile.numel())
        return tile.sqrt_().add_(self.cloud.magic).sub_(self.cloud.magic)

    def _settled(
        self, squares: "torch.Tensor", left: "torch.Tensor", right: "torch.Tensor", size: int
    ) -> "torch.Tensor":
        """Squared distances of the nearest pairs of a tile, as `Cloud.settle` has them."""
        apart = left != right
        squares = squares.clamp(min=0.0) * apart
        if apart.sum() > most_measured(size):
            twins = device.tensor(self.cloud.twins, "int64")
            apart = twins[left] != twins[right]
            squares *= apart
        if 0 < apart.sum() <= most_measured(size):
            squares[apart] = self._measured(left[apart], right[apart])
        return squares

    def _measured(self, left: "torch.Tensor", right: "torch.Tensor") -> "torch.Tensor":
        import torch

        size = max(1, 64 * GATHERED_BYTES // (8 * self.cloud.d))
        placed = self.rows[:, : self.cloud.d]
        spans = [slice(start, start + size) for start in range(0, len(left), size)]
        return torch.cat([(placed[left[span]] - placed[right[span]]).square().sum(dim=1) for span in spans])


def _sums(far: "torch.Tensor", codes: "torch.Tensor", count: int) -> "torch.Tensor":
    """Sums (count, rows) of distances to each cluster."""
    import torch

    if count <= PRODUCT_CLUSTERS:
        names = torch.arange(count, device=codes.device)
        return (codes[None, :] == names[:, None]).to(far.dtype) @ far
    places = torch.where(codes < 0, count, codes)
    return far.new_zeros(count + 1, far.shape[1]).index_add_(0, places, far)[:count]


def _width_of(sums: "torch.Tensor", part: "torch.Tensor", count: "torch.Tensor") -> "torch.Tensor":
    import torch

    columns = torch.arange(len(part), device=part.device)
    size = count[part]
    within = sums[part, columns] / (size - 1).clamp(min=1)
    sums /= count[:, None]
    sums[part, columns] = torch.inf
    other = sums.amin(dim=0)
    larger = torch.maximum(within, other)
    widths = torch.where(larger > 0, (other - within) / larger.where(larger > 0, 1.0), 0.0)
    widths[size == 1] = 0.0
    widths[part < 0] = torch.nan
    return widths
