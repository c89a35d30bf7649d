"""The equals of transform and classifier plugins in scikit-learn, fitted again as in the sweep.

A plugin may say itself what its equal is: ``estimator(params, rows)`` of a transform gives a fitted transformer,
``estimator(params, seed, rows, classes)`` of a classifier a fitted classifier of float32 rows; one that chooses by
validation rows is given these as well, as `classifiers.Held`. Those that come with the package have theirs here, so
that adding one leaves the plugins, and with them the stored results, as they are.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from backbench import classifiers, plugins
from backbench.inference import _estimators, _transformers
from backbench.inference._estimators import DOUBLE as DOUBLE
from backbench.inference._estimators import SINGLE as SINGLE
from backbench.inference._estimators import Fitted

if TYPE_CHECKING:
    import numpy as np

KNOWN = {"transform": _transformers, "classifier": _estimators}


class NoEqual(Exception):
    """Something of a run has no equal in scikit-learn."""


def maker(kind: str, name: str) -> Callable[..., Any]:
    """What makes the equal of a plugin: a function of the plugin itself, or else one of those that are known here.

    Raises
    ------
    NoEqual
        If there is none.
    """
    known = KNOWN[kind]
    make = getattr(plugins.load(kind, name), "estimator", None) or known.EQUALS.get(name)
    if make is None:
        reason = known.LACKS.get(name, f"a function `estimator` in {plugins.module_name(kind, name)} would give it")
        raise NoEqual(f"the {kind} {name} has no equal in scikit-learn: {reason}")
    return make


def transformer(step: Mapping[str, Any], rows: "np.ndarray") -> Any:
    """The fitted equal of a transform with its options, learnt from rows (n, d) in float64.

    Raises
    ------
    NoEqual
        If there is none, or it cannot be fitted.
    """
    params = plugins.params("transform", step)
    return _made("transform", step["name"], maker("transform", step["name"]), params, rows)


def classifier(config: Mapping[str, Any], rows: "np.ndarray", classes: "np.ndarray", held: classifiers.Held) -> Fitted:
    """The fitted equal of a classifier, learnt from training rows (n, d) float32 and their classes (n,).

    Parameters
    ----------
    config : the configuration of the classification: ``classifier`` with its options, and perhaps ``seed``
    held : the validation rows, for classifiers that choose by them

    Raises
    ------
    NoEqual
        If there is none, or it cannot be fitted.
    """
    given = config["classifier"]
    params, make = plugins.params("classifier", given), maker("classifier", given["name"])
    more = (held,) if selects(config) else ()
    model = _made("classifier", given["name"], make, params, config.get("seed"), rows, classes, *more)
    return model if isinstance(model, Fitted) else Fitted(model, SINGLE)


def selects(config: Mapping[str, Any]) -> bool:
    """Whether the classifier of a configuration chooses by the validation rows."""
    return isinstance(classifiers.load(config["classifier"]["name"]), classifiers.Selecting)


def _made(kind: str, name: str, make: Callable[..., Any], *given: Any) -> Any:
    """What a plugin's equal comes to; whatever goes wrong there concerns this model alone."""
    try:
        return make(*given)
    except Exception as error:
        raise NoEqual(f"the {kind} {name} could not be fitted again: {type(error).__name__}: {error}") from error
