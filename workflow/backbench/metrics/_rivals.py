"""Silhouette widths of a sample of rows by the clusters that can be the nearest other one; the rest is not measured.

The mean distance from a row to a cluster lies between two bounds by its mean square s and mean fourth power f: it is
at most s^(1/2) (Jensen), and at least s^(3/2) / f^(1/2) (Hölder). With the rows of a cloud as they are, which carry
their squared length and a one, a squared distance is a product vu, so that s = v E[u] and f = v E[uu'] v: moments of
the cluster give the bounds for all rows. In many columns they are a few percent apart, and two or three clusters are
left of any number. What is measured has the bits that it has in `_widths`: widths do not depend on what is left out.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from backbench import threads
from backbench.metrics import _cells
from backbench.metrics._cloud import ROUGH_ROWS, ROUGH_WIDTH, Cloud, Rough, against, filled

# Bounds are wider than a distance of float32 may be off, in units of the cloud.
SLACK = 2.0**-12
# Of moments and of sums that are held, and of rows of a cell on average.
HELD_BYTES, CELL_ROWS = 1 << 27, 1 << 10
# Rows of a cell that one thread measures, and rows whose bounds are computed, at a time.
UNIT_ROWS, PART = 1 << 12, 1 << 10


def worthwhile(cloud: Cloud, parts: Sequence[np.ndarray], group: _cells.Group, rows: int) -> bool:
    """Whether clusters of a group of canonical labelings (n,) are large enough to leave some out for `rows` rows."""
    clusters = sum(int(parts[i].max()) + 1 for i in group.members)
    held = 8 * (clusters * (cloud.d + 2) ** 2 + group.cells * rows)
    return held <= HELD_BYTES and group.cells * max(CELL_ROWS, cloud.d) <= cloud.n


def sums(
    rough: Rough, parts: Sequence[np.ndarray], group: _cells.Group, picked: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """For each labeling (n,) of a group its number and the sums (k, m) of distances to the rows `picked` (m,).

    The sum to a cluster that cannot be the nearest other one is infinite; those of noise say nothing.
    """
    cells = [np.flatnonzero(group.codes == cell) for cell in range(group.cells)]
    clusters = list(_clusters(group, parts))
    needed = {i: _needed(rough.cloud, cells, of_cell, parts[i][picked], picked) for i, of_cell in clusters}
    wanted = np.zeros((group.cells, len(picked)), dtype=bool)
    for i, of_cell in clusters:
        inside = of_cell >= 0
        wanted[inside] |= needed[i][of_cell[inside]]
    by_cell = _by_cell(rough, cells, wanted, picked)
    for i, of_cell in clusters:
        left_out = ~needed[i] & (parts[i][picked] >= 0)
        yield i, np.where(left_out, np.inf, _cells.adder(of_cell, len(needed[i])) @ by_cell)


def _clusters(group: _cells.Group, parts: Sequence[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
    """For each labeling (n,) of a group its number and the cluster (cells,) of each cell, -1 for noise."""
    if group.clusters is not None:
        yield from zip(group.members, group.clusters, strict=True)
        return
    of_cell = np.arange(group.cells, dtype=np.int32)
    of_cell[int(parts[group.members[0]].max()) + 1 :] = -1
    yield group.members[0], of_cell


def _needed(
    cloud: Cloud, cells: Sequence[np.ndarray], of_cell: np.ndarray, homes: np.ndarray, picked: np.ndarray
) -> np.ndarray:
    """Whether a cluster is needed, (k, m), for each row `picked` (m,), of the clusters `homes` (m,).

    `cells` are the numbers of their rows, `of_cell` (cells,) their clusters. Noise needs none.
    """
    rows = [
        np.concatenate([rows for rows, its in zip(cells, of_cell, strict=True) if its == cluster])
        for cluster in range(int(of_cell.max()) + 1)
    ]
    bounds = threads.in_order(lambda which: _bounds(cloud, which, picked), rows)
    low, high = (np.stack(bound) for bound in zip(*bounds, strict=True))
    inside = np.flatnonzero(homes >= 0)
    high[homes[inside], inside] = np.inf
    needed = low <= high.min(axis=0) + SLACK
    needed[homes[inside], inside] = True
    needed[:, homes < 0] = False
    return np.asarray(needed)


def _bounds(cloud: Cloud, which: np.ndarray, picked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (m,) of the mean distance from the rows `picked` (m,) to the rows `which` (c,) of a cluster."""
    moments = np.zeros((cloud.d + 2, cloud.d + 2))
    for start in range(0, len(which), PART):
        rows = cloud.rows[which[start : start + PART]]
        moments += rows.T @ rows
    moments /= len(which)
    low, high = np.empty(len(picked)), np.empty(len(picked))
    for start in range(0, len(picked), PART):
        span = slice(start, start + PART)
        left = against(cloud.rows[picked[span]])
        square = np.maximum(left @ moments[:, -1], 0.0)
        fourth = np.maximum(np.einsum("ij,ij->i", left @ moments, left), square**2)
        high[span] = np.sqrt(square)
        low[span] = np.divide(square**1.5, np.sqrt(fourth), out=np.zeros(len(left)), where=fourth > 0)
    return low, high


def _by_cell(rough: Rough, cells: Sequence[np.ndarray], wanted: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """Sums (cells, m) of the distances from the rows of each cell to those of `picked` (m,) that it is wanted for."""
    columns = [np.flatnonzero(row) for row in wanted]
    left = against(rough.cloud.rows[picked]).astype(np.float32)
    units = [
        (cell, rows[start : start + UNIT_ROWS])
        for cell, rows in enumerate(cells)
        for start in range(0, len(rows), UNIT_ROWS)
    ]

    def unit(cell: int, which: np.ndarray) -> np.ndarray:
        """Sums (w,) of the distances from the rows `which` (u,) to those that their cell is wanted for."""
        total, tile = np.zeros(len(columns[cell])), np.empty((ROUGH_ROWS, ROUGH_WIDTH), np.float32)
        rows = filled(rough.cloud.rows[which], -(-len(which) // ROUGH_ROWS) * ROUGH_ROWS)
        far = np.empty(tile.size)
        for first in range(0, len(total), ROUGH_WIDTH):
            chosen = columns[cell][first : first + ROUGH_WIDTH]
            factor = filled(left[chosen], ROUGH_WIDTH)
            for start in range(0, len(which), ROUGH_ROWS):
                some = which[start : start + ROUGH_ROWS]
                lengths = far[: len(some) * len(chosen)].reshape(len(some), len(chosen))
                rough.measure(tile, rows[start : start + ROUGH_ROWS], factor, some, picked[chosen], lengths)
                total[first : first + len(chosen)] += np.ones(len(some)) @ lengths
        return total

    by_cell = np.zeros(wanted.shape)
    for (cell, _), total in zip(units, threads.in_order(lambda each: unit(*each), units), strict=True):
        by_cell[cell, columns[cell]] += total
    return by_cell
