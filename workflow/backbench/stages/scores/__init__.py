"""Scores of fits (layer 2): metrics of stored labels, predictions and neighbours, under a code digest of their own.

A module for each kind of fit, with ``scores(fits, inputs)``: an `Outcome` for each, with its metrics, what else is
derived (`info`), and arrays. Nothing here fits anything: a metric that is edited or added costs no fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Fit:
    """A fit to be scored: its hash, its configuration, and its labels (n,), predictions (n,) or neighbours (q, k)."""

    hash: str
    config: Mapping[str, Any]
    array: "np.ndarray" = field(repr=False)
