"""Random forest (Breiman 2001; `sklearn.ensemble.RandomForestClassifier`, whose results it equals).

Members that differ by `n_estimators` alone share their trees: with one seed the trees of the smaller forest are the
first of the larger one.
"""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import classifiers, threads
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"seed"})
NODE_BYTES = 400


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
    """Rows in float32, and for each member trees of fewer than 2 n nodes of some 200 bytes."""
    return (4 * (n_train + n_query) * d + count * params.n_estimators * NODE_BYTES * n_train) / classifiers.MB


class Shared:
    """Forests by seed and options, at the largest size that any member asks for."""

    def __init__(self, most: dict[tuple, int]):
        self.most = most
        self._once = threads.Once()

    def forest(
        self, train_x: "np.ndarray", train_y: "np.ndarray", task: classifiers.Task
    ) -> tuple[Any, Exception | None]:
        """The largest forest of the member's kind, or the error that growing it raised."""
        key = _forest(task)
        return self._once.attempt(key, partial(_grow, train_x, train_y, task, self.most[key]))


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> Shared:
    most: dict[tuple, int] = {}
    for member in members:
        most[_forest(member)] = max(most.get(_forest(member), 0), member.params.n_estimators)
    shared = Shared(most)
    if len(most) < threads.available():
        # Fewer forests than threads: each is grown by all threads, before the members ask side by side.
        for member in members:
            shared.forest(train_x, train_y, member)
    return shared


def predict(
    shared: Shared, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> tuple["np.ndarray", dict[str, Any]]:
    grown, error = shared.forest(train_x, train_y, task)
    if error is not None:
        raise error
    model = copy.copy(grown)
    model.estimators_ = grown.estimators_[: task.params.n_estimators]
    model.n_estimators = len(model.estimators_)
    found = model.predict(queries) if len(queries) else train_y[:0]
    depth = max(tree.get_depth() for tree in model.estimators_)
    return found.astype("int64"), {"deepest_tree": int(depth)}


def _forest(task: classifiers.Task) -> tuple:
    options = asdict(task.params)
    del options["n_estimators"]
    return (task.seed, *options.items())


def _grow(train_x: "np.ndarray", train_y: "np.ndarray", task: classifiers.Task, size: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    options = {**asdict(task.params), "n_estimators": size}
    model = RandomForestClassifier(**options, random_state=task.seed, n_jobs=threads.available())
    model.fit(train_x, train_y)
    # Trees vote in turn: a sum in the order of finishing threads would not be the same twice.
    return model.set_params(n_jobs=1)
