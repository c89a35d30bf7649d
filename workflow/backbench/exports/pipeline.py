"""The classifier of a run with its chain of transforms as one scikit-learn pipeline, fitted again as in the sweep."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from backbench import classifiers
from backbench.datasets import PARTS, TRAIN, VALIDATION
from backbench.exports import _tables
from backbench.inference import equals
from backbench.inference.equals import DOUBLE, SINGLE
from backbench.pictures.source import Source

if TYPE_CHECKING:
    import numpy as np

BLOCK = 2048
# The splits whose predictions are stored.
ASKED = PARTS[1:]


def fit(source: Source) -> Any:
    """The pipeline of a run: from features as they are stored to the number of the class.

    Every transform computes in float64 and its result is rounded to float32, as the stage `matrix` does; each step is
    fitted on what those before it make of the training rows. Call it within ``threads.one_core_each``, as the stages
    do: the number of threads changes the last bits of sums, and an iteration that ends by a tolerance ends elsewhere.

    Raises
    ------
    equals.NoEqual
        If the chain or the classifier has none in scikit-learn.
    """
    import numpy as np
    from sklearn.pipeline import Pipeline

    config = source.row.plan.stages[source.row.run.stages["classification"]].config
    equals.maker("classifier", config["classifier"]["name"])
    chain, rows, validation = _chain(source)
    # Of few shots the chain is fitted on all training rows all the same: transforms use no labels.
    learnt = np.isin(np.flatnonzero(source.split == TRAIN), source.learnt)
    held = classifiers.Held(
        validation, source.truth[source.split == VALIDATION], "shots" not in config, source.info("classification")
    )
    fitted = equals.classifier(config, rows[learnt], source.truth[source.learnt], held)
    steps: list[tuple[str, Any]] = []
    for name, model in chain:
        steps += [_cast(DOUBLE), (name, model), _cast(SINGLE)]
    steps += [_cast(fitted.dtype), (config["classifier"]["name"], fitted.model)]
    return Pipeline(_named(step for at, step in enumerate(steps) if not _idle(steps, at)))


def agreement(pipeline: Any, source: Source) -> dict[str, dict[str, int]]:
    """By part, of how many ``images`` the pipeline's class ``differs`` from the stored one.

    Validation images that a classifier was fitted on again, after it had predicted them, are left out.
    """
    import numpy as np

    features = _tables.stored_features(source)
    asked = PARTS[2:] if source.info("classification").get("choice", {}).get("refit") else ASKED
    counts = {}
    for code, part in enumerate(PARTS):
        rows = np.flatnonzero(source.split == code)
        if part in asked and len(rows):
            answers = predict(pipeline, features, rows)
            counts[part] = {"images": len(rows), "differs": int((answers != source.predictions[rows]).sum())}
    return counts


def predict(pipeline: Any, features: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    """Classes (m,) of `rows` (m,) of the features (n, d), block by block."""
    import numpy as np

    starts = range(0, len(rows), BLOCK)
    return np.concatenate([pipeline.predict(features[rows[start : start + BLOCK]]) for start in starts])


def _chain(source: Source) -> tuple[list[tuple[str, Any]], "np.ndarray", "np.ndarray"]:
    """The fitted transformers of the classifier's chain, by plugin, and what they make of the rows.

    These are the training rows (m, d) and the validation rows (v, d), float32.
    """
    kind, member = source.matrix_ref("classification")
    steps = source.row.plan.stages[member].config["steps"] if kind == "matrix" else []
    for step in steps:
        equals.maker("transform", step["name"])
    # What a classifier works on is fitted on the training rows, or not at all.
    features = _tables.stored_features(source)
    rows, held = features[source.split == TRAIN], features[source.split == VALIDATION]
    fitted: list[tuple[str, Any]] = []
    for step in steps:
        model = equals.transformer(step, rows.astype(DOUBLE))
        rows, held = (
            model.transform(part.astype(DOUBLE)).astype(SINGLE) if len(part) else part for part in (rows, held)
        )
        fitted.append((step["name"], model))
    return fitted, rows, held


def _cast(dtype: str) -> tuple[str, Any]:
    """A step that turns rows into `dtype`: numpy's unary plus, which skops trusts."""
    import numpy as np
    from sklearn.preprocessing import FunctionTransformer

    return dtype, FunctionTransformer(np.positive, kw_args={"dtype": dtype})


def _idle(steps: Sequence[tuple[str, Any]], at: int) -> bool:
    """Whether a step casts what the one before it has cast to the same type."""
    return at > 0 and steps[at][0] == steps[at - 1][0] and steps[at][0] in (SINGLE, DOUBLE)


def _named(steps: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Steps under names of their own: the second ``pca`` is ``pca_2``."""
    seen: dict[str, int] = {}
    named = []
    for name, model in steps:
        seen[name] = seen.get(name, 0) + 1
        named.append((name if seen[name] == 1 else f"{name}_{seen[name]}", model))
    return named
