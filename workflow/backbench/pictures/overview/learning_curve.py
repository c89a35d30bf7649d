"""How good the best classifiers are by the number of training images of each class: how many labels are needed."""

from typing import TYPE_CHECKING

from backbench import titles
from backbench.engine.plan.judges import BASELINES
from backbench.evaluate import learning_curves
from backbench.evaluate.learning_curves import Curve
from backbench.metrics import catalogue
from backbench.metrics.catalogue import CLASSIFICATION
from backbench.pictures.source import Sweep
from backbench.plots import Picture

if TYPE_CHECKING:
    from backbench.plots.learning_curve import Line

TITLE = "Learning curves: how many labels are needed"
CATEGORY = "Sweep"
ORDER = 15
LINES = 6


def lacks(sweep: Sweep) -> str | None:
    """Why there is no curve."""
    if learning_curves.there(sweep.rows):
        return None
    return "no classifier was tried with several numbers of training images (classification.shots=1,2,4,8,16,null)"


def draw(sweep: Sweep) -> Picture:
    """A line for each classifier and representation, the best few."""
    from backbench.plots import learning_curve

    curves = learning_curves.curves(sweep.rows, sweep.store)
    shown = curves[:LINES]
    return learning_curve.draw(sweep.heading(TITLE), list(map(_line, shown)), shown[0].metric, _caption(shown, curves))


def _line(curve: Curve) -> "Line":
    from backbench.plots import learning_curve

    points = [
        learning_curve.Point(
            *(point.shots, point.images, point.draws),
            *(point.estimate.mean, point.estimate.low, point.estimate.high),
        )
        for point in curve.points
    ]
    return learning_curve.Line(_name(curve), points, curve.row.params["backbone.name"] in BASELINES)


def _name(curve: Curve) -> str:
    """``SVM on EfficientNet-Lite0``, with the options that distinguish namesakes."""
    params = curve.row.params
    classifier = titles.with_notes(titles.classifier(params), titles.options(curve.varying, params, "classifier."))
    notes = [*titles.options(curve.varying, params, "backbone."), *titles.chain(curve.row.chain(CLASSIFICATION))]
    return f"{classifier} on {titles.with_notes(titles.backbone(params), notes)}"


def _caption(shown: list[Curve], curves: list[Curve]) -> str:
    """What points, bands and bars are."""
    metric = catalogue.metric(shown[0].metric)
    draws = sorted({point.draws for curve in shown for point in curve.points if point.shots is not None})
    few = str(draws[0]) if len(draws) == 1 else f"{draws[0]} to {draws[-1]}"
    drawn = f"the mean of {few} draws" if draws[-1] > 1 else "one draw"
    over = " and those draws" if draws[-1] > 1 else ""
    parts = [
        f"Each point is {drawn} of so many training images of each class; bands are 95 % intervals over the "
        f"{metric.images}{over}."
    ]
    if any(point.shots is None for curve in shown for point in curve.points):
        parts.append(
            f"The points at the end learn from all training images; their bars are over the {metric.images} alone. "
            "Nothing was tried between, which the dotted lines cross."
        )
    if len(curves) > len(shown):
        parts.append(f"Shown are the best {len(shown)} of {len(curves)}.")
    return " ".join(parts)
