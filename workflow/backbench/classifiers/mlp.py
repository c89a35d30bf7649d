"""A probe with one hidden layer, trained by Adam for a fixed number of epochs.

Equals `epochs` calls of `partial_fit` of `sklearn.neural_network.MLPClassifier`. Members that differ by `epochs` alone
share their training: the shorter one is the beginning of the longer one. Nothing stops it sooner, and a loss that still
falls is no failure; `loss`, its mean over the last epoch, tells.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from backbench import classifiers
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.classifiers._prefixes import Prefixes
    from backbench.metrics.near import Near

AXES = frozenset({"seed"})
# Weights, gradients, two moments and what an update of them needs
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


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> "Prefixes":
    """Networks by seed and options."""
    from backbench.classifiers._prefixes import Prefixes

    networks = Prefixes(members, "epochs", partial(_answers, train_x, train_y, queries))
    networks.make_beside()
    return networks


def predict(
    shared: "Prefixes", train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    return shared.answer(task)


def _answers(
    train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task, sizes: Collection[int]
) -> dict[int, classifiers.Prediction]:
    """Answers of one network after each number of epochs in `sizes`."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    options = asdict(task.params)
    del options["epochs"]
    options["hidden_layer_sizes"] = (options.pop("hidden"),)
    options["batch_size"] = min(options["batch_size"], len(train_x))
    model, names, found = MLPClassifier(**options, random_state=task.seed), np.unique(train_y), {}
    for epoch in range(1, max(sizes) + 1):
        model.partial_fit(train_x, train_y, classes=names)
        if epoch in sizes:
            found[epoch] = classifiers.by_probabilities(model, queries, {"loss": float(model.loss_)})
    return found
