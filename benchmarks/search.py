"""Search: how long an index takes to make, to open and to ask, how much memory it holds, and what it finds.

    python benchmarks/search.py                          10,000, 100,000 and 1,000,000 vectors of 128 numbers
    python benchmarks/search.py --sizes 10000 --write    some of them, into results/search.md

The vectors are synthetic: clusters of about 200 that overlap a little, around centres drawn from a normal
distribution, compared by their cosine. Each piece of work has a process of its own. Making includes the choice of how
many lists to look into and the measurement of the recall. Opening starts with the matrix mapped into memory, as the
store gives it. A query is one vector that is not in the matrix, asked alone, as a page does.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _measure
import numpy as np

from backbench import machine, paths, provenance, threads

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "search.md"
SIZES, D, EACH, SPREAD = (10_000, 100_000, 1_000_000), 128, 200, 1.3
ASKED, COUNT, BLOCK = 50, 10, 1 << 16


def vectors(n: int, folder: str) -> Callable[[], None]:
    """Write the matrix, and queries from the same clusters."""

    def work() -> None:
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(max(1, n // EACH), D)).astype(np.float32)
        rows = np.lib.format.open_memmap(f"{folder}/rows.npy", "w+", np.float32, (n, D))
        for start in range(0, n, BLOCK):
            rows[start : start + BLOCK] = _around(centres, min(BLOCK, n - start), rng)
        rows.flush()
        np.save(f"{folder}/queries.npy", _around(centres, ASKED, rng))

    return work


def _around(centres: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Vectors (count, d) around some of the centres (c, d)."""
    noise = rng.normal(size=(count, centres.shape[1])).astype(np.float32)
    return centres[rng.integers(0, len(centres), count)] + SPREAD * noise


def make(folder: str, n: int) -> Callable[[], None]:
    """Make the index, unless the search is exact."""
    opened = _opener(folder, n)

    def work() -> None:
        opened()

    return work


def ask(folder: str, n: int) -> Callable[[], dict[str, Any]]:
    """Open the index, ask one query after another, and compare what is found with an exact search."""
    opened = _opener(folder, n)
    queries = np.load(f"{folder}/queries.npy")

    def work() -> dict[str, Any]:
        before, start = _measure._memory("RssAnon"), time.perf_counter()
        index = opened()
        open_seconds = time.perf_counter() - start
        seconds, rows = [], []
        with threads.one_core_each(machine.cores()):
            for query in queries:
                start = time.perf_counter()
                rows.append(index.nearest(query[None], COUNT)[0][0])
                seconds.append(time.perf_counter() - start)
            held = _measure._memory("RssAnon") - before
            found = _recall(rows, index.rows, queries)
        first, middle = seconds[0], float(np.median(seconds[1:]))
        return {"open": open_seconds, "first": first, "query": middle, "held": held, "recall": found} | {
            "sentence": index.sentence
        }

    return work


def _recall(rows: Sequence[np.ndarray], matrix: np.ndarray, queries: np.ndarray) -> float:
    from backbench.inference.exact import Exact

    exact = Exact(matrix, "cosine").nearest(queries, COUNT)[0]
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(exact, rows, strict=True)]))


def _opener(folder: str, n: int) -> Callable[[], Any]:
    """What opens the index of the matrix; libraries are loaded."""
    import faiss  # noqa: F401

    os.environ["BACKBENCH_RESULTS"] = f"{folder}/results"
    from backbench.inference import index

    def opened() -> Any:
        rows = np.load(f"{folder}/rows.npy", mmap_mode="r")
        return index.opened(rows, "cosine", f"synthetic {n}")

    return opened


def report(sizes: Sequence[int]) -> list[str]:
    """The lines of the results."""
    lines, sentences = [], []
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _measured("vectors", n=n, folder=folder)
            made = _measured("make", folder=folder, n=n)
            asked = _measured("ask", folder=folder, n=n)
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.faiss")) / 2**20
        value = asked.value
        cells = [
            f"{made.seconds:.1f} ({made.cpu:.1f})",
            f"{size:,.0f}" if size else "none",
            f"{1e3 * value['open']:.0f}",
        ]
        cells += [f"{1e3 * value['first']:.0f}", f"{1e3 * value['query']:.1f}", f"{value['recall']:.3f}"]
        lines.append(f"| {n:,} | {' | '.join(cells)} | {value['held']:,.0f} |")
        sentences.append(f"- {value['sentence']}")
        print(lines[-1], flush=True)
    return [*_head(), *lines, "", "What is printed with the results of a search:\n", *sentences]


def _measured(function: str, **arguments: Any) -> _measure.Measured:
    measured = _measure.alone("search", function, arguments)
    if measured.failure:
        raise SystemExit(f"{function} {arguments}: {measured.failure}")
    return measured


def _head() -> list[str]:
    return [
        f"# Search among vectors of {D} numbers\n",
        "```bash",
        _measure.command("benchmarks/search.py"),
        "```\n",
        f"{machine.cores()} cores of {provenance.machine()['cpu']}; load of the machine at the end "
        f"{os.getloadavg()[0]:.1f}.",
        f"Vectors in clusters of about {EACH} that overlap a little, compared by their cosine. Make: seconds, and",
        "processor seconds in brackets; with a choice of how many lists to look into, and the recall measured. Query:",
        f"one at a time, {COUNT} neighbours each, the median of {ASKED - 1} after the first. Recall: the share of the",
        f"{COUNT} true neighbours of {ASKED} queries. Held: memory of the process beyond what it held before it opened",
        "the index, most of it libraries that the first search loads; mapped files, whose pages the system may drop,",
        "are left out.\n",
        "| vectors | make s | index MB | open ms | first query ms | query ms | recall@10 | held MB |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--write", action="store_true", help="write results/search.md")
    args = parser.parse_args()
    text = "\n".join(report(args.sizes)) + "\n"
    print(text)
    if args.write:
        TARGET.write_text(text)


if __name__ == "__main__":
    main()
