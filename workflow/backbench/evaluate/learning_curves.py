"""Learning curves: how good a classifier is by the number of training images of each class that it learns from.

A curve is a configuration but for that number. A point is its mean over the draws of these images, with an interval
over draws and test images; a gain is the difference between neighbouring points, draw by draw and image by image: draws
are nested, and all are judged by the same images.
"""

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from backbench import derived
from backbench.derived import Content, Derived
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations, leaderboard_specs
from backbench.evaluate.estimates import Estimate
from backbench.metrics.catalogue import CLASSIFICATION
from backbench.store import Store, StoreError

if TYPE_CHECKING:
    import numpy as np

    from backbench.evaluate.resampled import Images, Replicates

KIND = "learning_curves"
MODULES = tuple(f"backbench.evaluate.{name}" for name in ("learning_curves", "measuring"))
# Curves that are measured, the best by validation with the most labels.
MOST = 8
# What a difference of two accuracies can be.
DIFFERENCE = (-1.0, 1.0)


@dataclass(frozen=True)
class Point:
    """A classifier that learns from `shots` images of each class, None for all: `images` of a class on average, or of
    each where they are `even`.

    `draws` is over how many draws the mean is, 1 for all images.
    """

    shots: int | None
    images: float
    even: bool
    draws: int
    run: str
    estimate: Estimate


@dataclass(frozen=True)
class Gain:
    """What the step from `before` to `after` images of each class adds to the metric."""

    before: int | None
    after: int | None
    estimate: Estimate

    @property
    def certain(self) -> bool:
        """Whether its interval leaves out 0; without an interval nothing is certain."""
        low, high = self.estimate.low, self.estimate.high
        return low is not None and high is not None and not low <= 0 <= high


@dataclass(frozen=True)
class Curve:
    """The points of a configuration, from the fewest images to the most, and the gain from each to the next where they
    have a draw in common.

    `row` is a run with the most images, and `varying` are options by which curves of one classifier differ.
    """

    key: str
    row: Row
    metric: str
    points: tuple[Point, ...]
    gains: tuple[Gain, ...]
    varying: tuple[str, ...]


def there(rows: Sequence[Row]) -> bool:
    """Whether the rows of one data set have a curve."""
    return next(_groups(rows, _metric(rows)), None) is not None


def curves(rows: Sequence[Row], store: Store) -> list[Curve]:
    """The learning curves of the rows of one data set, best first by what chooses classifiers, at most `MOST`."""
    metric = _metric(rows)
    groups = sorted(_groups(rows, metric), key=lambda group: (-_merit(group), group[0]))[:MOST]
    if not groups:
        return []
    cached = Derived(derived.of_results(), KIND, _origin(groups, metric), MODULES)
    info = cached.ensure(lambda: _computed(groups, metric, store)).info
    last = [list(by_shots.values())[-1][0] for _, by_shots in groups]
    varying = tuple(leaderboard_specs.varying(leaderboard_specs.CLASSIFIERS, last))
    return [_curve(plain, *group, metric, varying) for plain, group in zip(info["curves"], groups, strict=True)]


_Shots = dict[int | None, list[Row]]
_Group = tuple[str, _Shots]


def _groups(rows: Sequence[Row], metric: str) -> Iterator[_Group]:
    """Results with a metric by configuration and number of images, fewest first, where there are several numbers.

    Those of other splits than the data set's own are left out: they are judged by other images.
    """
    groups: dict[str, dict[int | None, list[Row]]] = {}
    for row in tables.distinct(rows, CLASSIFICATION):
        defined = not math.isnan(row.metrics.get(metric, math.nan))
        if defined and not configurations.division(row, CLASSIFICATION):
            by_shots = groups.setdefault(configurations.beyond_shots(row, CLASSIFICATION), {})
            by_shots.setdefault(configurations.shots(row), []).append(row)
    for key, by_shots in groups.items():
        if len(by_shots) > 1:
            ordered = sorted(by_shots, key=lambda shots: math.inf if shots is None else shots)
            yield key, {shots: _ordered(by_shots[shots]) for shots in ordered}


def _ordered(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (configurations.seeds(row, CLASSIFICATION), row.config_hash))


def _merit(group: _Group) -> float:
    """The mean with the most images of what chooses classifiers."""
    values = [leaderboard_specs.choosing(row.metrics) for row in list(group[1].values())[-1]]
    known = [value for value in values if not math.isnan(value)]
    return statistics.fmean(known) if known else -math.inf


def _metric(rows: Sequence[Row]) -> str:
    """Accuracy on test, or on validation where there is no test split."""
    tested, validated = leaderboard_specs.CHOOSERS[1], leaderboard_specs.CHOOSERS[0]
    return tested if any(not math.isnan(row.metrics.get(tested, math.nan)) for row in rows) else validated


def _origin(groups: Sequence[_Group], metric: str) -> dict[str, Any]:
    """All that the curves are computed from, as plain JSON."""
    return {
        "metric": metric,
        "curves": [
            [key, [[shots, [_result(row, metric) for row in rows]] for shots, rows in by_shots.items()]]
            for key, by_shots in groups
        ],
    }


def _result(row: Row, metric: str) -> list[Any]:
    member = row.run.stages[CLASSIFICATION]
    record, value = row.records[member], row.metrics.get(metric, math.nan)
    arrays = {name: entry["sha256"] for name, entry in sorted(record.get("arrays", {}).items())}
    return [member, record["code"], None if math.isnan(value) else value, arrays]


