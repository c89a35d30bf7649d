"""Processor time and bytes of the pictures and of the report of a finished sweep, beside another checkout.

    python benchmarks/drawing.py                                newest sweep of the results folder, three rounds
    python benchmarks/drawing.py results --against ../before    in turns with another checkout, as ratios
    python benchmarks/drawing.py --write results --against ../before    the same, into benchmarks/results/drawing.md

Each round draws all pictures twice and then writes the page, in a copy of the results folder without pictures, layouts
and earlier pages; nothing is written to the folder itself. Layouts of maps are made by the first drawing and kept for
the second: t-SNE and UMAP are other libraries' work, which the time of the pictures alone leaves out. Time is that of
all processes, so that cores do not count.
Linux alone: processes that draw are waited for after what started them has ended.
"""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

# How OpenBLAS is told which kernels to take: unset on both sides.
CORETYPE = os.environ.pop("OPENBLAS_CORETYPE", None)

import _checkouts  # noqa: E402
import _figures  # noqa: E402
import _measure  # noqa: E402
from _checkouts import Turns  # noqa: E402
from _figures import Figure  # noqa: E402

from backbench import paths, provenance  # noqa: E402
from backbench.pictures import layouts  # noqa: E402

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "drawing.md"
# What is made anew, and what is written to; sweeps hold pictures and pages beside what was joined, the store layouts.
MADE, WRITTEN, STORE = ("pictures", "reports", "cache"), ("sweeps", "receipts", "progress"), "store"
PAGE = "report.html"
# Orphans become children of this process (prctl(2)).
SUBREAPER = 36
GOALS = {"pictures, s": "half", "report, MB": "6 MB"}
WHAT = {
    **{"pictures with layouts, s": 1.0, "pictures, s": 1.0, "report, s": 1.0},
    **{"pictures, MB": 1e6, "report, MB": 1e6},
}


@dataclass(frozen=True)
class Round:
    """Seconds of processor time of the pictures, with their layouts and without, and of the page; bytes of both."""

    preparing: float
    drawing: float
    writing: float
    pictures: int
    page: int

    def by_name(self) -> dict[str, float]:
        values = (self.preparing, self.drawing, self.writing, self.pictures, self.page)
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
            if path.name in WRITTEN:
                left_out = shutil.ignore_patterns(PAGE, "pictures", "*.png")
                shutil.copytree(path, target / path.name, symlinks=True, ignore=left_out)
            elif path.name == STORE:
                (target / STORE).mkdir()
                for kind in path.iterdir():
                    if kind.name != layouts.KIND:
                        (target / STORE / kind.name).symlink_to(kind)
            elif path.name not in MADE:
                (target / path.name).symlink_to(path)
        times = []
        for _ in range(2):
            for name in MADE:
                shutil.rmtree(target / name, ignore_errors=True)
            times.append(_processor(checkout, target, plan, "draw_pictures.py", "--threads", str(_cores())))
        writing = _processor(checkout, target, plan, "write_report.py")
        pictures = sum(path.stat().st_size for path in (target / "pictures").rglob("*.png"))
        (page,) = (target / "sweeps").rglob(PAGE)
        return Round(*times, writing, pictures, page.stat().st_size)


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


def page(turns: Turns, load: float) -> list[str]:
    """The page: medians and ranges, and the ratio of each round where there is another checkout."""
    names = ", ".join(f"{name} {version(name)}" for name in ("matplotlib", "pillow", "numpy"))
    lines = [
        "# Pictures and report of a sweep\n",
        f"```bash\n{_measure.command('benchmarks/drawing.py')}\n```\n",
        f"{_cores()} cores of {provenance.machine()['cpu']}, load at the start {load:.1f}; {names}.",
        f"OPENBLAS_CORETYPE was {CORETYPE or 'not set'}, and is not set here. The median of {len(turns.now)} rounds",
        "(least to most); seconds of processor time. Ratio: to the other checkout, round by round.\n",
        "| of | this checkout | earlier checkout | ratio |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {name} | {turns.cells(name, 2)} |" for name in WHAT),
    ]
    rows = []
    for name in WHAT:
        what, unit = name.split(", ")
        kind = "processor time" if unit == "s" else "bytes"
        measured = f"{turns.middle(name):.1f} {unit}{turns.share(name)}"
        rows.append(Figure(f"{kind} of the {what} of the default sweep", GOALS.get(name, ""), measured))
    return [*lines, *_figures.lines(rows)]


def main() -> None:
    parser = _checkouts.arguments(__doc__, TARGET)
    parser.add_argument("results", nargs="?", type=Path, default=paths.results(), help="results folder of the sweep")
    args = parser.parse_args()
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    results, load = args.results.resolve(), os.getloadavg()[0]
    plan = newest(results)
    turns = _checkouts.take(lambda checkout: drawn(checkout, results, plan).by_name(), args)
    _checkouts.finish(page(turns, load), TARGET, args.write)


if __name__ == "__main__":
    main()
