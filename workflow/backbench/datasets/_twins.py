"""Images that are there more than once (layer 1): equal content, and perceptual hashes that differ in few bits.

All pairs within a distance are found without comparing all: if two hashes of 64 bits differ in at most d bits, then of
d + 1 bands of bits one is equal in both (pigeonhole; Manku, Jain and Das Sarma, "Detecting near-duplicates for web
crawling", 2007). Only hashes that share a band are compared; where that would be most pairs, all are, row by row.

An image whose hash is ``NO_STRUCTURE`` (blank, or a plain gradient; see ``images.phash``) is nobody's near twin.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from backbench.images.phash import NO_STRUCTURE

if TYPE_CHECKING:
    import numpy as np

BITS = 64
# Comparing a pair that was looked up costs about this many times one in a row of all.
LOOKED_UP = 12


def exact_groups(digests: Iterable[bytes]) -> "np.ndarray":
    """The group (n,) int64 of each image, named by its first member: images of equal digest are one group."""
    import numpy as np

    first: dict[bytes, int] = {}
    return np.array([first.setdefault(bytes(digest), row) for row, digest in enumerate(digests)], np.int64)


def near_pairs(phashes: "np.ndarray", distance: int) -> "np.ndarray":
    """All pairs (m, 2) int64 with i < j, in order, of images whose hashes differ in at most `distance` bits."""
    import numpy as np

    rows = np.flatnonzero(phashes != NO_STRUCTURE)
    hashes = np.ascontiguousarray(phashes[rows], np.uint64)
    keys = [(hashes & mask) for mask in _bands(distance + 1)]
    looked_up = sum(int((size * (size - 1) // 2).sum()) for size in map(_bucket_sizes, keys))
    if looked_up * LOOKED_UP > len(hashes) * (len(hashes) - 1) // 2:
        found = list(_dense(hashes, distance))
    else:
        found = [pairs for key in keys for pairs in _sharing(hashes, key, distance)]
    pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
    pairs.sort(axis=1)
    return rows[np.unique(pairs, axis=0)].reshape(-1, 2)


def near_groups(phashes: "np.ndarray", distance: int) -> "np.ndarray":
    """The group (n,) int64 of each image: who is near, or near to one that is near, named by the first member."""
    import numpy as np

    values, first, inverse = np.unique(phashes, return_index=True, return_inverse=True)
    found = first[groups(near_pairs(values, distance), len(values))]
    least = np.full(len(phashes), len(phashes), np.int64)
    np.minimum.at(least, found[inverse], np.arange(len(phashes)))
    result = least[found[inverse]]
    return np.where(phashes == NO_STRUCTURE, np.arange(len(phashes)), result)


def groups(pairs: "np.ndarray", n: int) -> "np.ndarray":
    """The group (n,) int64 of each of n images, named by its first member: connected by `pairs`, directly or not."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return first[component].astype(np.int64)


def _bands(count: int) -> "list[np.uint64]":
    """`count` masks that share the bits out evenly."""
    import numpy as np

    edges = [BITS * band // count for band in range(count + 1)]
    return [np.uint64((1 << high) - (1 << low)) for low, high in itertools.pairwise(edges)]


def _bucket_sizes(key: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.unique(key, return_counts=True)[1]


def _sharing(hashes: "np.ndarray", key: "np.ndarray", distance: int) -> "Iterator[np.ndarray]":
    """Near pairs among the hashes of equal key: sorted by it, each is compared with the next, the second next, ..."""
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
    """Near pairs among all, one hash with all after it at a time."""
    import numpy as np

    for row in range(len(hashes) - 1):
        found = np.flatnonzero(np.bitwise_count(hashes[row + 1 :] ^ hashes[row]) <= distance)
        if len(found):
            yield np.stack([np.full(len(found), row), found + row + 1], axis=1)
