"""Time and peak memory of every family as the collection grows, with fitted exponents and a log-log plot.

    python benchmarks/scaling.py                       every family, 1,000 to 1,000,000 rows, as a table on the screen
    python benchmarks/scaling.py --write               the same, into benchmarks/results/scaling.md and scaling.svg,
                                                       and into the rates of the plan's time estimates; what plugins
                                                       state of their seconds is printed, to be copied there
    python benchmarks/scaling.py --only kmeans knn --sizes 1000 3000
    python benchmarks/scaling.py --million             one million rows of 128 columns, clustered and scored
    python benchmarks/scaling.py --million --against ../before    in turns with another checkout, as ratios

Every point is a family's whole grid (k from 2 to 15 where k applies) in a process of its own; what its members share
is computed once and counts for all. A family ends at the first size that takes longer than --limit, or that the
plugin's own memory model says does not fit. Imports, reading and a small trial before are not counted.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import _families
import _features
import _growth
import _measure

from backbench import paths, provenance

KINDS = ("clustering", "classification", "neighbours", "metrics")
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000)
LARGEST = 100_000
TO_A_MILLION = ("kmeans", "minibatch_kmeans", "birch", "micro_ward", "labeling")
D, WIDE_D, WIDE_N = 50, 500, 3_000
# Options that count for the one million rows alone, and for the growth of the families alone.
OF_A_MILLION, OF_FAMILIES = ("against", "rows"), ("sizes", "limit", "rates", "wide")
RESULTS = paths.CHECKOUT / "benchmarks" / "results"
RATES = paths.CHECKOUT / "workflow" / "backbench" / "engine" / "cost" / "rates.json"


def main() -> None:
    args = _arguments()
    if args.million:
        import _million

        names = args.only or _million.CLUSTERERS
        unknown = sorted(set(names) - set(_million.CLUSTERERS))
        if unknown:
            raise SystemExit(
                f"--million --only: received {', '.join(unknown)}; allowed: {', '.join(_million.CLUSTERERS)}"
            )
        if args.against and not (args.against / "benchmarks" / "_million.py").is_file():
            raise SystemExit(f"--against: received {args.against}, which is no checkout with this benchmark")
        lines = _million.report(_million.Asked(args.rows, args.work, args.cores, names, args.against))
        _tell(lines, RESULTS / "million.md" if args.write else None)
        return
    points: list[_growth.Point] = []
    for kind, family in _asked(args):
        points += _family(kind, family, args)
        if args.write or args.rates:
            _keep_rates(points)
    lines = _report(points, args)
    _tell(lines, RESULTS / "scaling.md" if args.write else None)
    if args.write:
        _growth.plot(points, RESULTS / "scaling.svg")


def _keep_rates(points: list[_growth.Point]) -> None:
    """Write the rates of searches and scores; those of plugins are to be copied into their `seconds`."""
    rates = _growth.rates(points, RATES)
    kept = {kind: of_kind for kind, of_kind in rates.items() if kind not in (*_families.PLUGINS, "reference")}
    RATES.write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for kind in _families.PLUGINS:
        for family, rate in rates.get(kind, {}).items():
            print(f"{kind} {family}: {_growth.stated(rate)}", file=sys.stderr, flush=True)


def _asked(args: argparse.Namespace) -> list[tuple[str, str]]:
    every = [(kind, family) for kind in KINDS for family in _families.names(kind)]
    return [pair for pair in every if args.only is None or pair[1] in args.only or pair[0] in args.only]


def _family(kind: str, family: str, args: argparse.Namespace) -> list[_growth.Point]:
    """The points of a family: as it grows, until one takes too long or does not fit; and one with more columns."""
    points: list[_growth.Point] = []
    most = SIZES[-1] if family in TO_A_MILLION else LARGEST
    for n in (n for n in args.sizes if n <= most):
        points.append(_point(kind, family, n, D, args))
        if points[-1].ends:
            break
    if args.wide and any(point.seconds for point in points):
        points.append(_point(kind, family, min(WIDE_N, max(args.sizes)), WIDE_D, args))
    return points


def _point(kind: str, family: str, n: int, d: int, args: argparse.Namespace) -> _growth.Point:
    model = _families.model_mb(kind, family, n, d, args.cores)
    members = _families.count(kind, family, n)
    point = _growth.Point(kind, family, n, d, members, model)
    if model is not None and model > _free_mb():
        point.ends = f"does not fit: its model says {model:,.0f} MB"
    else:
        _fill(point, args)
    print(f"{kind} {family} {n:,} x {d}: {point.ends or f'{point.seconds:.2f} s'}", file=sys.stderr, flush=True)
    return point


def _fill(point: _growth.Point, args: argparse.Namespace) -> None:
    arguments = {"kind": point.kind, "family": point.family, "n": point.n, "cores": args.cores}
    folder = str(_features.components(point.d, args.work))
    found = _measure.alone("_families", "point", {**arguments, "folder": folder}, args.limit)
    point.ends = found.failure
    if found.failure is None:
        if found.value["failed"]:
            point.note = f"{found.value['failed']} failed: {found.value['why']}"
        if found.value["failed"] == point.members:
            point.ends = point.note
        else:
            point.seconds, point.cpu, point.peak_mb = found.seconds, found.cpu, found.peak_mb
            if point.members > 1 and (args.rates or args.write):
                one = {**arguments, "folder": folder, "single": True}
                point.single = _measure.alone("_families", "point", one, args.limit).cpu


def _free_mb() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 1024


# ------------------------------------------------------------------------------------------------ words


def _report(points: list[_growth.Point], args: argparse.Namespace) -> list[str]:
    return [
        "# How the families grow\n",
        "```bash",
        _measure.command("benchmarks/scaling.py"),
        "```\n",
        *_head(args),
        "![seconds and peak memory by rows](scaling.svg)\n",
        *_growth.table(points),
        "",
        *_growth.ends(points),
    ]


def _head(args: argparse.Namespace) -> list[str]:
    about, versions = provenance.machine(), provenance.versions()
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "numpy", "scipy", "scikit-learn"))
    return [
        f"{args.cores} cores of {about['cpu']}, load of the machine at the end {os.getloadavg()[0]:.1f}; {named}.\n",
        f"Rows: Fashion-MNIST's pixels as {D} principal components, all 70,000 images; beyond that images drawn again",
        f"with a jitter of {_features.JITTER:g} standard deviations. A point is a family's whole grid in a process of",
        f"its own, ended after {args.limit:.0f} s. Clustering is without its scores: those are the family `labeling`,",
        f"all metrics of {len(_families.KS)} labelings (above {_families.EXACT:,} rows silhouettes are estimated on",
        f"{_families.SAMPLE:,}). At 1,000,000 rows k is 2, 8 and 15. Classifiers learn from 60 % of the rows and",
        "answer for the others. MB: peak beyond the matrix, which the process held before; by model: what the plugin",
        "tells the planner, at the largest size. Exponents are slopes of least squares through the last three sizes,",
        f"of processor seconds of a member and of peak MB; that of d from {D} to {WIDE_D} at {WIDE_N:,} rows.\n",
    ]


def _tell(lines: list[str], target: Path | None) -> None:
    print("\n".join(lines))
    if target is not None:
        target.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _refuse_idle(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with an error where an option was given that does not count with the others."""
    idle = OF_FAMILIES if args.million else OF_A_MILLION
    given = [name for name in idle if getattr(args, name) != parser.get_default(name)]
    names = [text for action in parser._actions if action.dest in given for text in action.option_strings]
    if names:
        allowed = "counts only without --million" if args.million else "counts only with --million"
        parser.error(f"{', '.join(names)}: {allowed}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"families, or kinds: {', '.join(KINDS)}")
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=SIZES, metavar="N", help="rows (default: 1000 ... 1000000)"
    )
    parser.add_argument(
        "--limit", type=float, default=120.0, help="seconds of a point, its start included (default 120)"
    )
    parser.add_argument("--against", type=Path, help="with --million: another checkout, in turns with this one")
    parser.add_argument("--cores", type=int, default=_features.CORES, help=f"default {_features.CORES}")
    parser.add_argument("--work", type=Path, help="folder that keeps the features (default: in the temporary folder)")
    parser.add_argument("--write", action="store_true", help="write the results and the rates into the checkout")
    parser.add_argument("--rates", action="store_true", help="write the rates alone; families not measured keep theirs")
    parser.add_argument("--no-wide", dest="wide", action="store_false", help="leave out the points of 500 columns")
    parser.add_argument("--million", action="store_true", help="cluster and score 1,000,000 x 128 instead")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of --million")
    args = parser.parse_args()
    _refuse_idle(parser, args)
    args.work = _features.work_folder(args.work)
    return args


if __name__ == "__main__":
    main()
