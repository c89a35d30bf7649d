"""Seconds of the default sweep to its first words, to its first table and to its end, beside an earlier checkout.

    python benchmarks/first_table.py                            three sweeps of this checkout
    python benchmarks/first_table.py --against ../before        in turns with another checkout, as ratios
    python benchmarks/first_table.py --write --against ../before    the same, into benchmarks/results/first_table.md
    python benchmarks/first_table.py --rounds 1 -- dataset.sample=300 backbone=pixels plots=none

Each sweep starts in an empty results folder with the environment of this process; files that were fetched before are
there, so that no network counts. The table is there when the last fit is joined and the first leaderboard is printed.
"""

import argparse
import os
import re
import statistics
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

import _figures  # noqa: E402
import _measure  # noqa: E402
from _figures import Figure  # noqa: E402

from backbench import paths, provenance  # noqa: E402

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "first_table.md"
PROGRAM = "import sys; from backbench.cli import main; sys.exit(main())"
# How the title of every leaderboard goes on.
TITLE = re.compile(r", ranked (by|on) ")
GOALS = {"the first words": "2 s", "the first table": "45 s", "the end, pictures and report": "100 s"}


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


def page(now: list[Sweep], before: list[Sweep], load: float) -> list[str]:
    """The page: medians and ranges, and the ratio of each round where there is another checkout."""
    about = provenance.machine()
    names = ", ".join(f"{name} {version(name)}" for name in ("snakemake", "torch", "scikit-learn", "matplotlib"))
    lines = [
        "# The first table of a sweep\n",
        f"```bash\n{_measure.command('benchmarks/first_table.py')}\n```\n",
        f"{len(os.sched_getaffinity(0))} cores of {about['cpu']}, load at the start {load:.1f}; {names}.",
        f"OPENBLAS_CORETYPE was {CORETYPE or 'not set'}, and is not set here. Seconds: the median of {len(now)} sweeps",
        "(least to most), from the command in an empty results folder. Ratio: to the other checkout, round by round.\n",
        "| to | goal | seconds | earlier checkout | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, goal in GOALS.items():
        ours, theirs = [s.by_name()[name] for s in now], [s.by_name()[name] for s in before]
        ratio = f"**{_ratio(ours, theirs):.2f}**" if theirs else ""
        lines.append(f"| {name} | {goal} | {_spread(ours)} | {_spread(theirs) if theirs else ''} | {ratio} |")
    return [*lines, *_figures.lines(_rows(now, before))]


def _rows(now: list[Sweep], before: list[Sweep]) -> list[Figure]:
    rows = []
    for name, goal in GOALS.items():
        ours, theirs = [s.by_name()[name] for s in now], [s.by_name()[name] for s in before]
        share = f"; {_ratio(ours, theirs):.2f} of the time of the version before" if theirs else ""
        rows.append(Figure(f"`make sweep` to {name}", goal, f"{statistics.median(ours):.1f} s{share}"))
    return rows


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def main() -> None:
    args = _arguments()
    load, now, before = os.getloadavg()[0], list[Sweep](), list[Sweep]()
    for _ in range(args.rounds):
        now.append(sweep(paths.CHECKOUT, args.overrides))
        if args.against:
            before.append(sweep(args.against.resolve(), args.overrides))
        print(f"{now[-1]}  before: {before[-1] if before else '-'}", file=sys.stderr)
    text = "\n".join(page(now, before, load))
    print(text)
    if args.write:
        TARGET.write_text(f"{text}\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the sweep, after -- (default: the default sweep)")
    parser.add_argument("--against", type=Path, help="another checkout, swept in turns with this one")
    parser.add_argument("--rounds", type=int, default=3, help="sweeps of each (default 3)")
    parser.add_argument("--write", action="store_true", help="write results/first_table.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
