"""Configurations over several splits of the same images: a value for each split, and how much the splits share."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, _resplit
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations
from backbench.evaluate.estimates import UNBOUNDED, Estimate
from backbench.metrics import catalogue
from backbench.metrics.catalogue import CLUSTERING
from backbench.metrics.catalogue import VALIDATION as VALIDATION_IMAGES

if TYPE_CHECKING:
    import numpy as np

    from backbench.evaluate.resampled import Images
    from backbench.statistics.paired import Test

LEAST = 2


def repeated(rows: Sequence[Row], head: str) -> bool:
    """Whether the results of a configuration are of several splits."""
    return len(configurations.by_repeat(rows, head)) >= LEAST


def values(rows: Sequence[Row], head: str, metric: str) -> dict[int, float]:
    """A metric by the number of the split, as a mean over the seeds of each; where it is undefined, there is none."""
    known = {}
    for number, group in configurations.by_repeat(rows, head).items():
        defined = [value for row in group if not math.isnan(value := row.metrics.get(metric, math.nan))]
        if defined:
            known[number] = statistics.fmean(defined)
    return known


def ratio(rows: Sequence[Row], head: str, metric: str, images: "Images") -> float:
    """The number of images that a metric is of by the number that is trained on, as `statistics.repeated` takes it.

    Of a clustering, which is trained on what it is of, the others stand for the latter.
    """
    from backbench.statistics import repeated

    first = rows[0]
    counts = _counts(first, head)
    if head == CLUSTERING:
        scope = first.plan.stages[first.run.stages[head]].config["scope"]
        tested = counts[TRAIN if scope == "train" else TEST]
        trained = sum(counts) - tested
    else:
        held = catalogue.metric(metric).images == VALIDATION_IMAGES
        tested, trained = counts[VALIDATION if held else TEST], counts[TRAIN]
    return repeated.ratio(tested, max(trained, 1), _sizes(rows, head, images))


def estimate(
    rows: Sequence[Row], head: str, metric: str, images: "Images", within: tuple[float, float] = UNBOUNDED
) -> Estimate:
    """The mean of a metric over splits, with the interval that allows for what they share."""
    from backbench.statistics import repeated

    plain, known = mean(rows, head, metric), list(values(rows, head, metric).values())
    if len(known) < LEAST:
        return plain
    span = repeated.interval(known, ratio(rows, head, metric, images), within=within)
    return plain if span is None else Estimate(plain.mean, span.low, span.high, span.over, len(known))


def mean(rows: Sequence[Row], head: str, metric: str) -> Estimate:
    """The mean of a metric over splits without an interval; NaN where it has no value."""
    known = list(values(rows, head, metric).values())
    return Estimate(statistics.fmean(known) if known else math.nan, None, None, None, len(known))


def test(a: Mapping[int, float], b: Mapping[int, float], share: float, sign: int = 1) -> "Test":
    """The corrected test of two configurations on the splits that both have; `share` is their `ratio`."""
    from backbench.statistics import repeated

    both = sorted(a.keys() & b.keys())
    return repeated.test([sign * a[number] for number in both], [sign * b[number] for number in both], share)


def _counts(row: Row, head: str) -> tuple[int, int, int]:
    """Training, validation and test images of the split of a result, about so many where there are groups."""
    dataset = row.stages["dataset"]
    counts = row.records[dataset]["info"]["counts"]
    base = (counts[PARTS[TRAIN]], counts[PARTS[VALIDATION]], counts[PARTS[TEST]])
    division = row.division(head)
    return _resplit.counts(division, base, row.plan.stages[dataset].config) if division else base


def _sizes(rows: Sequence[Row], head: str, images: "Images") -> "np.ndarray | None":
    """Sizes (m,) of the groups that are not always among the training images; None without groups."""
    import numpy as np

    if images.groups is None:
        return None
    held = np.zeros(len(images.groups), bool)
    for group in configurations.by_repeat(rows, head).values():
        held |= images.split_of(group[0], head) != TRAIN
    return np.unique(images.groups[held], return_counts=True)[1]
