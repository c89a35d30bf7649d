"""Scores of fits: metrics of stored labels, predictions and neighbours, with their own code digest.

Each kind of fit has a module with ``scores(fits, inputs)``: an `Outcome` for each fit, with its metrics, further
derived facts (`info`) and arrays. Nothing here fits anything: editing or adding a metric costs no fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Fit:
    """A fit to score: its hash, its configuration, and its labels (n,), predictions (n,) or neighbours (q, k).

    `arrays` are what else is scored of it, by name: `probabilities` or `decision` scores (n, classes) of a classifier.
    """

    hash: str
    config: Mapping[str, Any]
    array: "np.ndarray" = field(repr=False)
    arrays: "Mapping[str, np.ndarray]" = field(default_factory=dict, repr=False)
