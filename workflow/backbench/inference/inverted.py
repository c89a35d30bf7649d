"""Inverted lists: approximate nearest rows of a large matrix, from a file that is mapped into memory.

faiss's ``IndexIVFScalarQuantizer`` (Jégou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", IEEE
TPAMI 2011): rows are filed under the nearest of `nlist` centres, a byte for each of their numbers, and a query looks
into the lists of its `nprobe` nearest centres. What it finds there is measured again on the matrix itself in float64,
so that a distance is never approximate; a neighbour may be missing, and how often is measured (:func:`tuned`).

faiss trusts the files that it reads. Only files that this module wrote are opened: their size is checked each time,
and so is the SHA-256 of everything that faiss reads as structure, the centres and the sizes of the lists. The lists
themselves are plain numbers behind that, as large as a quarter of the matrix. They are mapped and not read, which is
why opening is fast; a wrong byte there can hide a neighbour, and no more, for row numbers beyond the matrix are dropped
and distances are those of the matrix.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench import hashing, threads
from backbench.files import make_folder, replacing
from backbench.inference import exact
from backbench.metrics import approximate, neighbours

if TYPE_CHECKING:
    import faiss

BLOCK = 256
# Candidates that are measured: so many times those asked for, and some more.
TIMES, MORE = 3, 16
# Bytes at the end of a file that are checked as well.
TAIL = 1 << 16
SEED, COUNT = 0, 10
# The number of a row in a list.
NUMBER_BYTES = 8


@dataclass(frozen=True)
class Lists:
    """An opened index of rows (n, d), from which `mean` (d,) is subtracted; zeros for the cosine."""

    rows: np.ndarray
    metric: neighbours.Metric
    index: "faiss.Index"
    mean: np.ndarray
    nprobe: int

    def nearest(
        self, queries: np.ndarray, count: int, excluded: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances (q, count), nearest first, of queries (q, d); exact where the lists hold too few.

        `excluded` (q,) is the row that each query is itself, -1 for none.
        """
        spans = [slice(start, start + BLOCK) for start in range(0, len(queries), BLOCK)]
        without = np.full(len(queries), -1) if excluded is None else excluded
        parts = list(threads.in_order(lambda span: self._block(queries[span], count, without[span]), spans))
        if not parts:
            return np.empty((0, count), np.int64), np.empty((0, count))
        indices, distances = (np.concatenate(each) for each in zip(*parts, strict=True))
        few = np.flatnonzero(indices[:, -1] < 0)
        if len(few):
            left = None if excluded is None else excluded[few]
            answer = neighbours.nearest(queries[few], self.rows, count, self.metric, left)
            indices[few], distances[few] = answer
        return indices, distances

    def _block(self, queries: np.ndarray, count: int, excluded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances (m, count) of queries (m, d); -1 where their lists hold too few."""
        import faiss

        # faiss makes this class from C++, with any field as a keyword; its stubs know none of them.
        params = faiss.SearchParametersIVF(nprobe=self.nprobe)  # type: ignore[call-arg]
        depth = min(TIMES * count + MORE, len(self.rows))
        listed = self.index.search(_placed(queries, self.metric, self.mean), depth, params=params)[1]
        near = (listed >= 0) & (listed < len(self.rows)) & (listed != excluded[:, None])
        query, place = np.nonzero(near)
        return exact.ranked(queries, self.rows, query, listed[query, place], count, self.metric)


def built(rows: np.ndarray, metric: neighbours.Metric) -> "tuple[faiss.IndexIVF, np.ndarray]":
    """An index of rows (n, d), made by one core from a seed, and the mean (d,) that is subtracted from them."""
    import faiss

    n, d = rows.shape
    cosine = metric == "cosine"
    mean = np.zeros(d) if cosine else rows.mean(axis=0, dtype=np.float64)
    nlist = max(1, min(int(4 * np.sqrt(n)), n // approximate.FEWEST))
    kind = faiss.METRIC_INNER_PRODUCT if cosine else faiss.METRIC_L2
    coarse = (faiss.IndexFlatIP if cosine else faiss.IndexFlatL2)(d)
    # The bytes are of the rows themselves: those of differences to a centre take longer to search.
    index = faiss.IndexIVFScalarQuantizer(coarse, d, nlist, faiss.ScalarQuantizer.QT_8bit, kind, False)
    index.cp.seed, index.cp.niter = SEED, approximate.ROUNDS
    size = min(n, approximate.LEARNT * nlist)
    some = np.sort(np.random.default_rng(SEED).choice(n, size, replace=False))
    index.train(_placed(rows[some], metric, mean))
    step = max(1, (1 << 24) // d)
    for start in range(0, n, step):
        index.add(_placed(rows[start : start + step], metric, mean))
    return index, mean


def tuned(
    rows: np.ndarray, metric: neighbours.Metric, index: "faiss.Index", mean: np.ndarray, wanted: float, sample: int
) -> dict[str, Any]:
    """How many lists to look into, and the recall that it gives, as plain JSON.

    The first power of two with the recall `wanted` on some rows (n, d) as queries is taken; the recall that is
    reported is that of `sample` others. A neighbour counts as found if it is no farther than the last exact one.
    """
    count, scan = min(COUNT, len(rows) - 1), exact.Exact(rows, metric)
    drawn = np.random.default_rng(SEED + 1).permutation(len(rows))
    choosing, judging = drawn[: approximate.CHOOSING], drawn[approximate.CHOOSING :][:sample]
    # With few rows, the same ones have to serve twice.
    judging = judging if len(judging) else choosing

    def recall(which: np.ndarray, nprobe: int, last: np.ndarray) -> np.ndarray:
        """The share (m,) of the neighbours of the rows `which` (m,) that are found."""
        lengths = Lists(rows, metric, index, mean, nprobe).nearest(rows[which], count, which)[1]
        return (lengths <= last[:, None]).mean(axis=1)

    last, nlist, nprobe = scan.nearest(rows[choosing], count, choosing)[1][:, -1], int(index.nlist), 1
    while nprobe < nlist and recall(choosing, nprobe, last).mean() < wanted:
        nprobe *= 2
    nprobe = min(nprobe, nlist)
    shares = recall(judging, nprobe, scan.nearest(rows[judging], count, judging)[1][:, -1])
    error = float(shares.std(ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else 0.0
    measured = {"recall": float(shares.mean()), "recall_se": error, "at": count, "measured": len(shares)}
    return {"nlist": nlist, "nprobe": nprobe, **measured}


def write(index: "faiss.IndexIVF", folder: Path, stem: str) -> dict[str, Any]:
    """Write an index whole or not at all; what :func:`read` checks, with the name of the file, as plain JSON.

    Raises
    ------
    OSError, WriteError
        If it cannot be written.
    """
    import faiss

    make_folder(folder)
    with replacing(folder) as (handle, commit):
        try:
            faiss.write_index(index, handle.name)
        except RuntimeError as error:
            raise OSError(str(error)) from error
        written = Path(handle.name)
        size, digest = written.stat().st_size, hashing.file_digest(written)
        head = size - index.ntotal * (index.code_size + NUMBER_BYTES)
        target = folder / f"{stem}.{hashing.short(digest)}.faiss"
        checks = {"file": target.name, "bytes": size, "sha256": digest, "head": head, "ends": _ends(written, head)}
        commit(target)
    return checks


def read(folder: Path, checks: Mapping[str, Any], shape: tuple[int, int]) -> "faiss.Index | None":
    """The index of rows of this `shape`, its lists mapped into memory; None where it is absent or damaged."""
    import faiss

    path = folder / checks["file"]
    try:
        if path.stat().st_size != checks["bytes"] or _ends(path, checks["head"]) != checks["ends"]:
            return None
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    except (OSError, RuntimeError):
        return None
    return index if (index.ntotal, index.d) == shape else None


def _ends(path: Path, head: int) -> str:
    """The SHA-256 of the first `head` bytes of a file and of its last ones."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        hasher.update(file.read(head))
        file.seek(max(0, path.stat().st_size - TAIL))
        hasher.update(file.read())
    return hasher.hexdigest()


def _placed(rows: np.ndarray, metric: neighbours.Metric, mean: np.ndarray) -> np.ndarray:
    """Rows (m, d) as faiss compares them, (m, d) float32: of length 1, or from the mean (d,)."""
    placed = rows.astype(np.float64) - mean
    if metric == "cosine":
        length = exact.lengths(rows, mean)[:, None]
        np.divide(placed, length, out=placed, where=length > 0)
    return np.ascontiguousarray(placed, dtype=np.float32)
