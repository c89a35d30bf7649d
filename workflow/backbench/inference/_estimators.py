"""Classifier plugins as fitted classifiers of scikit-learn: a function for each, named like the plugin.

Each takes the plugin's parameters, the seed, the training rows (n, d) in float32 and their classes (n,), and if the
plugin chooses by validation rows, these. It returns the model with the type of the rows that it was fitted on and
predicts from: the one in which the plugin computes.
"""

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from backbench import classifiers

if TYPE_CHECKING:
    import numpy as np

SINGLE, DOUBLE = "float32", "float64"


@dataclass(frozen=True)
class Fitted:
    """A classifier and the type of its rows."""

    model: Any
    dtype: str


def knn(params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Fitted:
    """Of rows (n, d) and classes (n,). Of float32 rows, euclidean distances are summed in float64, cosine ones not."""
    from sklearn.neighbors import KNeighborsClassifier

    options = asdict(params)
    if options.pop("weights") == "exponential":
        raise ValueError("its neighbours are not weighted by exp(cosine / temperature) there")
    del options["temperature"]
    return _fit(
        KNeighborsClassifier(**options, weights=params.weights, algorithm="brute"),
        rows,
        classes,
        SINGLE if params.metric == "euclidean" else DOUBLE,
    )


def svm(params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Fitted:
    """The plugin `svm`, of rows (n, d) and classes (n,)."""
    from sklearn.svm import SVC

    return _fit(SVC(**asdict(params)), rows, classes)


def lda(params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Fitted:
    """The plugin `lda`, of rows (n, d) and classes (n,)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return _fit(LinearDiscriminantAnalysis(**asdict(params)), rows, classes)


def logistic_regression(params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Fitted:
    """The plugin `logistic_regression`, of rows (n, d) and classes (n,)."""
    from sklearn.linear_model import LogisticRegression

    return _fit(LogisticRegression(**asdict(params)), rows, classes)


def logistic_sweep(
    params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray", held: classifiers.Held
) -> Fitted:
    """The plugin `logistic_sweep`, of rows (n, d) and classes (n,), with the C that validation rows chose."""
    return _selected("logistic_sweep", params, seed, rows, classes, held)


def linear_probe(
    params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray", held: classifiers.Held
) -> Fitted:
    """The plugin `linear_probe`, of rows (n, d) and classes (n,): the classifier that validation rows chose."""
    return _selected("linear_probe", params, seed, rows, classes, held)


def random_forest(params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Fitted:
    """The plugin `random_forest`, of rows (n, d) and classes (n,)."""
    import numpy as np

    from backbench.classifiers import random_forest as plugin

    model = plugin.grown(params, seed, np.ascontiguousarray(rows, SINGLE), classes)
    return Fitted(model.set_params(n_jobs=None), SINGLE)


def gradient_boosting(params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Fitted:
    """The plugin `gradient_boosting`, of rows (n, d) and classes (n,)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return _fit(HistGradientBoostingClassifier(**asdict(params), early_stopping=False), rows, classes)


def mlp(params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Fitted:
    """Of rows (n, d) and classes (n,), without the optimiser: it serves further training only, and skops rejects it."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    options = asdict(params)
    epochs, options["hidden_layer_sizes"] = options.pop("epochs"), (options.pop("hidden"),)
    options["batch_size"] = min(options["batch_size"], len(rows))
    model, names = MLPClassifier(**options, random_state=seed), np.unique(classes)
    for _ in range(epochs):
        model.partial_fit(rows, classes, classes=names)
    del model._optimizer
    return Fitted(model, SINGLE)


def nearest_centroid(params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Fitted:
    """Of rows (n, d) and classes (n,). In columns without spread, shrunken centroids are undefined: there they stay."""
    import numpy as np
    from sklearn.neighbors import NearestCentroid

    fitted = _fit(NearestCentroid(**asdict(params)), rows, classes)
    if params.shrink_threshold is not None:
        plain = _fit(NearestCentroid(metric=params.metric), rows, classes).model.centroids_
        centroids = fitted.model.centroids_
        fitted.model.centroids_ = np.where(np.isnan(centroids), plain, centroids)
    return fitted


def _selected(
    name: str, params: Any, seed: int | None, rows: "np.ndarray", classes: "np.ndarray", held: classifiers.Held
) -> Fitted:
    """What a plugin that chooses makes of rows (n, d) and classes (n,): it is a model of scikit-learn already."""
    plugin = classifiers.load(name)
    assert isinstance(plugin, classifiers.Selecting)
    return Fitted(plugin.final(params, seed, rows, classes, held), DOUBLE)


def _fit(model: Any, rows: "np.ndarray", classes: "np.ndarray", dtype: str = DOUBLE) -> Fitted:
    """A model fitted on rows (n, d), cast to `dtype`, and classes (n,)."""
    import numpy as np

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Whatever it warns of happened in the sweep too.
        warnings.simplefilter("ignore")
        return Fitted(model.fit(np.ascontiguousarray(rows, dtype), classes), dtype)


EQUALS = {
    make.__name__: make
    for make in (
        knn,
        svm,
        lda,
        logistic_regression,
        logistic_sweep,
        linear_probe,
        random_forest,
        gradient_boosting,
        mlp,
        nearest_centroid,
    )
}
LACKS = {"zero_shot": "it learns from no rows; the text tower of the backbone says what stands for its classes"}
