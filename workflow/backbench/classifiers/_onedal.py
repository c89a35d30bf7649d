"""Forests grown by oneDAL (scikit-learn-intelex) and handed over as forests of scikit-learn.

It sorts each column into at most 256 bins and splits between bins, with random numbers of its own: other trees than
scikit-learn's, of about the same accuracy. Tree i follows from the seed and i, for any number of threads and trees.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backbench import plugins, threads
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

# Random streams that it has for the trees of a forest.
MOST_TREES = 6024
# The number of oneDAL's threads and the filters of warnings belong to the process.
_SETTINGS = threading.Lock()


def problems(criterion: str, trees: int) -> list[str]:
    """Why it cannot grow a forest here."""
    reasons = _lacking()
    if criterion != "gini":
        reasons.append(f"received criterion = {criterion}; allowed with engine = onedal: gini")
    if trees > MOST_TREES:
        reasons.append(f"received n_estimators = {trees}; allowed with engine = onedal: up to {MOST_TREES}")
    return reasons


def _lacking() -> list[str]:
    return plugins.lacking("sklearnex", "scikit-learn-intelex (for x86-64 processors)", "intelex")


def forest(options: dict[str, Any], seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Any:
    """A fitted `RandomForestClassifier` of scikit-learn with oneDAL's trees.

    Parameters
    ----------
    options
        Of `RandomForestClassifier`, by name.
    rows, classes
        Training rows (n, d) float32 and their classes (n,).

    Raises
    ------
    ConfigError
        If the package is not installed.
    RuntimeError
        If oneDAL does not take the rows.
    """
    from sklearn.ensemble import RandomForestClassifier

    if reasons := _lacking():
        raise ConfigError(f"classifier.engine=onedal: {reasons[0]}")
    grown = _grown(options, seed, rows, classes)
    model = RandomForestClassifier(**options, random_state=seed)
    model.estimators_ = grown.estimators_
    for name in ("classes_", "n_classes_", "n_features_in_", "n_outputs_"):
        setattr(model, name, getattr(grown, name))
    return model


def _grown(options: dict[str, Any], seed: int | None, rows: "np.ndarray", classes: "np.ndarray") -> Any:
    """The forest of scikit-learn-intelex, fitted on rows (n, d) and classes (n,)."""
    from sklearnex.ensemble import RandomForestClassifier

    with _all_threads() as count:
        model = RandomForestClassifier(**options, random_state=seed, n_jobs=count).fit(rows, classes)
    if not hasattr(model, "_onedal_estimator"):
        raise RuntimeError("oneDAL does not take these rows; give classifier.engine=sklearn")
    return model


@contextmanager
def _all_threads() -> Iterator[int]:
    """Let oneDAL use the threads of the caller; `n_jobs` alone counts in the main thread only, and warns elsewhere.

    One caller at a time: two would restore each other's settings.
    """
    import warnings

    import daal4py

    with _SETTINGS:
        count, before = threads.available(), daal4py.num_threads()
        daal4py.daalinit(count)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="'Threading' parallel backend")
                yield count
        finally:
            daal4py.daalinit(before)
