"""Seconds of the default sweep to its first words, to its first table and to its end, beside an earlier checkout.

    python benchmarks/first_table.py                            three sweeps of this checkout
    python benchmarks/first_table.py --against ../before        in turns with another checkout, as ratios
    python benchmarks/first_table.py --write --against ../before    the same, into benchmarks/results/first_table.md
    python benchmarks/first_table.py --rounds 1 -- dataset.sample=300 backbone=pixels plots=none

Each sweep starts in an empty results folder with the environment of this process; files that were fetched before are
there, so that no network counts. The table is there when the last fit is joined and the first leaderboard is printed.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

# How OpenBLAS is told which kernels to take: unset on both sides.
CORETYPE = os.environ.pop("OPENBLAS_CORETYPE", None)

import _checkouts  # noqa: E402
import _figures  # noqa: E402
import _measure  # noqa: E402
from _checkouts import Turns  # noqa: E402
from _figures import Figure  # noqa: E402

from backbench import paths, provenance  # noqa: E402

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "first_table.md"
PROGRAM = "import sys; from backbench.cli import main; sys.exit(main())"
# How the title of every leaderboard goes on.
TITLE = re.compile(r", ranked (by|on) ")
# Seconds. Set on a machine on which the sweep took BEFORE seconds at commit 0f26dcd; two of them are shares of that.
GOALS = {"the first words": 2.0, "the first table": 45.0, "the end, pictures and report": 100.0}
BEFORE, SHARES = 130.0, ("the first table", "the end, pictures and report")


@dataclass(frozen=True)
class Sweep:
    """Seconds from the start of a sweep to its first words, to its first table and to its end."""

    words: float
    table: float
    end: float

    def by_name(self) -> dict[str, float]:
        return dict(zip(GOALS, (self.words, self.table, self.end), strict=True))


class _Clock:
    """When lines of one process came, in seconds since its start."""

    def __init__(self) -> None:
        self.start, self.words, self.table = time.perf_counter(), 0.0, 0.0
        self.lines: list[str] = []

    def read(self, stream: IO[str]) -> None:
        for line in stream:
            now = time.perf_counter() - self.start
            self.words = self.words or now
            self.table = self.table or (now if TITLE.search(line) else 0.0)
            self.lines.append(line)


def sweep(checkout: Path, overrides: list[str]) -> Sweep:
    """Run the sweep of a checkout in an empty results folder.

    Raises
    ------
    SystemExit
        If the sweep fails or prints no table.
    """
    with tempfile.TemporaryDirectory() as folder:
        downloads = paths.results() / "downloads"
        if downloads.is_dir():
            (Path(folder) / "downloads").symlink_to(downloads.resolve())
        changes = {"PYTHONPATH": str(checkout / "workflow"), "BACKBENCH_RESULTS": folder, "PYTHONUNBUFFERED": "1"}
        clock = _Clock()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "sweep", *overrides],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=checkout, env={**os.environ, **changes},
        )  # fmt: skip
        readers = [threading.Thread(target=clock.read, args=(stream,)) for stream in (process.stdout, process.stderr)]
        for reader in readers:
            reader.start()
        status = process.wait()
        end = time.perf_counter() - clock.start
        for reader in readers:
            reader.join()
    if status or not clock.table:
        raise SystemExit(f"{checkout}: the sweep ended with status {status}:\n{''.join(clock.lines[-20:])}")
    return Sweep(clock.words, clock.table, end)


def page(turns: Turns, load: float) -> list[str]:
    """The page: medians and ranges, and the ratio of each round where there is another checkout."""
    about = provenance.machine()
    names = ", ".join(f"{name} {version(name)}" for name in ("snakemake", "torch", "scikit-learn", "matplotlib"))
    lines = [
        "# The first table of a sweep\n",
        f"```bash\n{_measure.command('benchmarks/first_table.py')}\n```\n",
        f"{len(os.sched_getaffinity(0))} cores of {about['cpu']}, load at the start {load:.1f}; {names}.",
        f"OPENBLAS_CORETYPE was {CORETYPE or 'not set'}, and is not set here. Seconds: {len(turns.now)} sweeps, the",
        "median (least to most), from an empty results folder. Ratio: to the other one, round by round.\n",
        f"The goals were set on a machine on which the sweep took {BEFORE:.0f} s at commit 0f26dcd, its table at the",
        "end: the share is what they are of that, and is to be compared with the ratio to that commit.\n",
        "| to | goal | share | seconds | earlier checkout | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(f"| {name} | {goal:.0f} s | {_share(name)} | {turns.cells(name, 1)} |" for name, goal in GOALS.items()),
    ]
    return [*lines, *_figures.lines([_figure(name, goal, turns) for name, goal in GOALS.items()])]


def _share(name: str) -> str:
    """What a goal is of the sweep of before."""
    return f"{GOALS[name] / BEFORE:.2f}" if name in SHARES else ""


def _figure(name: str, goal: float, turns: Turns) -> Figure:
    """The row of the README."""
    share = _share(name)
    asked = f"{goal:.0f} s" + (f" where the version before takes {BEFORE:.0f} s: {share} of it" if share else "")
    return Figure(f"`make sweep` to {name}", asked, f"{turns.middle(name):.1f} s{turns.share(name)}")


def main() -> None:
    parser = _checkouts.arguments(__doc__, TARGET)
    parser.add_argument("overrides", nargs="*", help="of the sweep, after -- (default: the default sweep)")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    turns = _checkouts.take(lambda checkout: sweep(checkout, args.overrides).by_name(), args)
    _checkouts.finish(page(turns, load), TARGET, args.write)


if __name__ == "__main__":
    main()
