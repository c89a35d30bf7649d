"""The value of a figure that is a metric of the record, and its interval."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from backbench.datasets import TEST
from backbench.engine.results.joined_run import Row
from backbench.evaluate import estimates, resampled
from backbench.evaluate.estimates import Estimate, Replicated
from backbench.evaluate.resampled import Images
from backbench.papers import sentences, spread
from backbench.papers.line import SEEDS, TRAININGS
from backbench.papers.published import Figure
from backbench.papers.results import CLUSTERING, Results, Taken, results, task_of
from backbench.statistics import intervals
from backbench.store import Store, StoreError


def measured(figure: Figure, rows: Sequence[Row], store: Store) -> Taken:
    """The mean of a metric over the fits."""
    distinct = results(rows, task_of(figure.metric))
    values = [_value(figure, distinct, row) for row in distinct.done]
    usable = [(row, value) for row, value in zip(distinct.done, values, strict=True) if isinstance(value, float)]
    if not usable:
        none = Taken(None, reason=str(values[0])) if values else distinct.none()
        return replace(none, rows=distinct.done)
    kept, numbers = [row for row, _ in usable], [number for _, number in usable]
    groups, over = [[number] for number in numbers], SEEDS
    if distinct.task == CLUSTERING:
        groups, over = _by_training(kept, numbers)
        estimate = spread.single_run(figure.metric, groups) or estimates.estimate(numbers, None, True)
        estimate = replace(estimate, over=over) if estimate.over else estimate
    else:
        estimate = _over_images(figure, distinct, kept, numbers, store)
    notes = [*_training(kept, len(groups)), *distinct.lacks()]
    if len(usable) < len(values):
        notes.append(sentences.some_undefined(len(values) - len(usable), len(values)))
    return Taken(estimate.mean, kept, estimate, len(groups), distinct.chance, notes, values=numbers)


def _value(figure: Figure, distinct: Results, row: Row) -> float | str:
    """What a figure is in one result; a text says why there is none."""
    record = distinct.record(row)
    values, info = record["metrics"], record["info"]
    if figure.category is not None:
        values = info.get("per_class", {}).get(figure.category)
        if values is None:
            return sentences.no_class(repr(figure.category))
    elif figure.part is not None:
        values = (info.get("parts") or {info.get("scope"): values}).get(figure.part)
        if values is None:
            return sentences.no_part(figure.part)
    if figure.metric not in values:
        return sentences.no_metric(figure.metric, bool(info_of(row).get("classes")))
    number = values[figure.metric]
    if number is None or math.isnan(number):
        return sentences.undefined(figure.metric, record["notes"].get(figure.metric))
    return float(number)


def info_of(row: Row) -> dict[str, Any]:
    """What the record of a row's data set says."""
    info: dict[str, Any] = row.records.get(row.stages["dataset"], {}).get("info", {})
    return info


def images_of(row: Row, store: Store) -> Images:
    """The images of a row's data set."""
    return Images(row.seen(store), row.stages["dataset"], bool(info_of(row).get("classes")))


def _by_training(rows: Sequence[Row], numbers: list[float]) -> tuple[list[list[float]], str]:
    """The values of the fits of each training, where the features were trained several times; else each alone.

    Fits on the codes of one training are alike, so that only the trainings are independent samples.
    """
    groups: dict[str, list[float]] = {}
    for row, number in zip(rows, numbers, strict=True):
        groups.setdefault(row.run.stages["features"], []).append(number)
    if len(groups) < 2:
        return [[number] for number in numbers], SEEDS
    return list(groups.values()), TRAININGS


def _training(rows: Sequence[Row], samples: int) -> list[str]:
    """That several fits are of one training, where they are."""
    features = {row.run.stages["features"] for row in rows}
    trained = "training" in rows[0].records.get(next(iter(features)), {}).get("info", {})
    single = trained and len(features) == 1
    return [sentences.one_training(rows[0].params["backbone.name"], samples)] if single else []


def _over_images(
    figure: Figure, distinct: Results, rows: Sequence[Row], numbers: Sequence[float], store: Store
) -> Estimate:
    """The mean; of one fit with the interval that leaderboards give it, over the judged images, and of several with
    the range of a single run, over images too where the metric can be resampled and the arrays are there."""
    import numpy as np

    groups = [[number] for number in numbers]
    plain = spread.single_run(figure.metric, groups) or estimates.estimate(numbers, None, figure.category is not None)
    images = images_of(rows[0], store)
    try:
        if figure.category is not None:
            return _of_class(figure, rows[0], plain, images) if len(rows) == 1 else plain
        drawn = [resampled.metrics(row, distinct.task, [figure.metric], images).get(figure.metric) for row in rows]
    except StoreError:
        return plain
    known = [values for values in drawn if values]
    if len(known) < len(drawn):
        return plain
    replicated = Replicated(np.stack([values for values, _ in known]), known[0][1], resampled.is_share(figure.metric))
    if len(rows) > 1:
        return spread.single_run(figure.metric, groups, replicated) or plain
    return estimates.estimate(numbers, replicated, False)


def _of_class(figure: Figure, row: Row, plain: Estimate, images: Images) -> Estimate:
    """The interval of precision or recall of one class, shares of so many images, is Wilson's (1927) score interval;
    that of F1 is over the drawn images, and there is none where no draw differs from another."""
    assert images.truth is not None, "a class has labels"
    split = images.split_of(row, "classification")
    test, number = split == TEST, info_of(row)["classes"].index(figure.category)
    predicted = (
        row.seen(images.store).array("classification", row.run.stages["classification"], "predictions")[test] == number
    )
    true = images.truth[test] == number
    if figure.metric == "f1":
        weights = images.weights(len(true))
        both = weights @ (predicted.astype(float) + true)
        drawn = 2 * (weights @ (predicted & true).astype(float))[both > 0] / both[both > 0]
        if not len(drawn):
            return plain
        estimate = estimates.estimate([plain.mean], Replicated(drawn[None], len(true)), False)
        return estimate if estimate.low is None else replace(estimate, low=max(estimate.low, 0.0))
    judged = int((predicted if figure.metric == "precision" else true).sum())
    if not judged:
        return plain
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(int((predicted & true).sum()), judged, method="wilson")
    return Estimate(plain.mean, float(low), float(high), intervals.IMAGES, judged)
