"""How often the package is wrong when it says that something is better, and how often its intervals hold the truth.

    python benchmarks/inference.py                      every claim, about ten minutes on two cores
    python benchmarks/inference.py --times 4 --write    four times as many collections, into results/inference.md
    python benchmarks/inference.py --only retrievals    one kind of claim

Collections with a known truth are simulated (`_worlds.py`) and judged by the functions that leaderboards and `compare`
use. Error: of two that are equally good, how often one is called better at 0.05; the limit is 6 %. Coverage: how often
a 95 % interval holds the truth, which is the mean over all simulated collections of that size unless it is said to be
something else; the limit is 92 %. Power: how often the better of two is called better. Each share has the standard
error of a binomial.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import _few_worlds
import _split_worlds
import _worlds
from _worlds import Claims, Judged

from backbench import paths, provenance, threads

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "inference.md"
WORLDS = {**vars(_worlds), **vars(_split_worlds), **vars(_few_worlds)}
MOST_ERRORS, LEAST_COVERAGE = 0.06, 0.92


@dataclass(frozen=True)
class Scene:
    """A kind of collection: which function of the modules of worlds simulates it, with what, how often."""

    world: str
    options: dict[str, Any] = field(default_factory=dict)
    collections: int = 200

    @property
    def setting(self) -> str:
        """What it varies, in words."""
        return ", ".join(_word(name, value) for name, value in self.options.items() if value is not False)


def _word(name: str, value: Any) -> str:
    if value is True:
        return name
    return str(value) if isinstance(value, str) else f"{name}={value}"


def _classifications() -> Iterator[Scene]:
    for n, k, times in ((60, 2, 600), (60, 10, 400), (400, 10, 400), (400, 50, 300), (2000, 10, 200), (2000, 50, 200)):
        for unequal in (False, True):
            yield Scene("classification", {"n": n, "k": k, "unequal": unequal}, times)


def _ranks() -> Iterator[Scene]:
    for n, rows, seeds, times in ((60, 10, 1, 300), (400, 10, 1, 300), (400, 6, 3, 300), (400, 6, 10, 150)):
        yield Scene("ranks", {"n": n, "k": 5, "rows": rows, "seeds": seeds}, times)


def _seeds() -> Iterator[Scene]:
    for count in (3, 5, 10):
        for skewed in (False, True):
            yield Scene("seeds", {"count": count, "skewed": skewed}, 1000)


def _clusterings() -> Iterator[Scene]:
    for n, k, apart, clusterer, unequal, times in (
        (60, 2, 0.5, "kmeans", False, 100),
        (60, 5, 0.8, "agglomerative", False, 100),
        (400, 5, 1.0, "kmeans", False, 100),
        (400, 10, 0.8, "kmeans", True, 100),
        (400, 10, 0.8, "agglomerative", False, 100),
        (400, 10, 0.8, "gaussian_mixture", False, 60),
        (1000, 50, 1.0, "kmeans", False, 40),
        (2000, 10, 0.7, "kmeans", False, 40),
    ):
        options = {"n": n, "k": k, "apart": apart, "clusterer": clusterer, "unequal": unequal}
        yield Scene("clusterings", options, times)
    for fits in (3, 10):
        yield Scene("clusterings", {"n": 400, "k": 5, "apart": 1.0, "clusterer": "kmeans", "fits": fits}, 240 // fits)


def _as_they_are() -> Iterator[Scene]:
    for n, k, apart in ((60, 2, 0.5), (400, 10, 0.8), (2000, 10, 0.7)):
        yield Scene("as_they_are", {"n": n, "k": k, "apart": apart}, 150)


def _retrievals() -> Iterator[Scene]:
    for n, k, apart, whole, unequal, times in (
        (60, 2, 0.4, True, False, 400),
        (400, 5, 0.5, True, False, 400),
        (400, 10, 0.6, True, True, 300),
        (400, 50, 0.8, True, False, 300),
        (1500, 10, 0.6, True, False, 150),
        (60, 2, 0.4, False, False, 300),
        (400, 5, 0.5, False, False, 300),
        (1500, 10, 0.6, False, True, 150),
    ):
        options = {"n": n, "k": k, "apart": apart, "whole": whole, "unequal": unequal}
        yield Scene("retrievals", options, times)


def _few_shots() -> Iterator[Scene]:
    for n, k, shots, draws, pool, times in (
        (60, 5, 1, 5, 100, 400),
        (400, 10, 1, 5, 200, 300),
        (400, 10, 4, 5, 200, 300),
        (400, 10, 8, 5, 200, 200),
        (400, 10, 8, 5, 20, 200),
        (400, 10, 1, 10, 200, 200),
        (2000, 10, 4, 5, 200, 150),
        (2000, 50, 8, 5, 40, 100),
    ):
        yield Scene("few_shot", {"n": n, "k": k, "shots": shots, "draws": draws, "pool": pool}, times)


def _repeats() -> Iterator[Scene]:
    for n, count, times in ((60, 3, 400), (100, 5, 400), (100, 10, 400), (400, 10, 300), (100, 30, 200)):
        yield Scene("repeats", {"n": n, "count": count}, times)
    for n, count, folds in ((100, 5, 5), (100, 10, 10), (100, 20, 5)):
        yield Scene("repeats", {"n": n, "count": count, "folds": folds}, 300)
    for n in (200, 400):
        yield Scene("repeats", {"n": n, "count": 10, "grouped": True}, 300)
    yield Scene("repeats", {"n": 200, "count": 5, "folds": 5, "grouped": True}, 300)


def _groups() -> Iterator[Scene]:
    for count, each in ((10, 10), (20, 10), (40, 10), (40, 3), (100, 10)):
        yield Scene("groups", {"count": count, "each": each}, 400)


SCENES = {
    "classification": _classifications,
    "ranks": _ranks,
    "seeds": _seeds,
    "few_shots": _few_shots,
    "clusterings": _clusterings,
    "as_they_are": _as_they_are,
    "retrievals": _retrievals,
    "repeats": _repeats,
    "groups": _groups,
}
TITLES = {
    "classification": "Two classifiers on the same test images",
    "ranks": "Ranks of classifiers on a leaderboard (error: any two equal rows are told apart; power: the best alone)",
    "seeds": "Means over seeds",
    "few_shots": "Classifiers that learn from few images of each class: means over draws, and what twice as many add",
    "clusterings": "Clusterings with 20 refits (clustering.bootstraps=20)",
    "as_they_are": "A single clustering (interval over images with its clusters as they are; no claim is made)",
    "retrievals": "Retrieval (whole: each image against all others; else one half against the other)",
    "repeats": "Repeated splits and folds of the same images (grouped: in groups of about 5 that look alike)",
    "groups": "Test images in groups that are right or wrong together",
}


def main() -> int:
    args = _arguments()
    with ProcessPoolExecutor(args.workers) as pool:
        return _all(args, pool)


def _all(args: argparse.Namespace, pool: ProcessPoolExecutor) -> int:
    """Simulate what is asked for, print and write it; 1 if something is beyond its limit."""
    lines, good, began = _head(), True, time.perf_counter()
    for name in args.only or SCENES:
        lines += ["", f"## {TITLES[name]}", "", *_HEADING]
        claims: dict[str, list[Judged]] = {}
        for scene in SCENES[name]():
            for claim, judged in _simulated(scene, args.times, pool).items():
                claims.setdefault(claim, []).extend(judged)
                lines.append(_row(scene.setting, claim, judged)[0])
                print(lines[-1], flush=True)
        for claim, judged in claims.items():
            row, right = _row("all of these", claim, judged)
            lines.append(row)
            good &= right or "(not used)" in claim
    lines += ["", f"{time.perf_counter() - began:,.0f} s.", "", *_NOTES]
    print("\n".join(lines))
    if args.write:
        TARGET.write_text("\n".join(lines) + "\n")
    return 0 if good else 1


_HEADING = ("| collections | claim | error | coverage | power |", "| --- | --- | ---: | ---: | ---: |")
_NOTES = (
    "Error: one of two equals is called better. Coverage: a 95 % interval holds the truth. Power: the better of two is",
    "called so. Behind ± stands the standard error of the simulation; what is beyond the limits of 6 and 92 % by more",
    "than two of them is in bold. A dash: nothing is claimed.",
    "Claims that are not used show what the plain formula would say.",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=float, default=1.0, help="so many times as many collections")
    parser.add_argument("--only", nargs="*", choices=list(SCENES), help="kinds of claims")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name}")
    return parser.parse_args()


def _head() -> list[str]:
    versions = provenance.installed(("numpy", "scipy", "scikit-learn", "statsmodels"))
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    command = " ".join(["python benchmarks/inference.py", *sys.argv[1:]])
    return ["# How often the statistics are right", "", "```bash", command, "```", "", f"{libraries}."]


def _simulated(scene: Scene, times: float, pool: ProcessPoolExecutor) -> dict[str, list[Judged]]:
    """What each collection says of each claim; the truth of those without one is their mean value."""
    count = max(10, round(scene.collections * times))
    collections = list(pool.map(_once, [scene] * count, range(count), chunksize=max(1, count // 8)))
    names = dict.fromkeys(claim for of_one in collections for claim in of_one)
    claims = {claim: [of_one[claim] for of_one in collections if claim in of_one] for claim in names}
    for judged in claims.values():
        values = [one.value for one in judged if one.value is not None]
        for one in judged:
            if values and one.truth is None:
                one.truth = sum(values) / len(values)
    return claims


def _once(scene: Scene, seed: int) -> Claims:
    with threads.one_core_each(1):
        claims: Claims = WORLDS[scene.world](seed, **scene.options)
    return claims


def _row(setting: str, claim: str, judged: Sequence[Judged]) -> tuple[str, bool]:
    """The line of a claim, and whether it is within the limits, as far as so many collections can tell."""
    error, error_right = _share([one.false for one in judged], MOST_ERRORS, 1)
    coverage, covers = _share([_holds(one) for one in judged], LEAST_COVERAGE, -1)
    power, _ = _share([one.hit for one in judged], math.inf, 1)
    return f"| {len(judged):,}: {setting} | {claim} | {error} | {coverage} | {power} |", error_right and covers


def _holds(one: Judged) -> bool | None:
    """Whether an interval holds the truth."""
    return None if one.span is None or one.truth is None else one.span[0] <= one.truth <= one.span[1]


def _share(outcomes: Sequence[bool | None], limit: float, sign: int) -> tuple[str, bool]:
    """A share in percent with its standard error, and whether it is within a limit from above (1) or below (-1)."""
    known = [bool(outcome) for outcome in outcomes if outcome is not None]
    if not known:
        return "–", True
    share = sum(known) / len(known)
    error = math.sqrt(share * (1 - share) / len(known))
    right = sign * (share - limit) <= 2 * error
    text = f"{100 * share:.1f} ± {100 * error:.1f}"
    return (text if right else f"**{text}**"), right


if __name__ == "__main__":
    sys.exit(main())
