"""t-SNE and UMAP on the shared exact neighbour graph against the libraries' own searches, in one run.

    python benchmarks/layouts.py                            5,000 rows, every side (some minutes on two cores)
    python benchmarks/layouts.py --threads 1 --write        with one thread, into benchmarks/results/layouts.md
    python benchmarks/layouts.py --sizes 60000 --only search tsne umap     how long a picture of 60,000 images takes
    python benchmarks/layouts.py --digits --sizes 300       a trial of a minute, without any download

The rows are Fashion-MNIST pixels as 50 principal components. Each side is a process of its own; imports, reading and a
small trial before are not counted. How good a t-SNE is says its Kullback-Leibler divergence from the affinities of the
exact graph, the same for all sides, here without any approximation; of UMAP and of both the share of the 15 nearest
rows that are among the 15 nearest in the plane.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import _features
import _measure
import numpy as np

from backbench import paths, provenance, threads
from backbench.metrics.near import Near
from backbench.pictures import _embedding

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "layouts.md"
COUNT, KEPT, CHUNK = 90, 15, 1000
# Side -> its function, its method, and what it is in words.
SIDES = {
    "search": ("search", "", "exact search of 90 neighbours, once for both"),
    "tsne": ("shared", "tsne", "t-SNE on it"),
    "opentsne": ("opentsne", "tsne", "openTSNE with its own search"),
    "sklearn": ("sklearn", "tsne", "scikit-learn's TSNE"),
    "umap": ("shared", "umap", "UMAP on it"),
    "umap-learn": ("umap", "umap", "umap-learn with its own search"),
}


@dataclass(frozen=True)
class Row:
    """A side at one size: what it took, and how good its picture is."""

    side: str
    measured: _measure.Measured
    divergence: float | None = None
    kept: float | None = None


def main() -> None:
    args = _arguments()
    lines = _head(args.threads)
    for n in args.sizes:
        rows = _size(n, args)
        lines += _table(n, rows)
    lines += _notes()
    print("\n".join(lines))
    if args.write:
        TARGET.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _size(n: int, args: argparse.Namespace) -> list[Row]:
    whole = _features.shape("digits", args.work) if args.digits else None
    x = whole.first(n).x if whole else _features.grown(_features.components(50, args.work), n).x
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "x.npy", x)
        with threads.one_core_each(_features.CORES):
            np.save(Path(folder) / "start.npy", _embedding._start(x, Near(x)))
        found = [_side(side, x, Path(folder), args) for side in SIDES if side in args.only]
    return found


def _side(side: str, x: np.ndarray, folder: Path, args: argparse.Namespace) -> Row:
    function, method, _ = SIDES[side]
    answer, graph = folder / f"{side}.npy", folder / "search.npz"
    arguments = {"folder": str(folder), "cores": args.threads, "answer": str(graph if side == "search" else answer)}
    arguments |= {"count": min(COUNT, len(x) - 1)} if side == "search" else {}
    arguments |= {"method": method, "graph": str(graph)} if function == "shared" else {}
    found = _measure.alone("_layout_sides", function, arguments)
    print(f"{side}: {found.failure or f'{found.seconds:.1f} s'}", file=sys.stderr, flush=True)
    if found.failure or side == "search":
        return Row(side, found)
    positions, known = np.load(answer), np.load(graph)
    divergence = _divergence(known, positions) if method == "tsne" else None
    return Row(side, found, divergence, _kept(known["indices"], positions))


def _divergence(known: np.lib.npyio.NpzFile, positions: np.ndarray) -> float:
    """Of the plane from the affinities of the exact graph: sum p log(p / q), all pairs counted."""
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    graph = PrecomputedNeighbors(known["indices"], known["distances"])
    p = PerplexityBasedNN(knn_index=graph, perplexity=_embedding.perplexity(len(positions))).P.tocoo()
    y = positions.astype(np.float64)
    whole = -float(len(y))
    for start in range(0, len(y), CHUNK):
        gap = ((y[start : start + CHUNK, None] - y[None]) ** 2).sum(axis=2)
        whole += float((1 / (1 + gap)).sum())
    q = 1 / (1 + ((y[p.row] - y[p.col]) ** 2).sum(axis=1)) / whole
    some = p.data > 0
    return float((p.data[some] * np.log(p.data[some] / q[some])).sum())


def _kept(indices: np.ndarray, positions: np.ndarray) -> float:
    """Share of the nearest rows that are among the nearest in the plane."""
    with threads.one_core_each(_features.CORES):
        plane = Near(positions).nearest("euclidean", KEPT)[0]
    return float(np.mean([len(np.intersect1d(a, b)) / KEPT for a, b in zip(indices[:, :KEPT], plane, strict=True)]))


# ------------------------------------------------------------------------------------------------ words


def _head(count: int) -> list[str]:
    import importlib.metadata

    about, versions = provenance.machine(), provenance.versions()
    versions = {**versions, "openTSNE": importlib.metadata.version("opentsne")}
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "openTSNE", "umap-learn", "scikit-learn"))
    return [
        "# Layouts on the shared neighbour graph against the libraries' own searches\n",
        "```bash",
        _measure.command("benchmarks/layouts.py"),
        "```\n",
        f"{_features.CORES} cores of {about['cpu']}, threads of each side: {count}, load at the start "
        f"{os.getloadavg()[0]:.1f}; {named}.",
    ]


def _table(n: int, rows: list[Row]) -> list[str]:
    cpu = {row.side: row.measured.cpu for row in rows if row.measured.failure is None}
    return [
        f"\n## {n:,} rows\n",
        "| side | seconds | processor seconds | with the search | ratio | MB | divergence | neighbours kept |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(row, cpu) for row in rows),
    ]


def _line(row: Row, cpu: dict[str, float]) -> str:
    function, method, said = SIDES[row.side]
    if row.measured.failure:
        return f"| {said} | {row.measured.failure} |{' |' * 6}"
    took = row.measured.cpu
    whole = took + cpu["search"] if function == "shared" else took
    theirs = function not in ("shared", "search") and method in cpu
    cells = [f"{row.measured.seconds:.1f}", f"{took:.1f}", f"{whole:.1f}"]
    cells += [f"**{took / (cpu[method] + cpu['search']):.2f}**" if theirs else "", f"{row.measured.peak_mb:,.0f}"]
    cells += [f"{row.divergence:.4f}" if row.divergence is not None else ""]
    cells += [f"{row.kept:.3f}" if row.kept is not None else ""]
    return f"| {said} | {' | '.join(cells)} |"


def _notes() -> list[str]:
    return [
        "\nRatio: processor seconds of the library's own way by ours with the whole search counted, though a sweep",
        "shares it between the two, and with what it has stored. All t-SNEs make 750 rounds; openTSNE takes Barnes-Hut",
        "below 10,000 rows and interpolation from there on. UMAP is held at one core everywhere, for only then it is",
        f"the same twice, and our t-SNE up to {_embedding.ALONE:,} rows: threads of OpenMP spin while they wait, so",
        "that where other work runs on the machine, times with more than one thread mean little. Divergence: Kullback-",
        "Leibler, of the exact graph's affinities, all pairs counted; lower is better. Neighbours kept: share of the",
        f"{KEPT} nearest rows that are among the {KEPT} nearest in the plane. MB: peak beyond what the process held",
        "before.",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[5000], metavar="N", help="rows (default: 5000)")
    parser.add_argument("--only", nargs="+", choices=SIDES, default=list(SIDES), metavar="SIDE", help=", ".join(SIDES))
    parser.add_argument(
        "--threads", type=int, default=_features.CORES, help="threads of each side (default: all cores)"
    )
    parser.add_argument("--digits", action="store_true", help="the digits of scikit-learn in place of Fashion-MNIST")
    parser.add_argument("--work", type=Path, help="folder that keeps the features (default: in the temporary folder)")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.relative_to(paths.CHECKOUT)}")
    args = parser.parse_args()
    args.only = list(dict.fromkeys(["search", *args.only]))
    args.work = _features.work_folder(args.work)
    return args


if __name__ == "__main__":
    main()
