"""Leaderboards: which there are, what each is ranked by, and the distinct results that it ranks.

Internal metrics of a clustering are measured in its feature space, so that without classes there is a board for each
space and none over several.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from backbench import hashing
from backbench.evaluate import candidates
from backbench.evaluate.configurations import is_seed
from backbench.metrics import catalogue
from backbench.metrics.catalogue import checked
from backbench.sweep.results import tables
from backbench.sweep.results.ledger import Row

# Parameters by which the results of a head may differ, beside those that its board names.
VARYING = {
    "classification": ("backbone.", "classifier."),
    "clustering": ("backbone.", "clusterer.", "clustering.scope", "clustering.bootstraps"),
    "retrieval": ("backbone.", "retrieval."),
}


@dataclass(frozen=True)
class Board:
    """One table: a head, the metric it is ranked by (higher is better), and what is shown beside it.

    `space` is the matrix and the scope to which it is confined, None where its metric compares across spaces; `caveat`
    is what its ranks owe to the way in which the images were divided.
    """

    title: str
    head: str
    rank: str
    params: tuple[str, ...]
    metrics: tuple[str, ...]
    space: tuple[str, str] | None = None
    caveat: str = ""


# What classifiers are chosen by; the second where the images have no validation part.
CHOOSERS = checked("val_accuracy", "accuracy")
CLASSIFIERS = Board(
    "Classifiers, ranked by accuracy on validation",
    "classification",
    CHOOSERS[0],
    ("backbone.name", "classification.chain", "classifier.name"),
    checked(*CHOOSERS, "balanced_accuracy", "macro_f1"),
)
NO_VALIDATION = replace(
    CLASSIFIERS,
    title="Classifiers, ranked on the test images (no validation part)",
    rank=CHOOSERS[1],
    metrics=CLASSIFIERS.metrics[1:],
    caveat="There is no validation part: ranked on the test images, which flatters the best row.",
)
NO_TEST = replace(
    CLASSIFIERS,
    title="Classifiers, ranked by accuracy on validation (no test part)",
    metrics=CLASSIFIERS.metrics[:1],
    caveat="There is no test part: the best row was chosen by the only accuracy that it has, which flatters it.",
)
CLUSTERINGS = Board(
    "Clusterings, ranked by agreement with the classes (NMI)",
    "clustering",
    catalogue.main(catalogue.CLUSTERING),
    ("backbone.name", "clustering.chain", "clusterer.name", "k"),
    checked("nmi", "cluster_accuracy", "purity", "silhouette", "davies_bouldin", "noise_fraction"),
)
UNLABELLED = Board(
    "Clusterings of {}, ranked by silhouette",
    "clustering",
    catalogue.UNLABELLED,
    ("clusterer.name", "k"),
    checked("silhouette", "davies_bouldin", "calinski_harabasz", "noise_fraction"),
)
SAMPLED = replace(
    UNLABELLED,
    title="Clusterings of {}, ranked by silhouette on drawn rows",
    rank=catalogue.ESTIMATES[UNLABELLED.rank],
    metrics=checked("silhouette_sampled", "silhouette_sampled_se", *UNLABELLED.metrics[1:]),
)


def boards(rows: Sequence[Row]) -> list[Board]:
    """The boards that the rows of one data set can fill."""
    labelled = any(CLUSTERINGS.rank in row.metrics for row in rows)
    depths = sorted({row.params["retrieval.at"] for row in rows if "retrieval" in row.heads})
    found = (classifiers(rows), *([CLUSTERINGS] if labelled else _spaces(rows)), *map(_retrieval, depths))
    return [board for board in found if ranked(board, rows)]


def chooser(rows: Iterable[Row]) -> str:
    """The metric by which the classifiers of one data set are chosen: on test where there is no validation part."""
    return next((name for name in CHOOSERS if any(_known(row.metrics, name) for row in rows)), CHOOSERS[0])


def choosing(metrics: Mapping[str, float]) -> float:
    """The value by which a classifier is chosen among those of its data set, NaN where it has none."""
    return next((metrics[name] for name in CHOOSERS if _known(metrics, name)), math.nan)


def classifiers(rows: Sequence[Row]) -> Board:
    """The board of the classifiers of one data set, by the parts that it has."""
    if chooser(rows) != CLASSIFIERS.rank:
        return NO_VALIDATION
    return CLASSIFIERS if any(_known(row.metrics, NO_VALIDATION.rank) for row in rows) else NO_TEST


def _known(metrics: Mapping[str, float], name: str) -> bool:
    return not math.isnan(metrics.get(name, math.nan))


def _spaces(rows: Sequence[Row]) -> list[Board]:
    """Boards for each feature space and scope in which something was clustered."""
    return [
        replace(board, title=board.title.format(space.title), space=(space.matrix, space.scope))
        for space in candidates.representations(rows)
        if space.candidates
        for board in (UNLABELLED, SAMPLED)
    ]


def _retrieval(depth: int) -> Board:
    params = ("backbone.name", "retrieval.chain", "retrieval.metric")
    metrics = checked(*(f"{name}_at_{depth}" for name in ("precision", "hit_rate", "map", "recall")))
    return Board(f"Representations, ranked by retrieval (P@{depth})", "retrieval", metrics[0], params, metrics)


def ranked(board: Board, rows: Sequence[Row]) -> list[Row]:
    """Distinct results of a board's head, best first; ties stand in the order of their hashes."""
    own = [row for row in rows if board.space is None or _space(row) == board.space]
    found = [row for row in tables.distinct(own, board.head) if not math.isnan(row.metrics.get(board.rank, math.nan))]
    return sorted(found, key=lambda row: (-row.metrics[board.rank], row.run.stages[board.head]))


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
    name = str(row.params["dataset.name"])
    return f"{name}, {info['n']:,} images" if "n" in info else name


def varying(board: Board, rows: Iterable[Row]) -> list[str]:
    """Options that tell rows of one plugin apart and have no column yet: they were swept. Seeds are none of them."""
    known = {*board.params, "k", "chain"}
    values: dict[tuple, set] = {}
    for row in rows:
        plugins = tuple(row.params.get(name) for name in board.params if name.endswith(".name"))
        for name, value in row.params.items():
            if name not in known and name.startswith(VARYING[board.head]) and not is_seed(name):
                values.setdefault((name, plugins), set()).add(str(value))
    return sorted({name for (name, _), seen in values.items() if len(seen) > 1})
