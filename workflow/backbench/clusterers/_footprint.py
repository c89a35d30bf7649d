"""Neighbours and memory that clusterers on mutual reachability need. Planning asks for it, so no numpy."""

from backbench import clusterers

# The least number of neighbours for a first tree
FEWEST = 5
BLOCKS_MB = 160


def depth(rank: int, n: int) -> int:
    """Neighbours per row that a tree over n rows starts from; the row itself is the first of the ranks."""
    return min(max(rank - 1, FEWEST), n - 1)


def neighbours(rank: int, n: int) -> tuple[str, int] | None:
    """Metric and number of neighbours."""
    return ("euclidean", depth(rank, n)) if n > 1 else None


def memory_mb(rank: int, n: int, d: int, count: int) -> float:
    """Rows in float32 (of a tree, and of its large parts), blocks of products, the graph while it is looked for, the
    pairs within a radius, and the edges of `count` trees.
    """
    return BLOCKS_MB + (16 * n * d + 80 * n * depth(rank, n) + (2048 + 128 * count) * n) / clusterers.MB
