"""Random forest (Breiman 2001; `sklearn.ensemble.RandomForestClassifier`, whose results it equals).

Members that differ in `n_estimators` alone share their trees: with one seed the trees of the smaller forest are the
first of the larger one. With `engine` onedal the trees are oneDAL's, and the votes are counted as ever.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import classifiers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.classifiers._prefixes import Prefixes
    from backbench.metrics.near import Near

AXES = frozenset({"seed"})
NODE_BYTES = 400
ROWS = 512


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.ensemble.RandomForestClassifier`."""

    n_estimators: Annotated[int, Range(low=1)]
    criterion: Literal["gini", "entropy"]
    max_depth: Annotated[int, Range(low=1)] | None
    max_features: Literal["sqrt", "log2"] | Annotated[float, Range(above=0, high=1)]
    min_samples_split: Annotated[int, Range(low=2)]
    min_samples_leaf: Annotated[int, Range(low=1)]
    bootstrap: bool
    engine: Literal["sklearn", "onedal"] = "sklearn"


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    from backbench.classifiers import _onedal

    engine = _onedal.problems(params.criterion, params.n_estimators) if params.engine == "onedal" else []
    return engine + classifiers.too_few_classes(classes)


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows in float32, and for each forest trees of fewer than 2 n nodes of some 200 bytes: up to 17 classes."""
    return (4 * (n_train + n_query) * d + count * params.n_estimators * NODE_BYTES * n_train) / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to `n_estimators`."""
    cost = Cost(3.0, n=1.0, d=0.35) if params.engine == "onedal" else Cost(6.5, n=0.9, d=0.2)
    return params.n_estimators / 200 * cost.at(n_train, d, None, count)


def way(params: Params) -> str:
    """``onedal`` for its forests: their times are recorded apart from those of scikit-learn."""
    return "" if params.engine == "sklearn" else params.engine


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> "Prefixes":
    """Forests, by seed and options, for rows (n, d), classes (n,) and queries (q, d); each is grown by all threads."""
    from backbench.classifiers._prefixes import Prefixes

    forests = Prefixes(members, "n_estimators", partial(_answers, train_x, train_y, queries))
    # The number of oneDAL's threads is one for the whole process
    for member in [*forests.ahead(), *(member for member in members if member.params.engine == "onedal")]:
        forests.attempt(member)
    return forests


def predict(
    shared: "Prefixes", train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), from rows (n, d) and classes (n,)."""
    return shared.answer(task)


def _answers(
    train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task, sizes: Collection[int]
) -> dict[int, classifiers.Prediction]:
    """Predictions for queries (q, d) by one forest of rows (n, d), for each number of first trees in `sizes`."""
    import numpy as np

    forest = _grow(train_x, train_y, task, max(sizes))
    starts = range(0, len(queries), ROWS)
    parts = [*threads.in_order(lambda start: _votes(forest, queries[start : start + ROWS], sizes), starts)]
    depths = np.maximum.accumulate([tree.get_depth() for tree in forest.estimators_])
    answers = {}
    for size in sizes:
        info = {"deepest_tree": int(depths[size - 1])}
        if parts:
            shares = np.concatenate([part[size] for part in parts])
            answers[size] = classifiers.Prediction(
                forest.classes_[shares.argmax(axis=1)].astype(np.int64), info, shares
            )
        else:
            answers[size] = classifiers.Prediction(train_y[:0].astype(np.int64), info)
    return answers


def _votes(forest: Any, queries: "np.ndarray", sizes: Collection[int]) -> "dict[int, np.ndarray]":
    """Mean shares (queries, classes) by the number of first trees; the sum is in the order of the trees."""
    import numpy as np

    total = np.zeros((len(queries), len(forest.classes_)))
    shares: dict[int, np.ndarray] = {}
    for size, tree in enumerate(forest.estimators_, 1):
        total += tree.predict_proba(queries, check_input=False)
        if size in sizes:
            shares[size] = total / size
    return shares


def _grow(train_x: "np.ndarray", train_y: "np.ndarray", task: classifiers.Task, size: int) -> Any:
    """A forest of `size` trees fitted on rows (n, d) and classes (n,)."""
    return grown(replace(task.params, n_estimators=size), task.seed, train_x, train_y)


def grown(params: Params, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Any:
    """A fitted `sklearn.ensemble.RandomForestClassifier` of rows (n, d) float32 and classes (n,)."""
    from sklearn.ensemble import RandomForestClassifier

    from backbench.classifiers import _onedal

    options = asdict(params)
    if options.pop("engine") == "onedal":
        return _onedal.forest(options, seed, rows, classes)
    return RandomForestClassifier(**options, random_state=seed, n_jobs=threads.available()).fit(rows, classes)
