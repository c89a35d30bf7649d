"""A probe with one hidden layer, trained by Adam for a fixed number of epochs.

Equals `epochs` calls of `partial_fit` of `sklearn.neural_network.MLPClassifier`. Members that differ in `epochs` alone
share their training: the shorter one is the beginning of the longer one. Training never stops early, and a loss that
is still falling is no failure: `loss`, its mean over the last epoch, shows it.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import classifiers
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.classifiers._prefixes import Prefixes
    from backbench.metrics.near import Near

AXES = frozenset({"seed"})
# Weights, gradients, two moments and temporaries of an update
COPIES = 8
CLASSES = 64


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.neural_network.MLPClassifier`; `hidden` units in one layer."""

    hidden: Annotated[int, Range(low=1)]
    activation: Literal["relu", "tanh"]
    alpha: Annotated[float, Range(low=0)]
    batch_size: Annotated[int, Range(low=1)]
    learning_rate_init: Annotated[float, Range(above=0)]
    epochs: Annotated[int, Range(low=1)]


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    return classifiers.too_few_classes(classes)


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """For each member its weights, one-hot classes (64 of them), a batch, and the queries passed through."""
    weights = COPIES * (d + CLASSES) * params.hidden
    batch = min(params.batch_size, n_train) * (d + 3 * params.hidden + 3 * CLASSES)
    passed = n_query * (2 * params.hidden + 3 * CLASSES)
    return count * (4 * (weights + batch + passed) + 9 * n_train * CLASSES) / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to `epochs`."""
    return params.epochs / 50 * Cost(3.5, n=0.95, d=0.45).at(n_train, d, None, count)


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> "Prefixes":
    """Networks, by seed and options, for rows (n, d), classes (n,) and queries (q, d)."""
    from backbench.classifiers._prefixes import Prefixes

    networks = Prefixes(members, "epochs", partial(_answers, train_x, train_y, queries))
    networks.make_beside()
    return networks


def predict(
    shared: "Prefixes", train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), from rows (n, d) and classes (n,)."""
    return shared.answer(task)


def _answers(
    train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task, sizes: Collection[int]
) -> dict[int, classifiers.Prediction]:
    """Predictions for queries (q, d) by one network of rows (n, d), after each number of epochs in `sizes`."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    options: dict[str, Any] = asdict(task.params)
    del options["epochs"]
    options["hidden_layer_sizes"] = (options.pop("hidden"),)
    options["batch_size"] = min(options["batch_size"], len(train_x))
    model, names = MLPClassifier(**options, random_state=task.seed), np.unique(train_y)
    predictions: dict[int, classifiers.Prediction] = {}
    for epoch in range(1, max(sizes) + 1):
        model.partial_fit(train_x, train_y, classes=names)
        if epoch in sizes:
            predictions[epoch] = classifiers.by_probabilities(model, queries, {"loss": float(model.loss_)})
    return predictions
