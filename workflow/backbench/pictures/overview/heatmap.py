"""A metric over two axes of the sweep."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backbench import hashing, schema
from backbench.engine.grid import HEADS
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations, leaderboard_specs
from backbench.metrics import catalogue
from backbench.pictures import _spaces
from backbench.pictures.source import Sweep
from backbench.plots import Picture
from backbench.schema import ConfigError

if TYPE_CHECKING:
    from backbench.plots.heatmap import Table

TITLE = "Heat map"
CATEGORY = "Sweep"
ORDER = 15
# The axis that combines backbone and chain, and the sign for a parameter that a run does not have.
SPACE, ABSENT = "space", "-"
SPACES = 4
ACCURACY, AMI = catalogue.main("classification"), catalogue.main("clustering")
SILHOUETTES = catalogue.with_estimate(catalogue.UNLABELLED)
PLUGIN = {"classification": "classifier.name", "clustering": "clusterer.name", "retrieval": "retrieval.metric"}


def lacks(sweep: Sweep) -> str | None:
    """Why there is no heat map by default."""
    if any(_of(sweep.rows, metric) for metric in (ACCURACY, AMI, *SILHOUETTES)):
        return None
    return "no classifier and no clustering is done"


def draw(sweep: Sweep, metric: str | None = None, x: str | None = None, y: str | None = None) -> Picture:
    """`metric` over the parameters `x` and `y`; without a metric, the test accuracy and the AMI over their usual axes.

    `space` is an axis too: backbone and chain. A metric that is measured within a feature space has a map for each.

    Raises
    ------
    ConfigError
        For an unknown metric or axis, or for values of different feature spaces in one map.
    """
    from backbench.plots import heatmap

    if metric is None and (x or y):
        raise ConfigError(f"received the axes x={x}, y={y} without a metric; name one, such as {ACCURACY}.")
    maps, left_out = _asked(sweep, metric, x, y) if metric else _usual(sweep)
    about = f"{catalogue.metric(metric).words} over {maps[0].x} and {maps[0].y}" if metric else ""
    caption = _caption(maps, leaderboard_specs.chooser(sweep.rows))
    return heatmap.tables(sweep.heading(TITLE, about), maps, caption + left_out)


def _usual(sweep: Sweep) -> tuple[list["Table"], str]:
    """Test accuracy over space and classifier, and of the best space AMI over clusterer and k."""
    shown = []
    if rows := _of(sweep.rows, ACCURACY):
        shown.append(_table(rows, "classification", ACCURACY, PLUGIN["classification"], SPACE, "Best classifiers"))
    name = PLUGIN["clustering"]
    if rows := _of(sweep.rows, AMI):
        titles = _spaces.titles(rows, "clustering")
        best = _spaces.matrix(max(rows, key=lambda row: row.metrics[AMI]), "clustering")
        group = [row for row in rows if _spaces.matrix(row, "clustering") == best]
        shown.append(
            _table(group, "clustering", AMI, "k", name, f"Clusterings of {titles[best]}, the space of best AMI")
        )
        return shown, ""
    for metric in SILHOUETTES:
        if rows := _of(sweep.rows, metric):
            maps, left_out = _by_space(rows, "clustering", metric, "k", name)
            return shown + maps, left_out
    return shown, ""


def _asked(sweep: Sweep, metric: str, x: str | None, y: str | None) -> tuple[list["Table"], str]:
    rows = _of(sweep.rows, metric)
    if not rows:
        raise schema.refuse("metric", metric, sorted({name for row in sweep.rows for name in row.metrics}))
    head = _head(rows[0], metric)
    assert head is not None  # the rows are those that have the metric
    x, y = x or ("k" if head == "clustering" else PLUGIN[head]), y or (PLUGIN[head] if head == "clustering" else SPACE)
    known = sorted({SPACE, *(key for row in rows for key in _params(row, head))})
    for option, axis in (("x", x), ("y", y)):
        if axis not in known:
            raise schema.refuse(option, axis, known)
    if catalogue.metric(metric).across:
        return [_table(rows, head, metric, x, y)], ""
    spatial = [axis for axis in (x, y) if axis == SPACE or axis.startswith("backbone.") or axis.endswith("chain")]
    if spatial and len(_spaces.titles(rows, head)) > 1:
        raise ConfigError(
            f"received the axis {spatial[0]} for {metric}, whose values in different feature spaces are not "
            f"comparable; take axes within a space, such as k and {PLUGIN[head]}, or a metric that is comparable, such "
            f"as {AMI}."
        )
    return _by_space(rows, head, metric, x, y)


def _by_space(rows: Sequence[Row], head: str, metric: str, x: str, y: str) -> tuple[list["Table"], str]:
    """A map for each of the feature spaces that there is room for."""
    titles = _spaces.titles(rows, head)
    shown = sorted(titles, key=lambda space: (titles[space], space))[:SPACES]
    more = _spaces.first_by_name(len(shown), len(titles))
    groups = {space: [row for row in rows if _spaces.matrix(row, head) == space] for space in shown}
    return [_table(group, head, metric, x, y, titles[space]) for space, group in groups.items()], more


def _table(rows: Sequence[Row], head: str, metric: str, x: str, y: str, title: str = "") -> "Table":
    """Means over seeds; each cell has the best of its own."""
    import numpy as np

    from backbench.plots.heatmap import Table

    titles = _spaces.titles(rows, head)
    cells: dict[tuple[Any, Any], dict[str, list[Row]]] = {}
    for row in rows:
        values_of = {SPACE: titles[_spaces.matrix(row, head)], **_params(row, head)}
        place = values_of.get(y, ABSENT), values_of.get(x, ABSENT)
        cells.setdefault(place, {}).setdefault(_seedless(row, head), []).append(row)
    down, across = (_ordered({place[at] for place in cells}) for at in (0, 1))
    values = np.full((len(down), len(across)), np.nan)
    for (row, column), groups in cells.items():
        values[down.index(row), across.index(column)] = _best(list(groups.values()), metric)
    sides = [str(name) for name in down], [str(name) for name in across]
    return Table(*sides, values, metric, x.removesuffix(".name"), y.removesuffix(".name"), title)


def _best(groups: Sequence[Sequence[Row]], metric: str) -> float:
    """Mean over the seeds of the best group, chosen on validation where the metric is of the test split if possible.

    A metric without a direction has no best group: the mean over all of them stands for it.
    """
    if not catalogue.metric(metric).direction:
        means = [mean for group in groups if not math.isnan(mean := _mean(group, metric))]
        return math.fsum(sorted(means)) / len(means) if means else math.nan
    chooser = _chooser([row for group in groups for row in group], metric)
    sign = catalogue.metric(chooser).direction
    scores = [(sign * _mean(group, chooser), -at) for at, group in enumerate(groups)]
    known = [score for score in scores if not math.isnan(score[0])]
    return _mean(groups[-max(known)[1]] if known else groups[0], metric)


def _chooser(rows: Sequence[Row], metric: str) -> str:
    return leaderboard_specs.chooser(rows) if _of_test(metric) else metric


def _mean(rows: Sequence[Row], metric: str) -> float:
    values = sorted(row.metrics.get(metric, math.nan) for row in rows)
    return math.fsum(values) / len(values)


def _seedless(row: Row, head: str) -> str:
    """What results that differ only in their seed, their draw of training images, or in which split of the images they
    are of, have in common."""
    stage = row.plan.stages[row.run.stages[head]]
    config = {
        key: value
        for key, value in stage.config.items()
        if key != configurations.SPLIT and not configurations.is_seed(key)
    }
    return hashing.digest([config, row.stages["dataset"], configurations.space(row, head)])


def _of(rows: Sequence[Row], metric: str) -> list[Row]:
    """Distinct results that have a metric."""
    head = next((task for row in rows if (task := _head(row, metric))), None)
    if head is None:
        return []
    return [row for row in tables.distinct(rows, head) if not math.isnan(row.metrics.get(metric, math.nan))]


def _head(row: Row, metric: str) -> str | None:
    return next((head for head in HEADS if metric in row.heads.get(head, {}).get("metrics", {})), None)


def _params(row: Row, head: str) -> dict[str, Any]:
    """The parameters that the result of a task depends on: runs that share it differ in the others."""
    prefixes = ("dataset.", "backbone.", f"{head}.", PLUGIN[head].split(".")[0] + ".")
    config = row.plan.stages[row.run.stages[head]].config
    axes = {key: config[key] for key in ("k", "seed") if key in config}
    return {key: value for key, value in row.params.items() if key.startswith(prefixes)} | axes


def _ordered(values: set[Any]) -> list[Any]:
    """Numbers by size, then words by name, and last the sign for no value."""
    number = (int, float)
    return sorted(values, key=lambda value: (value == ABSENT, not isinstance(value, number), _key(value)))


def _key(value: Any) -> Any:
    return value if isinstance(value, int | float) else str(value)


def _of_test(metric: str) -> bool:
    """Whether a metric is of the test split: then another one chooses the best of several results."""
    return catalogue.metric(metric).images == catalogue.TEST


def _caption(maps: Sequence["Table"], chooser: str) -> str:
    absent = any(ABSENT in (*table.rows, *table.columns) for table in maps)
    if not any(catalogue.metric(table.metric).direction for table in maps):
        note = f" {ABSENT} means that results have no such parameter." if absent else ""
        return f"Each cell is the mean of the results that share its row and column, after averaging over seeds.{note}"
    text = "Each cell is the best of the results that share its row and column, after averaging over seeds"
    of_test = any(_of_test(table.metric) for table in maps)
    if not of_test:
        text += "."
    elif _of_test(chooser):
        text += f"; without a validation split it is the best by {catalogue.metric(chooser).words}, which flatters it."
    else:
        text += f"; the best by {catalogue.metric(chooser).words}, not by what is shown."
    note = f"; {ABSENT} means that results have no such parameter" if absent else ""
    return f"{text} The frame marks the best cell{note}."
