"""Duplicates: images of equal content, and images whose perceptual hashes differ in few bits.

All pairs within a distance are found without comparing every pair: if two hashes of 64 bits differ in at most d bits,
at least one of d + 1 bands of bits is equal in both (pigeonhole; Manku, Jain and Das Sarma, "Detecting near-duplicates
for web crawling", 2007). Only hashes that share a band are compared; if that would be most pairs, all pairs are.

An image whose hash is ``NO_STRUCTURE`` (blank, or a plain gradient; see ``images.phash``) has no near duplicates.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from backbench.images.phash import NO_STRUCTURE

if TYPE_CHECKING:
    import numpy as np

BITS = 64
# A pair that is looked up costs about this many times as much as one in a dense row.
LOOK_UP_COST = 12


def exact_groups(digests: Iterable[bytes]) -> "np.ndarray":
    """The group (n,) int64 of each image, numbered by its first image: images of equal digest form one group."""
    import numpy as np

    first: dict[bytes, int] = {}
    return np.array([first.setdefault(bytes(digest), row) for row, digest in enumerate(digests)], np.int64)


def near_pairs(phashes: "np.ndarray", distance: int) -> "np.ndarray":
    """All pairs (m, 2) int64 of images with i < j, in order, whose `phashes` (n,) differ in at most `distance` bits."""
    import numpy as np

    rows = np.flatnonzero(phashes != NO_STRUCTURE)
    hashes = np.ascontiguousarray(phashes[rows], np.uint64)
    keys = [(hashes & mask) for mask in _bands(distance + 1)]
    looked_up = sum(int((size * (size - 1) // 2).sum()) for size in map(_bucket_sizes, keys))
    if looked_up * LOOK_UP_COST > len(hashes) * (len(hashes) - 1) // 2:
        blocks = list(_dense(hashes, distance))
    else:
        blocks = [block for key in keys for block in _sharing(hashes, key, distance)]
    pairs = np.concatenate([np.empty((0, 2), np.int64), *blocks])
    pairs.sort(axis=1)
    return rows[np.unique(pairs, axis=0)].reshape(-1, 2)


def near_groups(phashes: "np.ndarray", distance: int) -> "np.ndarray":
    """The group (n,) int64 of each of `phashes` (n,), numbered by its first image: connected by near pairs."""
    import numpy as np

    values, first, inverse = np.unique(phashes, return_index=True, return_inverse=True)
    group = first[groups(near_pairs(values, distance), len(values))][inverse]
    least = np.full(len(phashes), len(phashes), np.int64)
    np.minimum.at(least, group, np.arange(len(phashes)))
    return np.where(phashes == NO_STRUCTURE, np.arange(len(phashes)), least[group])


def groups(pairs: "np.ndarray", n: int) -> "np.ndarray":
    """The group (n,) int64 of each of n images, numbered by its first image: connected by `pairs` (m, 2)."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return first[component].astype(np.int64)


def _bands(count: int) -> "list[np.uint64]":
    """`count` masks that divide the bits evenly."""
    import numpy as np

    edges = [BITS * band // count for band in range(count + 1)]
    return [np.uint64((1 << high) - (1 << low)) for low, high in itertools.pairwise(edges)]


def _bucket_sizes(key: "np.ndarray") -> "np.ndarray":
    """How often (m,) each distinct value of `key` (n,) occurs."""
    import numpy as np

    return np.unique(key, return_counts=True)[1]


def _sharing(hashes: "np.ndarray", key: "np.ndarray", distance: int) -> "Iterator[np.ndarray]":
    """Near pairs (m, 2) among `hashes` (n,) of equal `key` (n,): sorted by it, each is compared with those after it."""
    import numpy as np

    order = np.argsort(key, kind="stable")
    key, hashes = key[order], hashes[order]
    left = np.arange(len(key))
    for step in range(1, len(key)):
        left = left[left + step < len(key)]
        left = left[key[left] == key[left + step]]
        if not len(left):
            return
        near = left[np.bitwise_count(hashes[left] ^ hashes[left + step]) <= distance]
        yield np.stack([order[near], order[near + step]], axis=1)


def _dense(hashes: "np.ndarray", distance: int) -> "Iterator[np.ndarray]":
    """Near pairs (m, 2) among all `hashes` (n,): one hash at a time with all after it."""
    import numpy as np

    for row in range(len(hashes) - 1):
        near = np.flatnonzero(np.bitwise_count(hashes[row + 1 :] ^ hashes[row]) <= distance)
        if len(near):
            yield np.stack([np.full(len(near), row), near + row + 1], axis=1)
