"""Figures of this checkout and of another one, taken in turns, so that other work on the machine counts for both."""

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import paths

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Turns:
    """The figures by name of each round, of this checkout and of the other one; of that, none where there is none."""

    now: Sequence[Figures]
    before: Sequence[Figures]

    def middle(self, name: str) -> float:
        """The median of this checkout."""
        return statistics.median(figures[name] for figures in self.now)

    def ratio(self, name: str) -> float | None:
        """The median over the rounds of the ratio to the other checkout; None where there is none."""
        if not self.before:
            return None
        return statistics.median(now[name] / before[name] for now, before in zip(self.now, self.before, strict=True))

    def cells(self, name: str, digits: int) -> str:
        """Cells of a table: both medians with their ranges, and the ratio."""
        ratio = self.ratio(name)
        spreads = [_spread([figures[name] for figures in side], digits) for side in (self.now, self.before)]
        return " | ".join([*spreads, "" if ratio is None else f"**{ratio:.2f}**"])

    def share(self, name: str) -> str:
        """The ratio as the end of a sentence."""
        ratio = self.ratio(name)
        return "" if ratio is None else f"; {ratio:.2f} of the version before"


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} to {high})"


def take(measure: Callable[[Path], Figures], args: argparse.Namespace) -> Turns:
    """Measure `args.rounds` times this checkout, and after each the one at `args.against`, if any."""
    now, before = list[Figures](), list[Figures]()
    for _ in range(args.rounds):
        now.append(measure(paths.CHECKOUT))
        if args.against:
            before.append(measure(args.against.resolve()))
        print(f"{now[-1]}  before: {before[-1] if before else '-'}", file=sys.stderr)
    return Turns(now, before)


def arguments(description: str, target: Path) -> argparse.ArgumentParser:
    """A parser of what every comparison of checkouts is asked for; `target` is its page."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout, measured in turns with this one")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default 3)")
    parser.add_argument("--write", action="store_true", help=f"write results/{target.name}")
    return parser


def finish(page: Sequence[str], target: Path, write: bool) -> None:
    """Print a page, and keep it on request."""
    text = "\n".join(page)
    print(text)
    if write:
        target.write_text(f"{text}\n", encoding="utf-8")
