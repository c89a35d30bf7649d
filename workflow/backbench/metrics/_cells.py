"""Sums over the clusters of many labelings at once, by way of the cells that their clusters cut each other into.

Labelings that agree much have few cells together: the distances are added up by cell once, and the cells by cluster.
Only sums without rounding error may go this way (`_cloud`), for what is grouped depends on the company.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SPARSE_TABLE = 4
MOST_CELLS = 0.5
# What the cells of one more labeling may add to the sums, in passes over all rows; a pass of its own costs 1.
WORTH = 0.8


@dataclass(frozen=True)
class Group:
    """Labelings that share cells.

    Attributes
    ----------
    members : numbers of the labelings
    codes : (n,) int32, the cell of each row
    cells : number of cells
    clusters : for each member the cluster of each cell, -1 for noise; None for a labeling alone, whose cells are its
        clusters with the noise as one more at the end
    """

    members: list[int]
    codes: np.ndarray
    cells: int
    clusters: list[np.ndarray] | None


def groups(parts: Sequence[np.ndarray]) -> list[Group]:
    """Groups of canonical labelings (n,), each grown as long as its cells are few beside the rows."""
    grown: list[list[Any]] = []
    for i in sorted(range(len(parts)), key=lambda i: -int(parts[i].max())):
        codes, count = _with_noise(parts[i])
        joined = _refined(grown[-1], codes, count) if grown else None
        if joined is None:
            grown.append([[i], codes, count])
        else:
            grown[-1] = [[*grown[-1][0], i], *joined]
    return [_group(members, codes, cells, parts) for members, codes, cells in grown]


def _refined(group: list[Any], codes: np.ndarray, count: int) -> tuple[np.ndarray, int] | None:
    """Cells with one more labeling, as codes (n,) and their number; None where they become too many."""
    members, known, cells = group
    joint, total = _renumbered(known * np.int64(count) + codes, cells * count)
    more = (len(members) + 1) * total - (len(members) * cells if len(members) > 1 else 0)
    return (joint, total) if total <= MOST_CELLS * len(codes) and more <= WORTH * len(codes) else None


def _with_noise(part: np.ndarray) -> tuple[np.ndarray, int]:
    """Codes (n,) of a labeling whose noise is one more cluster, and how many there are."""
    count = int(part.max()) + 1
    noise = part < 0
    return (np.where(noise, count, part).astype(np.int32), count + 1) if noise.any() else (part, count)


def _renumbered(codes: np.ndarray, bound: int) -> tuple[np.ndarray, int]:
    """Codes (n,) below `bound` as 0, 1, ... in their order, and how many there are."""
    if bound > SPARSE_TABLE * len(codes):
        names, numbers = np.unique(codes, return_inverse=True)
        return numbers.astype(np.int32), len(names)
    there = np.zeros(bound, dtype=bool)
    there[codes] = True
    return (np.cumsum(there, dtype=np.int32) - np.int32(1))[codes], int(there.sum())


def _group(members: list[int], codes: np.ndarray, cells: int, parts: Sequence[np.ndarray]) -> Group:
    """The group of labelings (n,) that share cells with codes (n,)."""
    if len(members) == 1:
        return Group(members, codes, cells, None)
    clusters = []
    for i in members:
        cluster_of = np.empty(cells, dtype=np.int32)
        cluster_of[codes] = parts[i]
        clusters.append(cluster_of)
    return Group(members, codes, cells, clusters)


def adder(codes: np.ndarray, count: int) -> Any:
    """The sparse (count, n) matrix that adds up rows by their codes (n,); a negative code is left out."""
    from scipy.sparse import csc_array

    kept = codes >= 0
    if kept.all():
        ends = np.arange(len(codes) + 1, dtype=np.int32)
        return csc_array((np.ones(len(codes)), codes, ends), shape=(count, len(codes)))
    ends = np.concatenate([[0], np.cumsum(kept)]).astype(np.int32)
    return csc_array((np.ones(int(ends[-1])), codes[kept], ends), shape=(count, len(codes)))
