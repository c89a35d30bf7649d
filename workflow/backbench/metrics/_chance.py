"""What a table of clusters against classes holds by chance, if its margins stay and the images are dealt at random.

A cell then follows a hypergeometric distribution (Vinh, Epps and Bailey 2010, section 4.1).
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

# Tails of a cell lighter than 2 exp(-TAIL), by Bernstein's inequality, are left out.
TAIL = 38.0
# Cells that are summed at a time: each has about 130 values at most.
CELLS = 2048
# A wide cell is summed on a grid of this many values per standard deviation, which is exact to rounding: a cell is a
# sum of independent trials, so its characteristic function is below exp(-60) at the frequencies of the grid.
PER_DEVIATION = 3
# Margins up to EXACT are nodes themselves; above, the nodes of each octave are NODES of its whole numbers. The expected
# value has its singularity at margin 0, so that the error falls by 5.8 with each node, and is that of rounding.
EXACT, NODES = 96, 20
# Samples of one total that are interpolated; the table is then used for all samples and labelings of so many images.
ALIKE = 8
# Totals whose nodes are kept: those of one data set's clusterings and their samples.
KEPT = 16
# Up to this total the weights of all margins are kept, some 20 numbers each; beyond, those of each sample are made.
WHOLE = 1 << 16
# Up to this total the sums of each size against the classes of a block of samples are kept: labelings of one data set
# are resampled alike, and what is left for each is to look them up. The last `BLOCKS` blocks take 64 MB at most.
LOOKED_UP, BLOCKS = 1 << 12, 32


def expected_logs(sizes: np.ndarray, classes: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Expected sums (samples,) of x log x over the cells of a table; whole numbers in float64.

    Where samples have one total, as bootstrap samples do, the sums are interpolated between `nodes` of that total; else
    each is computed.

    Parameters
    ----------
    sizes : margin (clusters, samples); clusters of one image may be left out: their cells hold at most one image, and
        1 log 1 = 0
    classes : margin (classes, samples)
    total : all images of each sample, (samples,)
    """
    values, summed = np.empty(len(total)), np.ones(len(total), dtype=bool)
    for number, count in zip(*np.unique(total.astype(np.int64), return_counts=True), strict=True):
        if count >= ALIKE:
            alike = total == number
            values[alike] = _interpolated(sizes[:, alike], classes[:, alike], int(number))
            summed &= ~alike
    if summed.any():
        values[summed] = _summed(sizes[:, summed], classes[:, summed], total[summed])
    return values


@dataclass(frozen=True)
class _Octave:
    """The nodes from `first` to `last`, whole numbers (m,), and the products (m,) of their distances to the others."""

    first: int
    last: int
    nodes: np.ndarray
    products: np.ndarray


def nodes(total: int) -> np.ndarray:
    """The margins (nodes,) of tables of `total` images between which expected values are interpolated."""
    exact = np.arange(2, min(EXACT, total) + 1)
    return np.unique(np.concatenate([exact, *(octave.nodes for octave in _octaves(total))]))


@functools.lru_cache(KEPT)
def _octaves(total: int) -> list[_Octave]:
    """The octaves above `EXACT`, the last one up to `total`."""
    starts = [EXACT]
    while 2 * starts[-1] < total:
        starts.append(2 * starts[-1])
    ends = zip(starts, [*starts[1:], total], strict=True) if total > EXACT else []
    return [_octave(first, last) for first, last in ends]


def _octave(first: int, last: int) -> _Octave:
    """With the whole numbers next to the Chebyshev points between the ends, which are nodes too."""
    turns = np.cos(np.pi * np.arange(NODES) / (NODES - 1))
    near = np.unique(np.rint((first + last) / 2 - (last - first) / 2 * turns).astype(np.int64))
    scaled = 2.0 * near / (last - first)
    return _Octave(first, last, near, np.prod(scaled[:, None] - scaled + np.eye(len(near)), axis=1))


