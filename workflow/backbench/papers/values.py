"""The value of a figure in one result, and its interval where a single fit has one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench.datasets import TEST
from backbench.evaluate import estimates, resampled
from backbench.evaluate.estimates import Estimate, Replicated
from backbench.evaluate.resampled import Images
from backbench.papers.published import Figure
from backbench.papers.results import Results
from backbench.statistics import intervals
from backbench.store import Store, StoreError
from backbench.sweep.results.ledger import Row

if TYPE_CHECKING:
    import numpy as np

OVER_IMAGES = intervals.IMAGES


@dataclass(frozen=True)
class Value:
    """A number, or None and why there is none."""

    number: float | None
    reason: str = ""


def value(figure: Figure, found: Results, row: Row) -> Value:
    """What a figure is in one result."""
    record = found.record(row)
    values, notes = record["metrics"], record["notes"]
    if figure.category is not None:
        classes = record["info"].get("per_class", {})
        values = classes.get(figure.category)
        if values is None:
            return Value(None, f"no class {figure.category!r} among the classes of these images")
    elif figure.part is not None:
        parts = record["info"].get("parts") or {record["info"].get("scope"): values}
        values = parts.get(figure.part)
        if values is None:
            return Value(None, f"the {figure.part} images were not clustered apart (clustering.scope=per_split)")
    if figure.metric not in values:
        classes = _info(row).get("classes")
        return Value(None, f"there is no {figure.metric}" + ("" if classes else ": these images have no classes"))
    number = values[figure.metric]
    if number is None or math.isnan(number):
        return Value(None, f"{figure.metric} is undefined: {notes.get(figure.metric, 'no reason is recorded')}")
    return Value(float(number))


def over_images(
    figure: Figure, found: Results, rows: Sequence[Row], numbers: Sequence[float], store: Store
) -> Estimate:
    """The mean with the interval that leaderboards give it: over the judged images, and over the seeds where there are
    several; without an interval where the metric cannot be resampled or the arrays are gone.

    Of one class, precision and recall are shares of so many images and have Wilson's (1927) score interval.
    """
    if figure.category is not None:
        return _of_class(figure, found, rows, numbers, store)
    images = _images(rows[0], store)
    try:
        own = [resampled.metrics(row, found.head, [figure.metric], images).get(figure.metric) for row in rows]
    except StoreError:
        own = [None]
    replicated = None
    if all(own):
        import numpy as np

        share = resampled.is_share(figure.metric)
        replicated = Replicated(np.stack([one[0] for one in own]), own[0][1], share)
    return estimates.estimate(numbers, replicated, _draws(found, rows), False)


def _of_class(figure: Figure, found: Results, rows: Sequence[Row], numbers: Sequence[float], store: Store) -> Estimate:
    plain = estimates.estimate(numbers, None, 0, True)
    if len(rows) > 1:
        return plain
    try:
        right, predicted, true, weights = _counted(figure, found, rows[0], store)
    except StoreError:
        return plain
    if figure.metric == "f1":
        return _drawn_f1(plain, right, predicted, true, weights)
    of = int((predicted if figure.metric == "precision" else true).sum())
    if not of:
        return plain
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(int(right.sum()), of, method="wilson")
    return Estimate(numbers[0], float(low), float(high), OVER_IMAGES, of)


def _drawn_f1(
    plain: Estimate, right: "np.ndarray", predicted: "np.ndarray", true: "np.ndarray", weights: "np.ndarray"
) -> Estimate:
    """F1 with its percentile interval over the drawn images; where no draw differs from another a bootstrap says
    nothing, and there is none."""
    import numpy as np

    both = weights @ (predicted.astype(float) + true)
    some = both > 0
    drawn = 2 * (weights @ right.astype(float))[some] / both[some]
    if not len(drawn) or np.ptp(drawn) <= estimates.ROUNDING:
        return plain
    own = intervals.percentile(drawn, observed=plain.mean)
    return Estimate(plain.mean, max(own.low, 0.0), min(own.high, 1.0), own.over, len(true))


def _counted(figure: Figure, found: Results, row: Row, store: Store) -> tuple["np.ndarray", ...]:
    """Of each test image whether it is rightly taken for the class, taken for it, and of it; and the drawn weights."""
    images = _images(row, store)
    own = images.split == TEST
    number = _info(row)["classes"].index(figure.category)
    predicted = store.array(found.head, row.run.stages[found.head], "predictions")[own] == number
    true = images.truth[own] == number
    return predicted & true, predicted, true, images.weights(int(own.sum()))


def _images(row: Row, store: Store) -> Images:
    return Images(store, row.stages["dataset"], bool(_info(row).get("classes")))


def _info(row: Row) -> dict[str, Any]:
    return row.records.get(row.stages["dataset"], {}).get("info", {})


def _draws(found: Results, rows: Sequence[Row]) -> int:
    """What tells the draws of seeds of one figure from those of another."""
    return int(rows[0].run.stages[found.head][:8], 16)
