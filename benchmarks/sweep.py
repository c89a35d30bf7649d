"""The sweep engine against the same grid as plain scikit-learn loops, in one run, family by family in turns.

    python benchmarks/sweep.py                         both shapes, every family (about 20 minutes on two cores)
    python benchmarks/sweep.py --write                 the same, into benchmarks/results/sweep.md
    python benchmarks/sweep.py --shape digits          a trial of a minute, without any download
    python benchmarks/sweep.py --shape wide --only svm ward

Shapes: narrow (8,000 x 50), wide (10,000 x 1,280), digits (1,797 x 64). The loops are those of a competent user: all
cores, n_jobs=-1 where the estimator has it, joblib over the members where it has not, float32, a large cache for SVC.
The engine does what a job of a sweep does: it reads from the store, computes all members, and writes each of them.
Each side of each family is a process of its own; imports, reading and a small trial before are not counted. Labels and
metrics of both sides are compared in the same run.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import _agreement
import _features
import _measure
import _sides
import numpy as np

from backbench import paths, provenance
from backbench.metrics.near import Near

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "sweep.md"
DEFAULT = ("narrow", "wide")
# Of the distances to the fourth other row: what DBSCAN's eight radii are.
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9)
WITH_TREES = ("ward", "average")


@dataclass(frozen=True)
class Row:
    """A family on one shape, by both sides; `same` says how far they agree."""

    family: str
    members: int
    loops: _measure.Measured
    engine: _measure.Measured
    same: str
    cached: _measure.Measured | None = None

    @property
    def counts(self) -> bool:
        """Whether both sides came to an end."""
        return self.loops.failure is None and self.engine.failure is None and not self.engine.value["failed"]


def main() -> None:
    args = _arguments()
    lines = _head()
    for name in args.shape:
        lines += _shape(name, args)
    lines += _notes()
    print("\n".join(lines))
    if args.write:
        TARGET.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _shape(name: str, args: argparse.Namespace) -> list[str]:
    data = _features.shape(name, args.work).first(args.rows)
    with tempfile.TemporaryDirectory() as folder:
        data.save(Path(folder) / "data")
        radii = _radii(data.x)
        rows = [_row(family, data, radii, Path(folder)) for family in _sides.FAMILIES if _wanted(family, args.only)]
    return _table(name, data, rows, radii)


def _wanted(family: str, only: list[str] | None) -> bool:
    return only is None or family in only or _sides.FAMILIES[family].plugin in only


def _radii(x: np.ndarray) -> list[float]:
    """Eight radii for DBSCAN, the same on both sides."""
    ranked = Near(x).nearest("euclidean", 4)[1][:, 3]
    return [float(f"{value:.4g}") for value in np.quantile(ranked, QUANTILES)]


def _row(family: str, data: _features.Data, radii: list[float], folder: Path) -> Row:
    def side(function: str) -> _measure.Measured:
        arguments = {"family": family, "folder": str(folder / "data"), "radii": radii}
        found = _measure.alone("_sides", function, {**arguments, "answer": str(folder / f"{function}.npy")})
        print(f"{family}, {function}: {found.failure or f'{found.seconds:.1f} s'}", file=sys.stderr, flush=True)
        return found

    asked = _sides.configs(family, radii)
    loops, engine = side("loops"), side("engine")
    trees = side("cached") if family in WITH_TREES else None
    same = _agreement.told(_sides.FAMILIES[family].kind, data, loops, engine, folder)
    return Row(family, len(asked), loops, engine, same, trees)


# ------------------------------------------------------------------------------------------------ words


def _head() -> list[str]:
    about, versions = provenance.machine(), provenance.versions()
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "numpy", "scipy", "scikit-learn"))
    return [
        "# The sweep engine against plain scikit-learn loops\n",
        "```bash",
        _measure.command("benchmarks/sweep.py"),
        "```\n",
        f"{_features.CORES} cores of {about['cpu']}, load at the start {os.getloadavg()[0]:.1f}; {named}.",
    ]


def _table(name: str, data: _features.Data, rows: list[Row], radii: list[float]) -> list[str]:
    n, d = data.x.shape
    lines = [
        f"\n## {n:,} x {d:,}: {_features.TITLES[name]}\n",
        "| family | members | scikit-learn s | fit | scores | engine s | of it scores | ratio | scikit-learn MB | MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(row) for row in rows),
        _total([row for row in rows if row.counts]),
        "\nAgreement:\n",
        *(f"- {row.family}: {row.same}" for row in rows),
    ]
    if any(row.family == "dbscan" for row in rows):
        lines.append(f"\nDBSCAN's radii: {', '.join(f'{radius:g}' for radius in radii)}.")
    return lines + [_cached(row) for row in rows if row.cached and row.cached.failure is None and row.counts]


def _line(row: Row) -> str:
    cells = [row.family, str(row.members)]
    if not row.counts:
        why = [row.loops.failure, row.engine.failure, *(row.engine.value or {}).get("failed", [])]
        return f"| {' | '.join(cells)} | {next(filter(None, why))} |{' |' * 7}"
    own, other = row.loops, row.engine
    cells += [f"{own.seconds:.1f}", f"{own.value['fit']:.1f}", f"{own.value['score']:.1f}"]
    cells += [f"{other.seconds:.1f}", f"{other.value['score']:.1f}", f"**{own.seconds / other.seconds:.1f}**"]
    return f"| {' | '.join([*cells, f'{own.peak_mb:,.0f}', f'{other.peak_mb:,.0f}'])} |"


def _total(rows: list[Row]) -> str:
    def summed(side: str, part: str) -> float:
        return sum(getattr(row, side).value[part] for row in rows)

    loops, engine = sum(row.loops.seconds for row in rows), sum(row.engine.seconds for row in rows)
    cells = [str(sum(row.members for row in rows)), f"{loops:.1f}"]
    cells += [f"{summed('loops', 'fit'):.1f}", f"{summed('loops', 'score'):.1f}", f"{engine:.1f}"]
    cells += [f"{summed('engine', 'score'):.1f}", f"**{loops / engine:.1f}**" if engine else ""]
    peaks = [max((getattr(row, side).peak_mb for row in rows), default=0.0) for side in ("loops", "engine")]
    return f"| **total** | {' | '.join(cells)} | {peaks[0]:,.0f} | {peaks[1]:,.0f} |"


def _cached(row: Row) -> str:
    """A loop by one who knows of `memory` shares the tree too; no part of the total."""
    fits = row.engine.seconds - row.engine.value["score"]
    return (
        f"\n`AgglomerativeClustering(memory=...)` builds one tree for all k: {row.family} then fits in "
        f"{row.cached.seconds:.1f} s with {row.cached.peak_mb:,.0f} MB, without the scores (engine: {fits:.1f} s)."
    )


def _notes() -> list[str]:
    return [
        "\nMB: peak of the process and of those that it started, beyond what they held before, scikit-learn's and the",
        "engine's; for the loops the sum of each process's own peak. Scores are those of the family's labelings:",
        "silhouette, Davies-Bouldin, Calinski-Harabasz, NMI, ARI and Hungarian accuracy on both sides; the engine's",
        "have purity, majority share and WCSS too, keep the silhouette of every row, and run while other members are",
        "fitted. The engine's seconds include the verified reading of the features and the writing of every result;",
        "the loops keep theirs in memory. Every family searches its own neighbours here; in a sweep they are searched",
        "once for all. The total's MB are the largest of its families.",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shapes = f"{' '.join(_features.SHAPES)} (default: {' '.join(DEFAULT)})"
    parser.add_argument("--shape", nargs="+", choices=_features.SHAPES, default=DEFAULT, metavar="SHAPE", help=shapes)
    parser.add_argument("--only", nargs="+", metavar="FAMILY", help=", ".join(map(repr, _sides.FAMILIES)))
    parser.add_argument("--rows", type=int, help="take the first rows of the shape alone, for a trial")
    parser.add_argument("--work", type=Path, help="folder that keeps the features (default: in the temporary folder)")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.relative_to(paths.CHECKOUT)}")
    args = parser.parse_args()
    args.work = _features.work_folder(args.work)
    return args


if __name__ == "__main__":
    main()
