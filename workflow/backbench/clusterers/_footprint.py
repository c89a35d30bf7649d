"""What clusterers on mutual reachability need: neighbours of each row, and memory. No numpy, for planning asks it."""

from backbench import clusterers

# A first tree takes as many neighbours at least
FEWEST = 5
BLOCKS_MB = 160


def depth(rank: int, n: int) -> int:
    """Neighbours of each of n rows that a tree starts from; the `rank`-th is the core distance, the row the first."""
    return min(max(rank - 1, FEWEST), n - 1)


def neighbours(rank: int, n: int) -> tuple[str, int] | None:
    """Metric and number of neighbours."""
    return ("euclidean", depth(rank, n)) if n > 1 else None


def memory_mb(rank: int, n: int, d: int, count: int) -> float:
    """Rows in float64 (searched, centred), blocks of distances, the graph, and the edges of `count` trees."""
    return BLOCKS_MB + (24 * n * d + 16 * n * depth(rank, n) + (1024 + 128 * count) * n) / clusterers.MB
