"""Processor time and bytes of the pictures and of the report of a finished sweep, beside another checkout.

    python benchmarks/drawing.py                                newest sweep of the results folder, three rounds
    python benchmarks/drawing.py results --against ../before    in turns with another checkout, as ratios
    python benchmarks/drawing.py --write results --against ../before    the same, into benchmarks/results/drawing.md

Each round draws all pictures and then writes the page, in a copy of the results folder without pictures, layouts and
earlier pages; nothing is written to the folder itself. Time is that of all processes, so that cores do not count.
Linux alone: processes that draw are waited for after what started them has ended.
"""

import argparse
import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

# How OpenBLAS is told which kernels to take: unset on both sides.
CORETYPE = os.environ.pop("OPENBLAS_CORETYPE", None)

import _figures  # noqa: E402
import _measure  # noqa: E402
from _figures import Figure  # noqa: E402

from backbench import paths, provenance  # noqa: E402

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "drawing.md"
# What is made anew; sweeps hold pictures and pages beside what was joined.
MADE, SWEEPS = ("pictures", "reports", "cache"), "sweeps"
PAGE = "report.html"
# Orphans become children of this process (prctl(2)).
SUBREAPER = 36
WHAT = {"pictures, s": 1.0, "report, s": 1.0, "pictures, MB": 1e6, "report, MB": 1e6}


@dataclass(frozen=True)
class Round:
    """Seconds of processor time of the pictures and of the page, and the bytes of both."""

    drawing: float
    writing: float
    pictures: int
    page: int

    def by_name(self) -> dict[str, float]:
        values = (self.drawing, self.writing, self.pictures, self.page)
        return {name: value / WHAT[name] for name, value in zip(WHAT, values, strict=True)}


def newest(results: Path) -> Path:
    """The plan of the newest sweep of a results folder.

    Raises
    ------
    SystemExit
        If there is none.
    """
    plans = sorted((results / "plans").glob("*.json"), key=lambda path: path.stat().st_mtime)
    if not plans:
        raise SystemExit(f"{results}: there is no plan in it; run `backbench sweep` first, or name its results folder.")
    return plans[-1]


def drawn(checkout: Path, results: Path, plan: Path) -> Round:
    """Draw the pictures of a sweep with a checkout and write its page, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        for path in results.iterdir():
            if path.name == SWEEPS:
                left_out = shutil.ignore_patterns(PAGE, "pictures", "*.png")
                shutil.copytree(path, target / SWEEPS, symlinks=True, ignore=left_out)
            elif path.name not in MADE:
                (target / path.name).symlink_to(path)
        drawing = _processor(checkout, target, plan, "draw_pictures.py", "--threads", str(_cores()))
        writing = _processor(checkout, target, plan, "write_report.py")
        pictures = sum(path.stat().st_size for path in (target / "pictures").rglob("*.png"))
        (page,) = (target / SWEEPS).rglob(PAGE)
        return Round(drawing, writing, pictures, page.stat().st_size)


def _processor(checkout: Path, results: Path, plan: Path, script: str, *more: str) -> float:
    """Seconds of processor time of a script of a checkout, and of all that it starts.

    Raises
    ------
    SystemExit
        If it fails.
    """
    changes = {"PYTHONPATH": str(checkout / "workflow"), "BACKBENCH_RESULTS": str(results)}
    command = [sys.executable, str(checkout / "scripts" / script), "--plan", str(plan), *more]
    before = _spent()
    process = subprocess.run(
        command, cwd=checkout, env={**os.environ, **changes}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    if process.returncode:
        raise SystemExit(f"{checkout}: {script} ended with {process.returncode}:\n{process.stderr.decode()[-2000:]}")
    return _spent() - before


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def page(now: list[Round], before: list[Round], load: float) -> list[str]:
    """The page: medians and ranges, and the ratio of each round where there is another checkout."""
    names = ", ".join(f"{name} {version(name)}" for name in ("matplotlib", "pillow", "numpy"))
    lines = [
        "# Pictures and report of a sweep\n",
        f"```bash\n{_measure.command('benchmarks/drawing.py')}\n```\n",
        f"{_cores()} cores of {provenance.machine()['cpu']}, load at the start {load:.1f}; {names}.",
        f"OPENBLAS_CORETYPE was {CORETYPE or 'not set'}, and is not set here. The median of {len(now)} rounds (least",
        "to most); seconds of processor time. Ratio: to the other checkout, round by round.\n",
        "| of | this checkout | earlier checkout | ratio |",
        "| --- | ---: | ---: | ---: |",
    ]
    rows = []
    for name in WHAT:
        ours, theirs = [one.by_name()[name] for one in now], [one.by_name()[name] for one in before]
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True)) if theirs else None
        shown = "" if ratio is None else f"**{ratio:.2f}**"
        lines.append(f"| {name} | {_spread(ours)} | {_spread(theirs) if theirs else ''} | {shown} |")
        share = "" if ratio is None else f"; {ratio:.2f} of the version before"
        what, unit = name.split(", ")
        kind = "processor time" if unit == "s" else "bytes"
        rows.append(Figure(f"{kind} of the {what} of a sweep", "", f"{statistics.median(ours):.2f} {unit}{share}"))
    return [*lines, *_figures.lines(rows)]


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    args = _arguments()
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    results = args.results.resolve()
    plan = newest(results)
    load, now, before = os.getloadavg()[0], list[Round](), list[Round]()
    for _ in range(args.rounds):
        now.append(drawn(paths.CHECKOUT, results, plan))
        if args.against:
            before.append(drawn(args.against.resolve(), results, plan))
        print(f"{now[-1]}  before: {before[-1] if before else '-'}", file=sys.stderr)
    text = "\n".join(page(now, before, load))
    print(text)
    if args.write:
        TARGET.write_text(f"{text}\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, default=paths.results(), help="results folder of the sweep")
    parser.add_argument("--against", type=Path, help="another checkout, in turns with this one")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each (default 3)")
    parser.add_argument("--write", action="store_true", help="write results/drawing.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
