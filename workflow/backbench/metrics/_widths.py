"""Silhouette widths of many labelings: strips of distances, added up by cluster (Rousseeuw 1987)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from backbench import threads
from backbench.metrics import _cells, _rivals
from backbench.metrics._cloud import ROUGH_MOST, ROUGH_WIDTH, Cloud, Rough

STRIP_BYTES, CHUNK_BYTES = 1 << 22, 1 << 22
NARROWEST, WIDEST = 32, 128
HELD_BYTES = 1 << 28


def widths(cloud: Cloud, parts: Sequence[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """Widths (m,) float64 of `rows` (m,) against all rows, for each canonical labeling (n,); NaN for noise.

    Each labeling has two clusters or more. A row alone in its cluster has width 0.
    """
    return _measured(cloud, parts, rows, int(np.clip(STRIP_BYTES // (8 * cloud.n), NARROWEST, WIDEST)))


def drawn(cloud: Cloud, parts: Sequence[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """Widths (m,) of `rows` (m,) for each labeling (n,), by products of float32: enough for the mean of a sample."""
    rough = Rough(cloud)
    if cloud.n >= ROUGH_MOST or not rough.suits(rows):
        return _measured(cloud, parts, rows, ROUGH_WIDTH)
    whole: dict[int, np.ndarray] = {}
    others: list[_cells.Group] = []
    for group in _cells.groups(parts):
        if _rivals.worthwhile(cloud, parts, group, len(rows)):
            for i, sums in _rivals.sums(rough, parts, group, rows):
                whole[i] = width_of(sums, parts[i][rows], np.bincount(parts[i][parts[i] >= 0]))
        else:
            others.append(group)
    whole |= _measured_groups(rough, parts, others, rows, ROUGH_WIDTH)
    return [whole[i] for i in range(len(parts))]


def strip(n: int) -> int:
    """Rows that `drawn` measures together."""
    return ROUGH_WIDTH


def _measured(cloud: Cloud | Rough, parts: Sequence[np.ndarray], rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Widths (m,) of `rows` (m,) in each labeling (n,), in strips of `size` rows."""
    whole = _measured_groups(cloud, parts, _cells.groups(parts), rows, size)
    return [whole[i] for i in range(len(parts))]


def _measured_groups(
    cloud: Cloud | Rough, parts: Sequence[np.ndarray], groups: list[_cells.Group], rows: np.ndarray, size: int
) -> dict[int, np.ndarray]:
    """Widths (m,) of `rows` (m,) in the labelings (n,) of some groups, by their numbers."""
    whole = {i: np.empty(len(rows)) for group in groups for i in group.members}
    strips = [(start, rows[start : start + size]) for start in range(0, len(rows), size)]
    for batch in _batches(cloud.n, size, groups):
        sums = _Sums(cloud, parts, batch, size)
        results = threads.in_order(sums.strip, [picked for _, picked in strips])
        for (start, picked), widths_of in zip(strips, results, strict=True):
            for i, strip in widths_of.items():
                whole[i][start : start + len(picked)] = strip
    return whole


def _chunk(size: int) -> int:
    """Rows that a strip of `size` rows is measured against at once."""
    return CHUNK_BYTES // (8 * size)


def _batches(n: int, strip: int, groups: list[_cells.Group]) -> Iterator[list[_cells.Group]]:
    """Groups whose sums are held together for `strip` rows; a strip of one chunk holds those of one group at a time."""
    batch: list[_cells.Group] = []
    held = 0
    for group in groups:
        size = 16 * strip * group.cells if n > _chunk(strip) else 0
        if batch and held + size > HELD_BYTES:
            yield batch
            batch, held = [], 0
        batch.append(group)
        held += size
    if batch:
        yield batch


class _Sums:
    """What the strips of one pass share: cells, and the matrices that add up by them."""

    def __init__(self, cloud: Cloud | Rough, parts: Sequence[np.ndarray], groups: list[_cells.Group], size: int):
        """Prepare what adds up the labelings (n,) of some groups for strips of `size` rows."""
        self.cloud, self.parts, self.groups = cloud, parts, groups
        self.counts = {i: np.bincount(parts[i][parts[i] >= 0]) for group in groups for i in group.members}
        step = _chunk(size)
        self.spans = [(start, min(start + step, cloud.n)) for start in range(0, cloud.n, step)]
        self.adders = [
            [_cells.adder(group.codes[start:stop], group.cells) for start, stop in self.spans] for group in groups
        ]
        self.joiners = [self._joiners(group) for group in groups]

    def _joiners(self, group: _cells.Group) -> list[Any]:
        """What adds up cells to the clusters of each member."""
        if group.clusters is None:
            return []
        members = zip(group.members, group.clusters, strict=True)
        return [_cells.adder(clusters, len(self.counts[i])) for i, clusters in members]

    def strip(self, picked: np.ndarray) -> dict[int, np.ndarray]:
        """Widths (s,) of the rows `picked` (s,) in each labeling, by its number."""
        widths: dict[int, np.ndarray] = {}
        held: list[Any] = [None] * len(self.groups)
        for chunk, far in enumerate(self.cloud.chunks(picked, self.spans)):
            for g, group in enumerate(self.groups):
                more = self.adders[g][chunk] @ far
                held[g] = more if held[g] is None else np.add(held[g], more, out=held[g])
                if chunk == len(self.spans) - 1:
                    for i, sums in self._members(group, self.joiners[g], held[g]):
                        widths[i] = width_of(sums, self.parts[i][picked], self.counts[i])
                    held[g] = None
        return widths

    def _members(self, group: _cells.Group, joiners: list[Any], cells: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Sums (k, s) by cluster of each labeling of a group, from those by cell (cells, s)."""
        if group.clusters is None:
            yield group.members[0], cells[: len(self.counts[group.members[0]])]
            return
        for i, joiner in zip(group.members, joiners, strict=True):
            yield i, joiner @ cells


def width_of(sums: np.ndarray, part: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Widths (s,) of rows of the clusters `part` (s,) from their sums of distances (k, s) to each, overwritten.

    `count` (k,) are the sizes of the clusters.
    """
    columns = np.arange(len(part))
    size = count[part]
    within = sums[part, columns] / np.maximum(size - 1, 1)
    sums /= count[:, None]
    sums[part, columns] = np.inf
    other = sums.min(axis=0)
    larger = np.maximum(within, other)
    widths: np.ndarray = np.divide(other - within, larger, out=np.zeros(len(part)), where=larger > 0)
    widths[size == 1] = 0.0
    widths[part < 0] = np.nan
    return widths
