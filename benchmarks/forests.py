"""Random forests by scikit-learn and by oneDAL (`classifier.engine=onedal`): accuracy over seeds, seconds and memory.

    python benchmarks/forests.py                     both shapes, ten seeds, as tables on the screen
    python benchmarks/forests.py --write             the same, into benchmarks/results/forests.md
    python benchmarks/forests.py --shape digits --seeds 3 --trees 20          a trial of seconds

It needs the extra intelex. Each engine and seed is a process of its own, and engines take turns; forests are grown and
predict as in a sweep, on all cores. Accuracy is that of the test rows; the interval is that of the mean difference over
the seeds (Student's t, 95 %).
"""

import argparse
import importlib.util
import itertools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _features
import _measure
import numpy as np

from backbench import classifiers, paths, plugins, provenance, threads
from backbench.metrics.near import Near

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "forests.md"
ENGINES = ("sklearn", "onedal")
TRAIN, TEST = 0, 2
TRIAL = 300


def forest(shape: str, work: str, engine: str, seed: int, trees: int) -> Callable[[], dict[str, Any]]:
    """One forest, for `_measure.alone`: its accuracy and predictions on the test rows."""
    data, module = _features.shape(shape, Path(work)), plugins.load("classifier", "random_forest")
    options = {**_features.conf("classifier", "random_forest"), "engine": engine, "n_estimators": trees}
    tasks = [classifiers.Task(plugins.params("classifier", options), seed)]

    def grow(data: _features.Data) -> dict[str, Any]:
        train = data.split == TRAIN
        rows = (data.x[train], data.truth[train], data.x[data.split == TEST])
        with threads.one_core_each(_features.CORES):
            shared = module.prepare(*rows, tasks, Near(rows[0], rows[2]))
            predicted = module.predict(shared, *rows, tasks[0]).classes
        return {"accuracy": float((predicted == data.truth[data.split == TEST]).mean()), "classes": predicted.tolist()}

    grow(data.first(TRIAL))
    return lambda: grow(data)


def main() -> None:
    args = _arguments()
    if importlib.util.find_spec("sklearnex") is None:
        raise SystemExit('the package scikit-learn-intelex is not installed: pip install "backbench[intelex]"')
    lines = _head()
    for shape in args.shape:
        forests = {engine: list[_measure.Measured]() for engine in ENGINES}
        for seed in range(args.seeds):
            for engine in ENGINES:
                asked = {"shape": shape, "work": str(args.work), "engine": engine, "seed": seed, "trees": args.trees}
                forests[engine].append(_measure.alone("forests", "forest", asked))
        lines += _table(shape, args, forests)
    print("\n".join(lines))
    if args.write:
        TARGET.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _head() -> list[str]:
    versions = provenance.versions()
    libraries = ("python", "numpy", "scikit-learn", "scikit-learn-intelex")
    named = ", ".join(f"{name} {versions[name]}" for name in libraries if name in versions)
    return [
        "# Random forests by scikit-learn and by oneDAL\n",
        "```bash",
        _measure.command("benchmarks/forests.py"),
        "```\n",
        f"{_features.CORES} cores of {provenance.machine()['cpu']}; {named}.",
    ]


def _table(shape: str, args: argparse.Namespace, forests: dict[str, list[_measure.Measured]]) -> list[str]:
    failures = [each.failure for every in forests.values() for each in every if each.failure]
    if failures:
        raise SystemExit(f"{shape}: {failures[0]}")
    data = _features.shape(shape, args.work)
    n, d = data.x.shape
    test = int((data.split == TEST).sum())
    lines = [
        f"\n## {n:,} x {d:,}: {_features.TITLES[shape]}\n",
        f"{args.trees} trees, {args.seeds} seeds, {test:,} test rows.\n",
        "| engine | accuracy | over the seeds | seconds | MB | test rows predicted alike by two seeds |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for engine, every in forests.items():
        accuracies = [each.value["accuracy"] for each in every]
        alike = _alike(list(itertools.pairwise(every)))
        seconds, mb = (statistics.median(getattr(each, what) for each in every) for what in ("seconds", "peak_mb"))
        cells = (engine, f"{statistics.mean(accuracies):.4f}", f"{min(accuracies):.4f} to {max(accuracies):.4f}")
        lines.append(f"| {' | '.join(cells)} | {seconds:.2f} | {mb:.0f} | {100 * alike:.1f} % |")
    ours, theirs = forests["onedal"], forests["sklearn"]
    gaps = [a.value["accuracy"] - b.value["accuracy"] for a, b in zip(ours, theirs, strict=True)]
    low, high = _interval(gaps)
    times = statistics.median(b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True))
    both = 100 * _alike(list(zip(ours, theirs, strict=True)))
    return [
        *lines,
        f"\noneDAL's accuracy less that of scikit-learn: {statistics.mean(gaps):+.4f} ({low:+.4f} to {high:+.4f}).",
        f"With one seed both predict {both:.1f} % of the test rows alike. oneDAL is {times:.1f} times as fast.",
    ]


def _alike(pairs: Sequence[tuple[_measure.Measured, _measure.Measured]]) -> float:
    """Mean share of the test rows that both of a pair predict alike."""
    return statistics.mean(
        float(np.mean(np.array(a.value["classes"]) == np.array(b.value["classes"]))) for a, b in pairs
    )


def _interval(gaps: Sequence[float]) -> tuple[float, float]:
    from scipy.stats import t

    half = t.ppf(0.975, len(gaps) - 1) * statistics.stdev(gaps) / len(gaps) ** 0.5
    return statistics.mean(gaps) - half, statistics.mean(gaps) + half


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", choices=_features.SHAPES, default=["narrow", "wide"], metavar="SHAPE")
    parser.add_argument("--seeds", type=int, default=10, help="forests of each engine, from 2 (default 10)")
    parser.add_argument("--trees", type=int, default=200, help="trees of a forest (default 200)")
    parser.add_argument("--work", type=Path, help="folder that keeps the features (default: in the temporary folder)")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.relative_to(paths.CHECKOUT)}")
    args = parser.parse_args()
    args.work = _features.work_folder(args.work)
    return args


if __name__ == "__main__":
    main()
