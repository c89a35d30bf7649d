"""What the scaling benchmark measures: one point is one family on n rows of d columns, its whole grid in one go."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import _features
import numpy as np

from backbench import classifiers, clusterers, plugins, threads
from backbench.metrics import external, internal
from backbench.metrics.near import Near
from backbench.stage import Context
from backbench.stages import _shard

PLUGINS = {
    "clustering": ("clusterer", clusterers.Task),
    "classification": ("classifier", classifiers.Task),
}
KS = tuple(range(2, 16))
FEW_KS = (2, 8, 15)
NEIGHBOURS = 15
TRIAL = 300
# As a sweep does it of itself: above so many rows silhouettes are estimated on a sample.
EXACT, SAMPLE = 100_000, 10_000
# What the members of a grid differ in, where that is not k.
VARIED = {
    "dbscan": ("eps_quantile", (0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
    "knn": ("n_neighbors", (1, 3, 5, 7, 9, 15, 21, 31)),
    "svm": ("C", (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)),
    "random_forest": ("n_estimators", (50, 100, 200, 400)),
}
# Families that are measured with other options too: those whose way of working differs.
VARIANTS = {
    "agglomerative(average)": {"linkage": "average"},
    "gaussian_mixture(full)": {"covariance_type": "full"},
}


def names(kind: str) -> list[str]:
    """The families of a kind."""
    if kind in ("clustering", "classification"):
        own = list(plugins.names(PLUGINS[kind][0]))
        return own + [name for name in VARIANTS if kind == "clustering" and name.partition("(")[0] in own]
    return {"neighbours": ["euclidean", "cosine"], "metrics": ["labeling"]}[kind]


def count(kind: str, family: str, n: int) -> int:
    """Members of the grid of a point."""
    if kind == "metrics":
        return len(KS)
    return 1 if kind == "neighbours" else len(_tasks(kind, family, n)[1])


def rows_fitted(kind: str, n: int) -> int:
    """Of n rows those that a member is fitted on: classifiers have the training part alone."""
    return n - _asked(n) if kind == "classification" else n


def model_mb(kind: str, family: str, n: int, d: int, cores: int) -> float | None:
    """What the plugin says that it will need beyond the matrix, `cores` members at once."""
    if kind not in ("clustering", "classification"):
        return None
    module, tasks = _tasks(kind, family, n)
    at_once = min(cores, len(tasks))
    shape = (n, d) if kind == "clustering" else (rows_fitted(kind, n), _asked(n), d)
    return max(module.memory_mb(task.params, *shape, at_once) for task in tasks)


def point(
    kind: str, family: str, n: int, folder: str, cores: int, single: bool = False
) -> Callable[[], dict[str, Any]]:
    """The work of one point, for `_measure.alone`; it returns how many members failed and why the first one did.

    With `single`, one member of the grid alone does what its family shares.
    """
    data = _features.grown(Path(folder), n)
    work = {"clustering": _clustering, "classification": _classification, "metrics": _metrics, "neighbours": _near}[
        kind
    ]
    with contextlib.suppress(Exception):
        work(family, data.first(TRIAL), cores, single)()
    return work(family, data, cores, single)


def _tasks(kind: str, family: str, n: int) -> tuple[ModuleType, list[Any]]:
    name = family.partition("(")[0]
    plugin_kind, make = PLUGINS[kind]
    module = plugins.load(plugin_kind, name)
    option, values = VARIED.get(name, (None, (None,)))
    base = {**_features.conf(plugin_kind, name), **VARIANTS.get(family, {})}
    options = [{**base, option: value} if option else base for value in values]
    axes = {"seed": 0} if "seed" in module.AXES else {}
    ks = (KS if n < 1_000_000 else FEW_KS) if "k" in module.AXES else (None,)
    wide = [axes if k is None else {**axes, "k": k} for k in ks]
    return module, [make(plugins.params(plugin_kind, each), **more) for each in options for more in wide]


def _chosen(members: Sequence[Any], single: bool) -> Sequence[Any]:
    """All members, or the one in the middle."""
    return members[len(members) // 2 :][:1] if single else members


def _asked(n: int) -> int:
    """Rows of the validation and test part, about."""
    return int(0.4 * n)


def _clustering(family: str, data: _features.Data, cores: int, single: bool) -> Callable[[], dict[str, Any]]:
    module, every = _tasks("clustering", family, len(data.x))
    tasks = _chosen(every, single)

    def work() -> dict[str, Any]:
        with _shard.computing(Context(threads=cores)):
            shared = module.prepare(data.x, tasks, Near(data.x))
            return _told(threads.as_done(_caught(lambda task: module.fit(shared, data.x, task)), tasks))

    return work


def _classification(family: str, data: _features.Data, cores: int, single: bool) -> Callable[[], dict[str, Any]]:
    module, every = _tasks("classification", family, len(data.x))
    tasks = _chosen(every, single)
    train = data.split == _shard.TRAIN
    rows = (data.x[train], data.truth[train], data.x[~train])

    def work() -> dict[str, Any]:
        with _shard.computing(Context(threads=cores)):
            shared = module.prepare(*rows, tasks, Near(rows[0], rows[2]))
            return _told(threads.as_done(_caught(lambda task: module.predict(shared, *rows, task)), tasks))

    return work


def _metrics(family: str, data: _features.Data, cores: int, single: bool) -> Callable[[], dict[str, Any]]:
    """All metrics of labelings with 2 to 15 clusters: each row goes to the nearest of k rows drawn at random."""
    rng = np.random.default_rng(0)
    labelings = [_nearest(data.x, data.x[rng.choice(len(data.x), k, replace=False)]) for k in _chosen(KS, single)]

    def work() -> dict[str, Any]:
        with _shard.computing(Context(threads=cores)):
            internal.scores(data.x, labelings, SAMPLE if len(data.x) > EXACT else None)
            return _told(threads.as_done(_caught(lambda found: external.scores(data.truth, found)), labelings))

    return work


def _nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return ((centres * centres).sum(axis=1) - 2 * (x @ centres.T)).argmin(axis=1).astype(np.int64)


def _near(family: str, data: _features.Data, cores: int, single: bool) -> Callable[[], dict[str, Any]]:
    def work() -> dict[str, Any]:
        with _shard.computing(Context(threads=cores)):
            return _told(map(_caught(lambda metric: Near(data.x).nearest(metric, NEIGHBOURS)), [family]))

    return work


def _caught(function: Callable[[Any], Any]) -> Callable[[Any], str | None]:
    def attempt(item: Any) -> str | None:
        try:
            function(item)
        except Exception as error:  # the fault of one member: it is told in the table
            return f"{type(error).__name__}: {error}"
        return None

    return attempt


def _told(failures: Iterator[str | None]) -> dict[str, Any]:
    found = list(failures)
    bad = [failure for failure in found if failure]
    return {"members": len(found), "failed": len(bad), "why": bad[0][:200] if bad else None}
