"""What leaderboards there are: what each is ranked by, and the distinct results that it ranks.

Internal metrics of a clustering are measured in its feature space, so that without classes there is a leaderboard for
each space and none over several.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backbench import hashing
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import candidates, configurations
from backbench.evaluate.candidates import Representation
from backbench.evaluate.configurations import is_seed
from backbench.metrics import catalogue
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, checked

# Parameters by which the results of a task may differ, beside those that its leaderboard names.
VARYING = {
    "classification": ("backbone.", "classifier."),
    "clustering": ("backbone.", "clusterer.", "clustering.scope", "clustering.bootstraps"),
    "retrieval": ("backbone.", "retrieval."),
}


@dataclass(frozen=True)
class LeaderboardSpec:
    """One leaderboard without its entries: a task, the metric that ranks it, and what is shown.

    `space` is the matrix and the scope to which it is confined, None where its metric compares across spaces; `caveat`
    says how the split of the images limits what its ranks mean. `fewer` is whether it ranks the classifiers that learn
    from fewer images of each class than others do: these have a leaderboard of their own.
    """

    title: str
    head: str
    rank: str
    params: tuple[str, ...]
    metrics: tuple[str, ...]
    space: tuple[str, str] | None = None
    caveat: str = ""
    fewer: bool = False

    @property
    def sign(self) -> int:
        """1 if a higher value of the ranking metric is better, -1 if a lower one is."""
        return catalogue.metric(self.rank).direction


# What classifiers are chosen by; the second where there is no validation split.
CHOOSERS = checked("val_accuracy", "accuracy")
BEGIN, FROM = "Classifiers", ", from "
CLASSIFIERS = LeaderboardSpec(
    "Classifiers, ranked by accuracy on validation",
    "classification",
    CHOOSERS[0],
    ("backbone.name", "classification.chain", "classifier.name"),
    checked(*CHOOSERS, "balanced_accuracy", "macro_f1"),
)
NO_VALIDATION = replace(
    CLASSIFIERS,
    title="Classifiers, ranked on the test images (no validation split)",
    rank=CHOOSERS[1],
    metrics=CLASSIFIERS.metrics[1:],
    caveat="There is no validation split: ranked on the test images, which flatters the best row.",
)
NO_TEST = replace(
    CLASSIFIERS,
    title="Classifiers, ranked by accuracy on validation (no test split)",
    metrics=CLASSIFIERS.metrics[:1],
    caveat="There is no test split: the best row was chosen by the only accuracy that it has, which flatters it.",
)
# How a metric is asked for, and what a choice by test images costs.
METRIC = "--metric"
JUDGED = "Ranked on the test images: these figures flatter whatever is chosen by them."
# What every table of clusterings shows, whatever else it has no room for.
COUNTS = checked("clusters", "noise_fraction", "largest_share")
CLUSTERINGS = LeaderboardSpec(
    "Clusterings, ranked by agreement with the classes (AMI)",
    "clustering",
    catalogue.main(CLUSTERING),
    ("backbone.name", "clustering.chain", "clusterer.name", "k"),
    checked("ami", "ari", "cluster_accuracy", *COUNTS, "nmi", "purity", "silhouette", "davies_bouldin"),
)
UNLABELLED = LeaderboardSpec(
    "Clusterings of {}, ranked by silhouette",
    "clustering",
    catalogue.UNLABELLED,
    ("clusterer.name", "k"),
    checked("silhouette", *COUNTS, "davies_bouldin", "calinski_harabasz"),
)
# Metrics of whole rankings (retrieval.full).
WHOLE = checked("r_precision", "map_full")
SAMPLED = replace(
    UNLABELLED,
    title="Clusterings of {}, ranked by silhouette on drawn rows",
    rank=catalogue.ESTIMATES[UNLABELLED.rank],
    metrics=checked("silhouette_sampled", "silhouette_sampled_se", *UNLABELLED.metrics[1:]),
)


def specs(rows: Sequence[Row], representations: Sequence[Representation] | None = None) -> list[LeaderboardSpec]:
    """The leaderboards that the rows of one data set can fill; `representations` are theirs, if already known."""
    labelled = any(CLUSTERINGS.rank in row.metrics for row in rows)
    depths = sorted({row.params["retrieval.at"] for row in rows if "retrieval" in row.heads})
    ranked = [name for name in WHOLE if any(name in row.metrics for row in rows)]
    if labelled:
        clusterings = [CLUSTERINGS]
    else:
        clusterings = _spaces(candidates.representations(rows) if representations is None else representations)
    searches = [_retrieval(depth, ranked) for depth in depths]
    return [spec for spec in (*_classifiers(rows), *clusterings, *searches) if results(spec, rows)]


def by_metric(name: str, rows: Sequence[Row]) -> list[LeaderboardSpec]:
    """The leaderboards of one data set that a metric can rank, the best first whichever end is the better one.

    Raises
    ------
    ConfigError
        If the metric ranks nothing.
    """
    metric = catalogue.ranking(name, sorted({known for row in rows for known in row.metrics}), METRIC)
    caveat = JUDGED if metric.images == catalogue.TEST else ""
    made = []
    for spec in _of_task(metric, rows):
        begin, _, rest = spec.title.partition(", ranked")
        given = rest[rest.index(FROM) :] if FROM in rest else ""
        title = f"{begin}, ranked by {metric.words}{given}"
        others = (other for other in spec.metrics if other != name)
        made.append(replace(spec, title=title, rank=name, metrics=(name, *others), caveat=caveat))
    return [spec for spec in made if results(spec, rows)]


def _of_task(metric: catalogue.Metric, rows: Sequence[Row]) -> list[LeaderboardSpec]:
    """The leaderboards of the task of a metric: of clusterings those of each space, where it needs one."""
    if metric.task == CLUSTERING and not metric.across:
        return [spec for spec in _spaces(candidates.representations(rows)) if spec.rank == UNLABELLED.rank]
    if metric.task == CLUSTERING:
        return [CLUSTERINGS]
    if metric.task == CLASSIFIERS.head:
        return _classifiers(rows)
    depths = {row.params["retrieval.at"] for row in rows if "retrieval" in row.heads}
    return [_retrieval(depth, ()) for depth in sorted(depths) if metric.depth is None or metric.depth <= depth][:1]


def chooser(rows: Iterable[Row]) -> str:
    """The metric by which the classifiers of one data set are chosen: on test where there is no validation split."""
    return next((name for name in CHOOSERS if any(_known(row.metrics, name) for row in rows)), CHOOSERS[0])


def choosing(metrics: Mapping[str, float]) -> float:
    """The value by which a classifier is chosen among those of its data set, NaN where it has none."""
    return next((metrics[name] for name in CHOOSERS if _known(metrics, name)), math.nan)


def classifiers(rows: Sequence[Row]) -> LeaderboardSpec:
    """The leaderboard of the classifiers of one data set, by the splits that it has."""
    if chooser(rows) != CLASSIFIERS.rank:
        return NO_VALIDATION
    return CLASSIFIERS if any(_known(row.metrics, NO_VALIDATION.rank) for row in rows) else NO_TEST


def _classifiers(rows: Sequence[Row]) -> list[LeaderboardSpec]:
    """The leaderboard of the classifiers with the most labels, and that of those with fewer."""
    spec = classifiers(rows)
    shots = {configurations.shots(row) for row in rows if spec.head in row.run.stages}
    if shots == {None} or not shots:
        return [spec]
    given = "" if None in shots else f"{FROM}{max(filter(None, shots))} images a class"
    most = replace(spec, title=f"{spec.title}{given}")
    by = spec.title.removeprefix(BEGIN)
    params = (*spec.params, configurations.SHOTS_PARAM)
    return [most, replace(spec, title=f"Classifiers with fewer labels{by}", params=params, fewer=True)]


def _known(metrics: Mapping[str, float], name: str) -> bool:
    return not math.isnan(metrics.get(name, math.nan))


def _spaces(representations: Iterable[Representation]) -> list[LeaderboardSpec]:
    """Leaderboards for each feature space and scope in which something was clustered."""
    return [
        replace(spec, title=spec.title.format(space.title), space=(space.matrix, space.scope))
        for space in representations
        if space.candidates
        for spec in (UNLABELLED, SAMPLED)
    ]


def _retrieval(depth: int, ranked: Sequence[str]) -> LeaderboardSpec:
    """The leaderboard of searches for so many neighbours; `ranked` are the metrics of whole rankings that some have."""
    params = ("backbone.name", "retrieval.chain", "retrieval.metric")
    metrics = checked(*(f"{name}_at_{depth}" for name in ("precision", "hit_rate", "map", "recall")), *ranked)
    title = f"Representations, ranked by retrieval (P@{depth})"
    return LeaderboardSpec(title, "retrieval", metrics[0], params, metrics)


def results(spec: LeaderboardSpec, rows: Sequence[Row]) -> list[Row]:
    """Distinct results of a leaderboard's task, best first; ties are in the order of their hashes.

    Clusterings whose metric is undefined are among them, at the end: they are shown and not ranked.
    """
    inside = [row for row in rows if spec.space is None or _space(row) == spec.space]
    distinct = tables.distinct(inside, spec.head)
    if spec.head == CLASSIFICATION:
        most = {id(row) for row in configurations.most_labels(distinct)}
        distinct = [row for row in distinct if (id(row) in most) != spec.fewer]
    if spec.head == CLUSTERING:
        there = [row for row in distinct if spec.rank in row.metrics]
    else:
        there = [row for row in distinct if _known(row.metrics, spec.rank)]
    return sorted(there, key=lambda row: (-_value(row, spec), row.run.stages[spec.head]))


def _value(row: Row, spec: LeaderboardSpec) -> float:
    """The value of the ranking metric, the higher the better."""
    return spec.sign * row.metrics[spec.rank] if _known(row.metrics, spec.rank) else -math.inf


def _space(row: Row) -> tuple[str, str] | None:
    """Matrix and scope of a row's clustering."""
    if "clustering" not in row.run.stages:
        return None
    stage = row.plan.stages[row.run.stages["clustering"]]
    return stage.parents["matrix"][1], stage.config["scope"]


def by_dataset(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by dataset, sample and split: results of different images are not ranked against each other."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.stages["dataset"], []).append(row)
    return {f"{_dataset(group[0])} ({hashing.short(member)})": group for member, group in sorted(groups.items())}


def _dataset(row: Row) -> str:
    info = row.records.get(row.stages["dataset"], {}).get("info", {})
    name = row.collection
    return f"{name}, {info['n']:,} images" if "n" in info else name


def varying(spec: LeaderboardSpec, rows: Iterable[Row]) -> list[str]:
    """Options that distinguish rows of one plugin and have no column yet: they were swept. Seeds are none of them."""
    known = {*spec.params, "k", "chain"}
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        plugins = tuple(row.params.get(name) for name in spec.params if name.endswith(".name"))
        groups.setdefault(plugins, []).append(row.params)
    names: set[str] = set()
    for group in groups.values():
        # An option that was added later is absent where it stands at its default, which is a value too.
        named = {name for params in group for name in params if name.startswith(VARYING[spec.head])}
        named = {name for name in named if name not in known and not is_seed(name)}
        names |= {name for name in named if len({str(params.get(name)) for params in group}) > 1}
    return sorted(names)