def _computed(groups: Sequence[_Group], metric: str, store: Store) -> Content:
    from backbench.evaluate.resampled import Images

    row = next(iter(groups[0][1].values()))[0]
    images = Images(row.seen(store), row.stages["dataset"], labelled=True)
    measured = [_measured(by_shots, metric, images) for _, by_shots in groups]
    return Content({"curves": measured}, lasting=not images.lost)


def _measured(by_shots: _Shots, metric: str, images: "Images") -> dict[str, Any]:
    """Points and gains of a configuration as plain JSON; without arrays their intervals are over draws alone."""
    from backbench.evaluate import measuring

    grouped = images.groups is not None
    results = {shots: [_resampled(row, metric, images) for row in rows] for shots, rows in by_shots.items()}
    points = []
    for shots, rows in by_shots.items():
        draws = configurations.by_draw(rows, CLASSIFICATION)
        replicated = measuring.stacked([metric], results[shots], grouped=grouped, draws=draws)
        estimate = measuring.estimate(rows, CLASSIFICATION, metric, replicated.get(metric))
        points.append({**_learnt(rows[0], images), "estimate": asdict(estimate)})
    gains = []
    for before, after in itertools.pairwise(by_shots):
        first, second = (_by_draw(by_shots[shots], results[shots], metric) for shots in (before, after))
        step = gain(first, second, grouped=grouped)
        gains.append(None if math.isnan(step.mean) else asdict(step))
    return {"points": points, "gains": gains}


def _resampled(row: Row, metric: str, images: "Images") -> "dict[str, Replicates]":
    from backbench.evaluate import resampled

    try:
        return resampled.metrics(row, CLASSIFICATION, [metric], images)
    except StoreError:
        images.lost = True
        return {}


# By draw, the metric and its values on samples of the images (resamples,) with their number, None without arrays.
Draws = dict[int | None, "tuple[float, np.ndarray | None, int]"]


def _by_draw(rows: Sequence[Row], results: "Sequence[dict[str, Replicates]]", metric: str) -> Draws:
    """The mean over the seeds of each draw."""
    import numpy as np

    groups: dict[int | None, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.params.get(configurations.DRAW_PARAM), []).append(place)
    draws: Draws = {}
    for draw, places in groups.items():
        value = statistics.fmean(rows[place].metrics[metric] for place in places)
        known = [results[place][metric] for place in places if metric in results[place]]
        whole = np.mean([values for values, _ in known], axis=0) if len(known) == len(places) else None
        draws[draw] = value, whole, known[0][1] if known else 0
    return draws


def gain(before: Draws, after: Draws, grouped: bool = False) -> Estimate:
    """The mean over the draws of both of what is gained, NaN where they have none in common; all images, of which there
    is one draw, are compared with each.

    `grouped` is whether the samples are of whole groups of images.
    """
    import numpy as np

    from backbench.evaluate import estimates
    from backbench.evaluate.estimates import Replicated

    pairs = [(before[draw], after[draw if draw in after else None]) for draw in before if {draw, None} & after.keys()]
    values = [second[0] - first[0] for first, second in pairs]
    drawn = [(first[1], second[1]) for first, second in pairs]
    differences = [second - first for first, second in drawn if first is not None and second is not None]
    replicated = None
    if pairs and len(differences) == len(pairs):
        replicated = Replicated(np.stack(differences), pairs[0][0][2], grouped=grouped)
    return estimates.estimate(values, replicated, False, DIFFERENCE, drawn=len(values) > 1)


def _learnt(row: Row, images: "Images") -> dict[str, Any]:
    """How many training images of a class a run learns from on average, and whether they are as many of each class.

    Where the arrays are missing, what was planned.
    """
    import numpy as np

    from backbench.datasets import _shots

    stage = row.plan.stages[row.run.stages[CLASSIFICATION]]
    try:
        assert images.truth is not None  # what is classified has classes
        sizes = np.bincount(
            images.truth[_shots.learnt(stage.config, images.split_of(row, CLASSIFICATION), images.truth)]
        )
    except StoreError:
        images.lost = True
        classes = len(row.records.get(row.stages["dataset"], {}).get("info", {}).get("classes") or ())
        return {"images": stage.about["n"] / max(classes, 1), "even": False}
    sizes = sizes[sizes > 0]
    return {"images": float(sizes.mean()), "even": bool(np.ptp(sizes) == 0)}


def _curve(plain: Mapping[str, Any], key: str, by_shots: _Shots, metric: str, varying: tuple[str, ...]) -> Curve:
    steps = list(by_shots)
    points = tuple(
        Point(shots, each["images"], each["even"], _draws(rows), rows[0].config_hash, Estimate(**each["estimate"]))
        for (shots, rows), each in zip(by_shots.items(), plain["points"], strict=True)
    )
    gains = tuple(
        Gain(before, after, Estimate(**estimate))
        for (before, after), estimate in zip(itertools.pairwise(steps), plain["gains"], strict=True)
        if estimate is not None
    )
    return Curve(key, by_shots[steps[-1]][0], metric, points, gains, varying)


def _draws(rows: Sequence[Row]) -> int:
    return len({row.params.get(configurations.DRAW_PARAM) for row in rows})
