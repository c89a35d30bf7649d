"""Saved views of MLflow's run table: what its menu *Views* lists for an experiment (no mlflow).

MLflow keeps a saved view as a tag of the experiment, ``mlflow.sharedViewState.KEY``: JSON with a name, times and the
state of the page, deflated and in base64. The fields are those that MLflow 3.17 writes itself when somebody saves a
view. The state depends on what was measured and on nothing else, so that sweeps do not overwrite each other's views.
"""

import base64
import json
import urllib.parse
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backbench.metrics import catalogue
from backbench.metrics.catalogue import checked

TAG = "mlflow.sharedViewState."
# What makes MLflow show an experiment as model training, not as a GenAI application.
KIND, MODEL_TRAINING = "mlflow.experimentKind", "custom_model_development"
DEFLATED = "deflate;"
TABLE, CHART = "TABLE", "CHART"
# Pixels: a run's name of about 40 characters, a data set with its digest; a column has room for its title and arrow.
NAME_WIDTH, DATA_WIDTH = 380, 290
LEAST_WIDTH, CHARACTER, ARROW = 95, 8, 30
# As many points as a scatter plot takes; MLflow itself starts at 100.
POINTS = 1000

DATA = "attributes.`Dataset`"

State = dict[str, Any]


@dataclass(frozen=True)
class View:
    """A saved view: by which metric it sorts, its columns, and the axes of its charts.

    A view without `rank` is of the summary runs, whose curves have k as the step: a chart for each curve, those of
    `metrics` first.
    """

    key: str
    name: str
    rank: str = ""
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    page: str = TABLE

    @property
    def tag(self) -> str:
        """The key of the experiment's tag."""
        return TAG + self.key


CLUSTERED = ("clusterer.name", "k", "clustering.chain", "backbone.name")
CLASSIFIED = ("classifier.name", "classification.chain", "backbone.name")
RETRIEVED = ("retrieval.metric", "retrieval.chain", "backbone.name")
SIZES = ("clusters", "noise_fraction")
BY_AMI = View(
    "clusterings-by-ami",
    "Clusterings by AMI",
    *("ami", checked("ami", "ari", "cluster_accuracy", *SIZES, "silhouette"), CLUSTERED),
)
BY_SILHOUETTE = View(
    "clusterings-by-silhouette",
    "Clusterings by silhouette",
    *("silhouette", checked("silhouette", *SIZES, "davies_bouldin", "calinski_harabasz"), CLUSTERED),
)
BY_VALIDATION = View(
    "classifiers-by-accuracy",
    "Classifiers by accuracy",
    *("val_accuracy", checked("val_accuracy", "accuracy", "balanced_accuracy", "macro_f1"), CLASSIFIED),
)
BY_TEST = View(
    "classifiers-by-test-accuracy",
    "Classifiers by test accuracy",
    *("accuracy", checked("accuracy", "balanced_accuracy", "macro_f1"), CLASSIFIED),
)
DEPTH = catalogue.DEPTH
BY_PRECISION = View(
    "retrieval",
    "Retrieval",
    f"precision_at_{DEPTH}",
    checked(f"precision_at_{DEPTH}", f"map_at_{DEPTH}", f"hit_rate_at_{DEPTH}", "precision_at_1"),
    RETRIEVED,
)
OVER_K = View("k-curves", "k curves", metrics=checked("ami", "silhouette"), page=CHART)
UNLABELLED_OVER_K = View("k-curves-unlabelled", "k curves without labels", metrics=checked("silhouette"), page=CHART)
# Of alternatives, the first that has a value: with labels and without, with a validation split and without.
RANKED = ((BY_AMI, BY_SILHOUETTE), (BY_VALIDATION, BY_TEST), (BY_PRECISION,))
CURVES = (OVER_K, UNLABELLED_OVER_K)
ALL = (*(view for alternatives in RANKED for view in alternatives), *CURVES)


def of_metrics(measured: Iterable[str], curves: Iterable[str]) -> list[View]:
    """The views of an experiment in which metrics were measured and curves over k were recorded."""
    known, drawn = set(measured), {name.partition("/")[0] for name in curves}
    ranked = (next((view for view in each if view.rank in known), None) for each in RANKED)
    over_k = next((view for view in CURVES if view.metrics[0] in drawn), None)
    return [view for view in (*ranked, over_k) if view]


def tags(views: Iterable[View]) -> dict[str, str]:
    """The tags of an experiment that has these views."""
    return {view.tag: _text(view) for view in views}


