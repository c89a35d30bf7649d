"""Random forest (Breiman 2001; `sklearn.ensemble.RandomForestClassifier`, whose results it equals).

Members that differ by `n_estimators` alone share their trees: with one seed the trees of the smaller forest are the
first of the larger one.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import classifiers, threads
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


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    return classifiers.too_few_classes(classes)


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows in float32, and for each forest trees of fewer than 2 n nodes of some 200 bytes: up to 17 classes."""
    return (4 * (n_train + n_query) * d + count * params.n_estimators * NODE_BYTES * n_train) / classifiers.MB


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> "Prefixes":
    """Forests by seed and options; each is grown by all threads."""
    from backbench.classifiers._prefixes import Prefixes

    forests = Prefixes(members, "n_estimators", partial(_answers, train_x, train_y, queries))
    for member in forests.ahead():
        forests.attempt(member)
    return forests


def predict(
    shared: "Prefixes", train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    return shared.answer(task)


def _answers(
    train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task, sizes: Collection[int]
) -> dict[int, classifiers.Prediction]:
    """Answers of the first trees of one forest, for each number of trees in `sizes`."""
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

    total, found = np.zeros((len(queries), len(forest.classes_))), {}
    for size, tree in enumerate(forest.estimators_, 1):
        total += tree.predict_proba(queries, check_input=False)
        if size in sizes:
            found[size] = total / size
    return found


def _grow(train_x: "np.ndarray", train_y: "np.ndarray", task: classifiers.Task, size: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    options = {**asdict(task.params), "n_estimators": size}
    model = RandomForestClassifier(**options, random_state=task.seed, n_jobs=threads.available())
    return model.fit(train_x, train_y)
