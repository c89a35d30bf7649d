"""Families that are written by hand, against the best that can be installed instead of them.

    python benchmarks/rivals.py                           digits and the narrow features, as a table on the screen
    python benchmarks/rivals.py --write                   the same, into benchmarks/results/rivals.md

A family's members are fitted as a job fits them, with what they share, and then one by one by each rival, on as many
cores; sides take turns, and the least of the rounds counts. Rivals that are no dependencies are measured where they are
installed: scikit-learn-intelex, fast_hdbscan. Put them on PYTHONPATH from an environment of their own.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import _features
import _measure
import numpy as np

from backbench import classifiers, clusterers, paths, plugins, provenance, threads
from backbench.metrics import labels
from backbench.metrics.near import Near

RESULTS = paths.CHECKOUT / "benchmarks" / "results" / "rivals.md"
# Columns above which scikit-learn's HDBSCAN measures all pairs
WIDE = 100
KS = (2, 5, 10, 15)
QUANTILES = (0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
Labeling = np.ndarray
Side = Callable[[_features.Data, Sequence[Any]], list[Labeling]]


@dataclass(frozen=True)
class Family:
    """Members of one plugin: `changed` options of each, and the rivals by name."""

    kind: str
    plugin: str
    changed: tuple[dict[str, Any], ...]
    rivals: dict[str, Side]


def ours(family: Family, data: _features.Data, tasks: Sequence[Any]) -> list[Labeling]:
    """The family as a job computes it."""
    with threads.one_core_each(_features.CORES):
        if family.kind == "clusterer":
            module = clusterers.load(family.plugin)
            shared = module.prepare(data.x, tasks, Near(data.x))
            return _in_order(lambda task: module.fit(shared, data.x, task)[0], tasks)
        rows, module = _rows(data), classifiers.load(family.plugin)
        shared = module.prepare(*rows, tasks, Near(rows[0], rows[2]))
        return _in_order(lambda task: module.predict(shared, *rows, task).classes, tasks)


def _in_order(fit: Callable[[Any], Labeling], tasks: Sequence[Any]) -> list[Labeling]:
    answers: dict[int, Labeling] = {}
    for place, answer in threads.as_done(lambda place: (place, fit(tasks[place])), range(len(tasks))):
        answers[place] = answer
    return [answers[place] for place in range(len(tasks))]


def _rows(data: _features.Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    train = data.split == 0
    return data.x[train], data.truth[train], data.x[~train]


# ------------------------------------------------------------------------------------------------ rivals


def one_by_one(make: Callable[[Any], Any], data: _features.Data, tasks: Sequence[Any]) -> list[Labeling]:
    """A clusterer that uses all cores itself."""
    return [make(task).fit_predict(data.x) for task in tasks]


def beside(make: Callable[[Any], Any], data: _features.Data, tasks: Sequence[Any]) -> list[Labeling]:
    """Mixtures of float64 rows on one core each, beside each other."""
    rows = data.x.astype(np.float64)
    with threads.one_core_each(_features.CORES):
        return _in_order(lambda task: make(task).fit_predict(rows), tasks)


def classified(make: Callable[[Any], Any], data: _features.Data, tasks: Sequence[Any]) -> list[Labeling]:
    """Classifiers of float64 rows on one core each, beside each other."""
    train_x, train_y, queries = _rows(data)
    rows, asked = train_x.astype(np.float64), queries.astype(np.float64)
    with threads.one_core_each(_features.CORES):
        return _in_order(lambda task: make(task).fit(rows, train_y).predict(asked), tasks)


def _dbscan(library: str, task: clusterers.Task, **more: Any) -> Any:
    module = __import__(f"{library}.cluster", fromlist=["DBSCAN"])
    return module.DBSCAN(eps=task.params.eps, min_samples=task.params.min_samples, n_jobs=_features.CORES, **more)


def _hdbscan(data: _features.Data, tasks: Sequence[Any]) -> list[Labeling]:
    """By all pairs of wide rows, for which the search trees of scikit-learn take minutes."""
    from sklearn.cluster import HDBSCAN

    more = {"algorithm": "brute" if data.x.shape[1] > WIDE else "auto", "n_jobs": _features.CORES, "copy": True}
    return one_by_one(lambda task: HDBSCAN(**asdict(task.params), **more), data, tasks)


def _fast_hdbscan(task: clusterers.Task) -> Any:
    import fast_hdbscan
    import numba

    numba.set_num_threads(_features.CORES)
    size, rank, how = (
        getattr(task.params, name) for name in ("min_cluster_size", "min_samples", "cluster_selection_method")
    )
    # It does not count the row itself
    return fast_hdbscan.HDBSCAN(min_cluster_size=size, min_samples=rank - 1, cluster_selection_method=how)


def _mixture(task: clusterers.Task) -> Any:
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(task.clusters, **asdict(task.params), random_state=task.seed)


def _lda(task: classifiers.Task) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(**asdict(task.params))


def _centroid(task: classifiers.Task) -> Any:
    from sklearn.neighbors import NearestCentroid

    return NearestCentroid(**asdict(task.params))


DBSCAN = {
    "scikit-learn": partial(one_by_one, partial(_dbscan, "sklearn")),
    "brute force": partial(one_by_one, partial(_dbscan, "sklearn", algorithm="brute")),
    "scikit-learn-intelex": partial(one_by_one, partial(_dbscan, "sklearnex")),
}
HDBSCAN = {"scikit-learn": _hdbscan, "fast_hdbscan": partial(one_by_one, _fast_hdbscan)}
MIXTURE = {"scikit-learn": partial(beside, _mixture)}
LDA, CENTROID = {"scikit-learn": partial(classified, _lda)}, {"scikit-learn": partial(classified, _centroid)}
SIZES = ((10, "eom"), (25, "eom"), (50, "eom"), (25, "leaf"))
SELECTED = tuple({"min_cluster_size": size, "min_samples": 5, "cluster_selection_method": how} for size, how in SIZES)
SHRUNK = tuple({"solver": "lsqr", "shrinkage": shrinkage} for shrinkage in (0.01, 0.05, 0.1, 0.3, 0.7))
THRESHOLDS = tuple({"shrink_threshold": threshold} for threshold in (None, 0.1, 0.5, 1.0))
FAMILIES = {
    "DBSCAN, 8 radii": Family("clusterer", "dbscan", tuple({"eps_quantile": q} for q in QUANTILES), DBSCAN),
    "DBSCAN, 1 radius": Family("clusterer", "dbscan", ({"eps_quantile": 0.5},), DBSCAN),
    "HDBSCAN, 4 selections": Family("clusterer", "hdbscan", SELECTED, HDBSCAN),
    "HDBSCAN, 1 selection": Family("clusterer", "hdbscan", SELECTED[1:2], HDBSCAN),
    **{
        f"Gaussian mixture, {kind}": Family("clusterer", "gaussian_mixture", ({"covariance_type": kind},), MIXTURE)
        for kind in ("diag", "spherical", "tied", "full")
    },
    "LDA, 5 shrinkages": Family("classifier", "lda", SHRUNK, LDA),
    "LDA, svd": Family("classifier", "lda", ({},), LDA),
    "nearest centroid, 4 thresholds": Family("classifier", "nearest_centroid", THRESHOLDS, CENTROID),
    "nearest centroid": Family("classifier", "nearest_centroid", ({},), CENTROID),
}


# ------------------------------------------------------------------------------------------------ measuring


def tasks_of(family: Family, data: _features.Data) -> list[Any]:
    """The members; radii are given as numbers, which all sides understand."""
    base = _features.conf(family.kind, family.plugin)
    every = [plugins.params(family.kind, base | changed) for changed in family.changed]
    if family.kind == "classifier":
        return [classifiers.Task(params) for params in every]
    if family.plugin == "dbscan":
        every = [plugins.params("clusterer", base | radius) for radius in _radii(every, data)]
    seed = 0 if family.plugin == "gaussian_mixture" else None
    ks = KS if family.plugin == "gaussian_mixture" else (None,)
    tasks = [clusterers.Task(params, k, seed) for params in every for k in ks]
    n, d = data.x.shape
    return [task for task in tasks if not clusterers.load(family.plugin).problems(task.params, n, d, task.k)]


def _radii(every: Sequence[Any], data: _features.Data) -> Iterator[dict[str, Any]]:
    module, tasks = clusterers.load("dbscan"), [clusterers.Task(params) for params in every]
    shared = module.prepare(data.x, tasks, Near(data.x))
    for task in tasks:
        yield {"eps": module.fit(shared, data.x, task)[1]["eps"], "eps_quantile": None}


def measured(name: str, data: _features.Data, rounds: int) -> dict[str, tuple[float, int]]:
    """Seconds of each side, the least of the rounds, and how many of its labelings equal ours."""
    family = FAMILIES[name]
    tasks = tasks_of(family, data)
    sides = {"backbench": partial(ours, family), **{key: side for key, side in family.rivals.items() if _there(side)}}
    best, answers = dict.fromkeys(sides, float("inf")), {}
    for turn in range(rounds + 1):
        for key, side in sides.items():
            # The first turn loads libraries and compiles
            start = time.perf_counter()
            answers[key] = side(data.first(300) if turn == 0 else data, tasks if turn else tasks[:1])
            best[key] = min(best[key], time.perf_counter() - start) if turn else best[key]
    expected = [labels.canonical(each) for each in answers["backbench"]]
    same = {
        key: sum(np.array_equal(labels.canonical(one), other) for one, other in zip(given, expected, strict=True))
        for key, given in answers.items()
    }
    return {key: (best[key], same[key]) for key in sides}


def _there(side: Side) -> bool:
    """Whether the library of a rival is installed."""
    import importlib.util

    text = repr(side)
    needs = {"_fast_hdbscan": "fast_hdbscan", "sklearnex": "sklearnex"}
    return all(importlib.util.find_spec(library) for word, library in needs.items() if word in text)


def report(shape: str, data: _features.Data, only: Sequence[str], rounds: int) -> Iterator[str]:
    """The table of a shape."""
    n, d = data.x.shape
    yield f"## {n:,} x {d:,}: {_features.TITLES[shape]}\n"
    yield "| family | members | backbench s | best rival | s | ratio | labelings equal | the others |"
    yield "| --- | ---: | ---: | --- | ---: | ---: | ---: | --- |"
    for name in only:
        if not tasks_of(FAMILIES[name], data):
            continue
        sides = measured(name, data, rounds)
        own, members = sides.pop("backbench")
        best = min(sides, key=lambda key: sides[key][0])
        others = ", ".join(f"{key} {seconds:.2f}" for key, (seconds, _) in sides.items() if key != best)
        seconds, same = sides[best]
        cells = (name, members, f"{own:.2f}", best, f"{seconds:.2f}", f"**{seconds / own:.1f}**", same, others)
        yield f"| {' | '.join(map(str, cells))} |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", choices=_features.SHAPES, default=["digits", "narrow"])
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default 3)")
    parser.add_argument("--rows", type=int, help="only the first N rows")
    parser.add_argument("--work", type=Path, help="folder that keeps the features (default: in the temporary folder)")
    parser.add_argument("--write", action="store_true", help="write the results into the checkout")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = ["# Families written by hand against their rivals\n", "```bash", _measure.command("benchmarks/rivals.py")]
    versions = provenance.versions()
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "numpy", "scipy", "scikit-learn"))
    lines += [
        "```\n",
        f"{_features.CORES} cores of {provenance.machine()['cpu']}; {named}. Ratio: rival / backbench.\n",
    ]
    for shape in args.shape:
        data = _features.shape(shape, _features.work_folder(args.work)).first(args.rows)
        for line in report(shape, data, args.only, args.rounds):
            print(line, flush=True)
            lines.append(line)
    if args.write:
        RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