def changed(existing: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The tags to write over those of an experiment: views that differ in content, and the kind if it has none."""
    kind = {} if KIND in existing else {KIND: MODEL_TRAINING}
    return kind | {key: text for key, text in wanted.items() if _content(existing.get(key)) != _content(text)}


def link(address: str, experiment_id: str, key: str, page: str = "") -> str:
    """The address at which MLflow opens a view in the layout for model training, as a table or as charts.

    Without a key, it is that of all runs.
    """
    page = page or next((view.page for view in ALL if view.key == key), TABLE)
    query = {"compareRunsMode": page, "workflowType": "machine_learning"}
    if key:
        query = {"viewStateShareKey": key, **query}
    return f"{address}/#/experiments/{experiment_id}/runs?{urllib.parse.urlencode(query)}"


def state(text: str) -> State:
    """The state of the page in the text of a tag.

    Raises
    ------
    ValueError
        If the text is not that of a saved view.
    """
    try:
        inside = json.loads(text)["state"]
        return dict(json.loads(zlib.decompress(base64.b64decode(inside.removeprefix(DEFLATED)))))
    except (AttributeError, KeyError, TypeError, zlib.error) as error:
        raise ValueError(f"this is not the text of a saved view: {error}") from error


def envelope(name: str, created: int, content: State) -> str:
    """The text of a tag for the state of a page, in the form that MLflow's page writes."""
    inside = base64.b64encode(zlib.compress(_json(content).encode())).decode()
    return _json({"name": name, "createdAt": created, "updatedAt": created, "state": DEFLATED + inside})


def _text(view: View) -> str:
    # MLflow lists the views made last first; the times are places in the list, below those of any other view.
    return envelope(view.name, len(ALL) - ALL.index(view), _ranked(view) if view.rank else _over_k(view))


def _content(text: str | None) -> tuple[str, State] | None:
    """Name and state, which do not depend on how a library of this or another machine compresses them."""
    if text is None:
        return None
    try:
        return str(json.loads(text)["name"]), state(text)
    except (ValueError, KeyError, TypeError):
        return None


def _ranked(view: View) -> State:
    best = catalogue.metric(view.rank)
    titles = {f"metrics.`{name}`": name for name in view.metrics} | {f"params.`{name}`": name for name in view.params}
    columns = [*titles, DATA]
    order = ["attributes.`Run Name`", "runDateAndNestInfo", *columns]
    widths = {order[0]: NAME_WIDTH, **{key: _width(title) for key, title in titles.items()}, DATA: DATA_WIDTH}
    return {
        **_page(filtered="", order_by=f"metrics.`{view.rank}`", ascending=best.best is min),
        "selectedColumns": columns,
        "columnOrder": order,
        "columnWidths": widths,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [_parallel(view), *([_scatter(view)] if "k" in view.params else [])],
        "compareRunSections": [COMPARISON, _section("metrics", "Model metrics", False)],
        "isAccordionReordered": True,
    }


def _width(title: str) -> int:
    return max(LEAST_WIDTH, CHARACTER * len(title) + ARROW)


def _over_k(view: View) -> State:
    """The summary runs as charts: MLflow makes one for each curve, in the section of its metric."""
    return {
        **_page(filtered="tags.sweep_summary LIKE '%'", order_by="attributes.start_time", ascending=False),
        "selectedColumns": [DATA],
        "columnOrder": [],
        "columnWidths": {},
        "runsHiddenMode": "FIRST_10_RUNS",
        "compareRunCharts": [],
        "compareRunSections": [_section(name, name) for name in view.metrics],
        "isAccordionReordered": True,
    }


def _page(filtered: str, order_by: str, ascending: bool) -> State:
    """What every view says: the filters of the page, and what its charts have in common."""
    return {
        "searchFilter": filtered,
        "orderByKey": order_by,
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "viewMaximized": False,
        "runListHidden": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _section(uuid: str, name: str, unfolded: bool = True) -> State:
    return {"uuid": uuid, "name": name, "display": unfolded, "isReordered": True, "deleted": False}


COMPARISON = {**_section("comparison", "Comparison"), "columns": 2, "cardHeight": 480}


def _card(kind: str, view: View) -> State:
    about = {"uuid": f"{view.key}-{kind.lower()}", "type": kind, "metricSectionId": "comparison"}
    return {**about, "deleted": False, "isGenerated": False}


def _parallel(view: View) -> State:
    axes = {"selectedParams": list(reversed(view.params)), "selectedMetrics": [view.rank]}
    return {**_card("PARALLEL", view), "runsCountToCompare": POINTS, **axes, "showAllRuns": True}


def _scatter(view: View) -> State:
    axes = {"xaxis": {"key": "k", "type": "PARAM"}, "yaxis": {"key": view.rank, "type": "METRIC"}}
    return {**_card("SCATTER", view), "runsCountToCompare": POINTS, **axes}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
