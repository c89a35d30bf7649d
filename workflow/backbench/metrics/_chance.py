"""What a table of clusters against classes holds by chance, if its margins stay and the images are dealt at random.

A cell then follows a hypergeometric distribution (Vinh, Epps and Bailey 2010, section 4.1).
"""

from collections.abc import Iterator

import numpy as np

# Tails of a cell lighter than 2 exp(-TAIL), by Bernstein's inequality, are left out.
TAIL = 38.0
# Cells that are summed at a time: each has about 130 values at most.
CELLS = 2048
# A wide cell is summed on a grid of this many values per standard deviation, which is exact to rounding: a cell is a
# sum of independent trials, so its characteristic function is below exp(-60) at the frequencies of the grid.
PER_DEVIATION = 3


def expected_logs(sizes: np.ndarray, classes: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Expected sums (samples,) of x log x over the cells of a table; whole numbers in float64.

    `sizes` (clusters, samples) and `classes` (classes, samples) are the margins, `total` (samples,) all images.
    Clusters of one image may be left out of `sizes`: their cells hold at most one image, and 1 log 1 = 0.
    """
    kinds, kind = np.unique(total.astype(np.int64), return_inverse=True)
    base = int(kinds.max(initial=0)) + 1
    cells = [_cells(*sample, base) for sample in zip(sizes.T, classes.T, kind, strict=True)]
    codes, weights = (np.concatenate(part) for part in zip(*cells, strict=True))
    distinct, place = np.unique(codes, return_inverse=True)
    margins, columns = np.divmod(distinct, base)
    places, rows = np.divmod(margins, base)
    values = np.concatenate([np.empty(0), *_expected(rows, columns, kinds[places])])[place]
    samples = np.repeat(np.arange(len(total)), [len(part) for part, _ in cells])
    return np.bincount(samples, weights * values, minlength=len(total))


def _cells(sizes: np.ndarray, classes: np.ndarray, kind: int, base: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (cells,) of the distinct pairs of sizes (clusters,) and classes (classes,), and how many there are of each.

    Only pairs that can meet more than once; a code holds `kind`, the size and the class as digits to the base `base`.
    """
    rows, of_rows = np.unique(sizes[sizes > 1].astype(np.int64), return_counts=True)
    columns, of_columns = np.unique(classes[classes > 1].astype(np.int64), return_counts=True)
    return ((kind * base + rows[:, None]) * base + columns).ravel(), np.outer(of_rows, of_columns).ravel()


def _expected(rows: np.ndarray, columns: np.ndarray, total: np.ndarray) -> Iterator[np.ndarray]:
    """Expected x log x (some cells,) of cells with these margins and totals (cells,), block by block."""
    from scipy.special import gammaln

    counts = np.arange(int(total.max(initial=0)) + 1, dtype=np.float64)
    logs, factorials = np.log(np.maximum(counts, 1)), gammaln(counts + 1)
    for start in range(0, len(rows), CELLS):
        block = slice(start, start + CELLS)
        yield _block(rows[block], columns[block], total[block], logs, factorials)


def _block(
    rows: np.ndarray, columns: np.ndarray, total: np.ndarray, logs: np.ndarray, factorials: np.ndarray
) -> np.ndarray:
    """Expected x log x (cells,) of cells with these margins and totals (cells,), by tables of log x and log x!.

    With the mean m of a cell: E[x log x] = m log m + E[x log(x / m) - x + m], whose terms are positive and small. Where
    m is below 1, x log x itself is small.
    """
    mean = rows * columns / total
    variance = mean * (1 - rows / total) * (total - columns) / (total - 1)
    reach = TAIL / 3 + np.sqrt(TAIL**2 / 9 + 2 * TAIL * variance)
    least = np.maximum(np.maximum(rows + columns - total, 0), np.ceil(mean - reach).astype(np.int64))
    most = np.minimum(np.minimum(rows, columns), np.floor(mean + reach).astype(np.int64))
    step = np.maximum(np.sqrt(variance) / PER_DEVIATION, 1).astype(np.int64)
    lengths = (most - least) // step + 1
    starts = np.cumsum(lengths) - lengths
    cell = np.repeat(np.arange(len(rows)), lengths)
    x = least[cell] + step[cell] * (np.arange(len(cell)) - starts[cell])
    a, b, n = rows[cell], columns[cell], total[cell]
    fixed = factorials[rows] + factorials[columns] + factorials[total - rows] + factorials[total - columns]
    fixed -= factorials[total]
    chance = np.exp(fixed[cell] - factorials[x] - factorials[a - x] - factorials[b - x] - factorials[n - a - b + x])
    reference = np.log(np.maximum(mean, 1))
    terms = x * (logs[x] - reference[cell]) - np.where(mean > 1, 1, 0)[cell] * (x - mean[cell])
    sums = np.add.reduceat(chance * terms, starts) / np.add.reduceat(chance, starts)
    return mean * reference + sums
