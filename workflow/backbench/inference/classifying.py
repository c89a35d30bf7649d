"""The classifier of a run, fitted again on its training images and asked about any rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench import classifiers, plugins
from backbench.inference import equals, skops_files

if TYPE_CHECKING:
    import numpy as np

# These answer by the training rows themselves: their plugins are asked, so that ties are decided as in the sweep.
BY_ROWS = ("knn", "nearest_centroid")
PAIRWISE = "svm"
PROBABILITIES, DECISION = "probabilities", "decision"
BLOCK = 2048


@dataclass(frozen=True)
class Classified:
    """Classes (n,) int64 as numbers, and scores (n, classes) float32 if the classifier has them.

    `kind` says what the scores are: ``probabilities``, or ``decision`` scores, of which the highest wins; "" for none.
    A class without training images has probability 0 and a decision score of NaN.
    """

    classes: "np.ndarray"
    scores: "np.ndarray | None"
    kind: str


@dataclass(frozen=True)
class Fitted:
    """A classifier fitted on training rows.

    `model` is scikit-learn's with the type of its rows, or None where the plugin itself is asked, with the training
    `rows` (m, d) and their `classes` (m,). `count` is the number of classes of the collection, of which `trained` (t,)
    have training images. `words` (classes, d) stand for the classes of a classifier that learns from none.
    """

    config: Mapping[str, Any]
    count: int
    trained: "np.ndarray"
    model: Any = None
    dtype: str = equals.SINGLE
    rows: "np.ndarray | None" = None
    classes: "np.ndarray | None" = None
    words: "np.ndarray | None" = None

    def __call__(self, queries: "np.ndarray") -> Classified:
        """What it says of rows (n, d)."""
        import numpy as np

        parts = [self._block(queries[at : at + BLOCK]) for at in range(0, max(len(queries), 1), BLOCK)]
        kinds = {kind for _, _, kind in parts}
        scores = [part for _, part, _ in parts if part is not None]
        joined = np.concatenate(scores) if len(scores) == len(parts) else None
        return Classified(np.concatenate([part for part, _, _ in parts]), joined, kinds.pop())

    def _block(self, queries: "np.ndarray") -> "tuple[np.ndarray, np.ndarray | None, str]":
        """Classes (n,), scores (n, classes) and their kind of a block of rows (n, d)."""
        import numpy as np

        prediction = self._asked(queries)
        scores, kind = prediction.probabilities, PROBABILITIES
        if scores is None:
            scores, kind = prediction.decision, DECISION
        if scores is None:
            return prediction.classes, None, ""
        whole = np.full((len(queries), self.count), 0.0 if kind == PROBABILITIES else np.nan, np.float32)
        whole[:, self.trained] = scores
        return prediction.classes, whole, kind

    def _asked(self, queries: "np.ndarray") -> classifiers.Prediction:
        """The prediction for rows (n, d)."""
        import numpy as np

        name = self.config["classifier"]["name"]
        if self.model is None:
            return self._by_plugin(name, queries)
        rows = np.ascontiguousarray(queries, self.dtype)
        if not len(rows):
            return classifiers.Prediction(self.trained[:0].astype(np.int64))
        if name == PAIRWISE:
            from backbench.classifiers import _pairs

            return _pairs.prediction(self.model, rows)
        if hasattr(self.model, "predict_proba"):
            return classifiers.by_probabilities(self.model, rows)
        return classifiers.Prediction(self.model.predict(rows).astype(np.int64))

    def _by_plugin(self, name: str, queries: "np.ndarray") -> classifiers.Prediction:
        """What the plugin itself predicts for rows (n, d)."""
        from backbench.metrics import near

        assert self.rows is not None and self.classes is not None
        plugin, task = classifiers.load(name), _task(self.config, self.words)
        among = near.Near(self.rows, queries)
        shared = plugin.prepare(self.rows, self.classes, queries, [task], among)
        return plugin.predict(shared, self.rows, self.classes, queries, task)


def fit(
    config: Mapping[str, Any],
    rows: "np.ndarray",
    classes: "np.ndarray",
    count: int,
    held: classifiers.Held,
    words: "np.ndarray | None" = None,
) -> Fitted:
    """The classifier of a configuration, fitted on training rows (m, d) float32 and their classes (m,).

    A plugin that has no equal in scikit-learn is asked itself, and fits again each time, unless it chooses by the
    validation rows.

    Parameters
    ----------
    config : ``classifier`` with its options, and perhaps ``seed``
    count : the number of classes of the collection
    held : the validation rows
    words : (classes, d) float32, what the run stored of a classifier that knows the classes by words

    Raises
    ------
    equals.NoEqual
        If a classifier that chooses by the validation rows cannot be fitted again.
    """
    import numpy as np

    if words is not None:
        # It learns from no rows, and so none are kept.
        return Fitted(config, count, np.arange(count), rows=rows[:0].copy(), classes=classes[:0].copy(), words=words)
    trained, name = np.unique(classes), config["classifier"]["name"]
    if name not in BY_ROWS:
        try:
            fitted = equals.classifier(config, rows, classes, held)
        except equals.NoEqual:
            if equals.selects(config):
                raise
        else:
            if name == PAIRWISE:
                fitted.model.decision_function_shape = "ovo"
            return Fitted(config, count, trained, fitted.model, fitted.dtype)
    return Fitted(config, count, trained, rows=np.ascontiguousarray(rows), classes=np.ascontiguousarray(classes))


def pack(fitted: Fitted) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """A classifier as plain JSON and arrays (m, ...).

    Raises
    ------
    skops_files.Unsafe
        If it has types that cannot be loaded safely.
    """
    about = {"config": dict(fitted.config), "count": fitted.count, "dtype": fitted.dtype}
    arrays = {"classifier.trained": fitted.trained}
    if fitted.rows is None or fitted.classes is None:
        return about, arrays | {"classifier.model": skops_files.dumps(fitted.model)}
    if fitted.words is not None:
        arrays["classifier.words"] = fitted.words
    return about, arrays | {"classifier.rows": fitted.rows, "classifier.classes": fitted.classes}


def unpack(about: Mapping[str, Any], arrays: "Mapping[str, np.ndarray]") -> Fitted:
    """The classifier that :func:`pack` made arrays (m, ...) of."""
    known = {"config": about["config"], "count": about["count"], "trained": arrays["classifier.trained"]}
    if "classifier.model" in arrays:
        return Fitted(**known, model=skops_files.loads(arrays["classifier.model"]), dtype=about["dtype"])
    words = arrays.get("classifier.words")
    return Fitted(**known, rows=arrays["classifier.rows"], classes=arrays["classifier.classes"], words=words)


def _task(config: Mapping[str, Any], words: "np.ndarray | None") -> classifiers.Task:
    """The task of a configuration; `words` (classes, d) stand for its classes."""
    return classifiers.Task(plugins.params("classifier", config["classifier"]), config.get("seed"), words=words)
