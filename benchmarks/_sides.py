"""The two sides of `sweep.py`, each a piece of work for `_measure.alone`: scikit-learn's loops, and the stages.

Both leave their labels in a file and return seconds of the fits, seconds of the scores and the metrics of each member.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import _features
import _loops
import numpy as np

from backbench import hashing, plugins
from backbench.engine.run import scored
from backbench.engine.run.scoring import Scoring
from backbench.metrics import external, internal
from backbench.stage import Context, Held, Inputs, Member
from backbench.stages import classification, clustering, retrieval
from backbench.store import Store

KS = tuple(range(2, 16))
TRIAL = 300
STAGES = {"clustering": clustering, "classification": classification, "retrieval": retrieval}


@dataclass(frozen=True)
class Family:
    """A part of the grid: one plugin, `changed` options, and the option that its members differ in, if not k."""

    kind: str
    plugin: str
    changed: tuple[tuple[str, Any], ...] = ()
    varied: str | None = None
    values: tuple[Any, ...] = ()


FAMILIES = {
    "k-means": Family("clustering", "kmeans"),
    "ward": Family("clustering", "agglomerative"),
    "average": Family("clustering", "agglomerative", (("linkage", "average"),)),
    "dbscan": Family("clustering", "dbscan", (("eps_quantile", None),), "eps"),
    "gaussian mixture": Family("clustering", "gaussian_mixture", (("covariance_type", "diag"),)),
    "spectral": Family("clustering", "spectral"),
    "k-NN": Family("classification", "knn", (), "n_neighbors", (1, 3, 5, 7, 9, 15, 21, 31)),
    "svm": Family("classification", "svm", (), "C", (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)),
    "random forest": Family("classification", "random_forest", (), "n_estimators", (50, 100, 200, 400)),
    "precision@10": Family("retrieval", "cosine"),
}


def configs(name: str, radii: list[float]) -> list[dict[str, Any]]:
    """The members of a family, as the stages take them."""
    family = FAMILIES[name]
    if family.kind == "retrieval":
        return [{**_features.conf("retrieval", family.plugin), "search": "exact"}]
    kind = {"clustering": "clusterer", "classification": "classifier"}[family.kind]
    base = {**_features.conf(kind, family.plugin), **dict(family.changed)}
    values = (radii if family.varied == "eps" else family.values) or [None]
    options = [{**base, family.varied: value} if family.varied else base for value in values]
    axes = plugins.load(kind, family.plugin).AXES
    more = {"seed": 0} if "seed" in axes else {}
    more |= {"scope": "all"} if kind == "clusterer" else {}
    return [{kind: each, **more, **k} for each in options for k in ([{"k": k} for k in KS] if "k" in axes else [{}])]


# ------------------------------------------------------------------------------------------------ scikit-learn


def loops(family: str, folder: str, radii: list[float], answer: str) -> Callable[[], dict[str, Any]]:
    """The side of scikit-learn."""
    data, asked = _features.load(Path(folder)), configs(family, radii)
    run = {"clustering": _loop_clustering, "classification": _loop_classification, "retrieval": _loop_retrieval}
    work = run[FAMILIES[family].kind]
    work(data.first(TRIAL), asked[:2], None, family)
    return lambda: work(data, asked, Path(answer), family)


def cached(family: str, folder: str, radii: list[float], answer: str) -> Callable[[], dict[str, Any]]:
    """The side of scikit-learn for agglomerative families, with ``memory``; without the scores."""
    data, asked = _features.load(Path(folder)), configs(family, radii)
    _loops.cached_trees(data.x[:TRIAL], asked[:2])

    def work() -> dict[str, Any]:
        _loops.cached_trees(data.x, asked)
        return {}

    return work


def _fits(family: str, rows: tuple[np.ndarray, ...], asked: list) -> list[np.ndarray]:
    loop = getattr(_loops, FAMILIES[family].plugin)
    return _loops.fits(loop, rows, asked, loop in _loops.BESIDE)


def _loop_clustering(data: _features.Data, asked: list, answer: Path | None, family: str) -> dict[str, Any]:
    start = time.perf_counter()
    found = _fits(family, (data.x,), asked)
    fitted = time.perf_counter()
    metrics = _loops.scores(data.x, data.truth, found)
    return _answer(found, metrics, fitted - start, time.perf_counter() - fitted, answer)


def _loop_classification(data: _features.Data, asked: list, answer: Path | None, family: str) -> dict[str, Any]:
    start = time.perf_counter()
    train = data.split == _loops.TRAIN
    rows = (data.x[train], data.truth[train], data.x[~train])
    found = _fits(family, rows, asked)
    fitted, test = time.perf_counter(), data.split[~train] == _loops.TEST
    metrics = [_loops.accuracy(data.truth[~train][test], own[test]) for own in found]
    return _answer(found, metrics, fitted - start, time.perf_counter() - fitted, answer)


def _loop_retrieval(data: _features.Data, asked: list, answer: Path | None, family: str) -> dict[str, Any]:
    start = time.perf_counter()
    metrics = [_loops.precision(data.truth, _loops.cosine(data.x, asked[0]))]
    return _answer([], metrics, time.perf_counter() - start, 0.0, answer)


def _answer(found: list, metrics: list, fit: float, score: float, answer: Path | None) -> dict[str, Any]:
    if answer is not None and found:
        np.save(answer, np.array(found, dtype=np.int32))
    return {"fit": fit, "score": score, "metrics": metrics}


# ------------------------------------------------------------------------------------------------ the engine


def engine(family: str, folder: str, radii: list[float], answer: str) -> Callable[[], dict[str, Any]]:
    """The side of the engine: what a job does with its members, reading and writing in the store included."""
    data, asked = _features.load(Path(folder)), configs(family, radii)
    kind, place = FAMILIES[family].kind, Path(answer).parent
    trial = world(place / f"{family}-trial", data.first(TRIAL))
    inputs = world(place / family, data)
    run(kind, asked[:2], trial, _features.CORES)
    seconds = watched()
    return lambda: _engine(kind, asked, inputs, seconds, Path(answer))


def world(folder: Path, data: _features.Data) -> Inputs:
    """A store of its own with the rows in it, as the stages before would have left them."""
    store = Store(folder)
    info = {"n": len(data.x), "classes": [str(each) for each in range(int(data.truth.max()) + 1)]}
    store.write("dataset", "d" * 64, {"info": info}, {"split": data.split, "labels": data.truth})
    store.write("features", "f" * 64, {"info": {}}, {"features": data.x})
    return opened(folder)


def opened(folder: Path) -> Inputs:
    """What `world` has stored."""
    refs = dict.fromkeys(("features", "matrix"), ("features", "f" * 64))
    return Inputs(Store(folder), {"dataset": ("dataset", "d" * 64), **refs})


def run(kind: str, asked: list[dict[str, Any]], inputs: Inputs, cores: int) -> list[Any]:
    """Compute the members as a job with so many cores does, each stored and scored as it comes; in the order asked."""
    members = {hashing.digest(config): Member(hashing.digest(config), config) for config in asked}
    context = Context(threads=cores, scratch=inputs.store.root / "scratch")
    found: dict[str, Any] = {}

    def write(scores: Any) -> None:
        inputs.store.write("scores", scores.hash, _record(scores), scores.arrays)
        found[scores.hash] = replace(found[scores.hash], metrics=scores.metrics, failure=scores.failure)

    held = Held(inputs.store, inputs.refs)
    scoring = Scoring(kind, held, context, write)
    for outcome in STAGES[kind].compute(list(members.values()), held, context):
        inputs.store.write(kind, outcome.hash, _record(outcome), outcome.arrays)
        found[outcome.hash] = outcome
        if not outcome.failure:
            scoring.add(scored.fit(kind, outcome.hash, members[outcome.hash].config, outcome.arrays))
    scoring.finish()
    return [found[key] for key in members]


def watched() -> list[float]:
    """A list that grows by the seconds of each pass over internal and external metrics from now on."""
    seconds: list[float] = []
    for module in (internal, external):
        module.scores = _timed(module.scores, seconds)
    return seconds


def _engine(kind: str, asked: list, inputs: Inputs, seconds: list[float], answer: Path) -> dict[str, Any]:
    start = time.perf_counter()
    found = run(kind, asked, inputs, _features.CORES)
    whole = time.perf_counter() - start
    failed = [outcome.failure for outcome in found if outcome.failure]
    if kind != "retrieval" and not failed:
        np.save(answer, np.array([_labels(outcome.arrays, inputs) for outcome in found]))
    metrics = [dict(outcome.metrics) for outcome in found]
    return {"fit": whole, "score": sum(seconds), "metrics": metrics, "failed": failed[:1]}


def _labels(arrays: Any, inputs: Inputs) -> np.ndarray:
    if "labels" in arrays:
        return arrays["labels"]
    return arrays["predictions"][inputs.array("dataset", "split") != _loops.TRAIN]


def _record(outcome: Any) -> dict[str, Any]:
    metrics = {name: None if np.isnan(value) else float(value) for name, value in outcome.metrics.items()}
    return {"metrics": metrics, "notes": dict(outcome.notes), "info": dict(outcome.info), "reason": outcome.failure}


def _timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            seconds.append(time.perf_counter() - start)

    return timed