@functools.lru_cache(KEPT)
def _table(total: int) -> np.ndarray:
    """Expected x log x (nodes, nodes) of cells whose margins are nodes."""
    margins = nodes(total)
    rows, columns = np.triu_indices(len(margins))
    values = np.empty((len(margins), len(margins)))
    expected = _expected(margins[rows], margins[columns], np.full(len(rows), total))
    values[rows, columns] = values[columns, rows] = np.concatenate([np.empty(0), *expected])
    values.setflags(write=False)
    return values


def _interpolated(sizes: np.ndarray, classes: np.ndarray, total: int) -> np.ndarray:
    """Expected sums (samples,) from margins (clusters, samples) and (classes, samples) of tables of one total."""
    if 1 < total <= LOOKED_UP:
        by_size = _by_size(classes.astype(np.int64).tobytes(), len(classes), total)
        return np.take_along_axis(by_size, sizes.astype(np.int64), axis=0).sum(axis=0)
    left, right = _on_nodes(sizes, total), _on_nodes(classes, total)
    # Sparse rows are added up in order, however many threads BLAS has.
    return (left @ _table(total) * right.toarray()).sum(axis=1)


@functools.lru_cache(BLOCKS)
def _by_size(classes: bytes, count: int, total: int) -> np.ndarray:
    """Expected sums (total + 1, samples) of a cluster of each size with the margin (count, samples) of the classes.

    The margin is int64, as bytes.
    """
    margin = np.frombuffer(classes, np.int64).reshape(count, -1)
    sums = _whole(total) @ (_on_nodes(margin, total) @ _table(total)).T
    sums[:2] = 0.0  # 0 log 0 and 1 log 1, also in expectation
    sums.setflags(write=False)
    return sums


def _on_nodes(margin: np.ndarray, total: int) -> Any:
    """Sparse weights (samples, nodes) of the nodes for the margins (m, samples): sums of Lagrange's polynomials."""
    from scipy.sparse import csr_array

    place, sample = np.nonzero(margin > 1)
    margins = margin[place, sample].astype(np.int64)
    if 1 < total <= WHOLE:
        counts = csr_array((np.ones(len(sample)), (sample, margins)), shape=(margin.shape[1], total + 1))
        return counts @ _whole(total)
    distinct, column = np.unique(margins, return_inverse=True)
    counts = csr_array((np.ones(len(sample)), (sample, column)), shape=(margin.shape[1], len(distinct)))
    return counts @ csr_array(_lagrange(distinct, total))


@functools.lru_cache(KEPT)
def _whole(total: int) -> Any:
    """Sparse weights (total + 1, nodes) of the nodes for every margin."""
    from scipy.sparse import csr_array, vstack

    parts = np.array_split(np.arange(total + 1), 1 + total // CELLS)
    return vstack([csr_array(_lagrange(part, total)) for part in parts], format="csr")


def _lagrange(margins: np.ndarray, total: int) -> np.ndarray:
    """Weights (m, nodes) with which values at the nodes make those at margins (m,), octave by octave.

    Barycentric (Berrut and Trefethen 2004, eq. 4.2).
    """
    places = nodes(total)
    weights = np.zeros((len(margins), len(places)))
    column = np.minimum(np.searchsorted(places, margins), len(places) - 1)
    known = places[column] == margins
    weights[known, column[known]] = 1.0
    for octave in _octaves(total):
        inside = np.flatnonzero(~known & (margins > octave.first) & (margins < octave.last))
        terms = 1 / (octave.products * (margins[inside, None] - octave.nodes))
        first = np.searchsorted(places, octave.first)
        weights[inside, first : first + len(octave.nodes)] = terms / terms.sum(axis=1, keepdims=True)
    return weights


def _summed(sizes: np.ndarray, classes: np.ndarray, total: np.ndarray) -> np.ndarray:
    """As `expected_logs`, with a sum for each pair of a size (clusters, samples) and a class (classes, samples)."""
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
