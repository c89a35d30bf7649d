"""The clusterings of a sweep by the feature matrix that they work on, each stage result once."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench import hashing
from backbench.engine.plan import frozen as plans
from backbench.engine.results.joined_run import FINISHED, Row
from backbench.metrics.catalogue import ESTIMATES
from backbench.store import FAILED

HEAD = "clustering"
AXES = ("k", "seed")
# What a clusterer calls the numbers of clusters of its levels, as text: "812 95 11".
COUNTS = "cluster_counts"

Options = Mapping[str, Any]
# Dataset, matrix and scope, by their hashes; dataset, backbone, chain and scope, by their names.
Place = tuple[str, str, str]
Heading = tuple[str, str, str, str]


@dataclass(frozen=True)
class Candidate:
    """One clustering that is done: a stage result and a run that holds it.

    A metric that is undefined is NaN; `digest` is that of its labels, empty where they are not stored. `counts` are
    the numbers of clusters of all levels that its clusterer found, where it finds several.
    """

    member: str
    run: str
    clusterer: str
    options: Options
    k: int | None
    seed: int | None
    metrics: Mapping[str, float]
    notes: Mapping[str, str]
    family: str
    label: str
    digest: str = ""
    counts: tuple[int, ...] = ()

    def value(self, metric: str) -> float:
        """A metric, or else its estimate from a sample; NaN where there is neither."""
        value = self.metrics.get(metric, math.nan)
        return self.metrics.get(ESTIMATES.get(metric, metric), math.nan) if math.isnan(value) else value

    def estimated(self, metric: str) -> bool:
        """Whether the value of a metric is an estimate."""
        return math.isnan(self.metrics.get(metric, math.nan)) and not math.isnan(self.value(metric))

    @property
    def clusters(self) -> float:
        """Number of clusters found."""
        return self.metrics.get("clusters", math.nan)

    @property
    def noise(self) -> float:
        """Share of the points that are in no cluster."""
        return self.metrics.get("noise_fraction", 0.0)


@dataclass(frozen=True)
class LeftOut:
    """A clustering that is not chosen from, and why."""

    member: str
    label: str
    reason: str
    clusterer: str


@dataclass(frozen=True)
class Representation:
    """The clusterings of one feature matrix and scope: those whose internal metrics may be compared.

    `classes` is how many there are in the collection, None without labels.
    """

    dataset: str
    dataset_hash: str
    backbone: str
    chain: str
    scope: str
    matrix: str
    title: str
    candidates: tuple[Candidate, ...]
    failed: tuple[LeftOut, ...]
    waiting: tuple[str, ...]
    classes: int | None = None

    @property
    def members(self) -> list[str]:
        """Every clustering of it, done or not."""
        done = [candidate.member for candidate in self.candidates]
        return [*done, *(fault.member for fault in self.failed), *self.waiting]

    @property
    def pending(self) -> int:
        """How many are not done yet."""
        return len(self.waiting)


@dataclass(frozen=True)
class _Clustering:
    """A clustering of the grid with the row that knows most of it."""

    row: Row
    member: str

    @property
    def config(self) -> Mapping[str, Any]:
        return self.row.plan.stages[self.member].config

    @property
    def clusterer(self) -> str:
        return self.config["clusterer"]["name"]

    @property
    def options(self) -> Options:
        options = {key: value for key, value in self.config["clusterer"].items() if key != "name"}
        known = ("clusterer", "scope", "split", *AXES)
        return options | {key: value for key, value in self.config.items() if key not in known}

    @property
    def repeat(self) -> int | None:
        """The number of the split whose rows are clustered; None where all rows are."""
        return None if self.config["scope"] == "all" else int(self.config.get("split", {}).get("repeat", 0))

    @property
    def place(self) -> Place:
        """Dataset, matrix and scope."""
        stage = self.row.plan.stages[self.member]
        return self.row.stages["dataset"], stage.parents["matrix"][1], self.config["scope"]

    @property
    def classes(self) -> int | None:
        """How many classes the collection has, None without labels or where it was not read."""
        info = self.row.records.get(self.row.stages["dataset"], {}).get("info", {})
        return len(info.get("classes") or ()) or None

    @property
    def record(self) -> Mapping[str, Any] | None:
        return self.row.records.get(self.member)

    @property
    def failure(self) -> str | None:
        """Why it, or a stage before it, failed."""
        before = [self.member] if self.record else sorted(plans.ancestors(self.row.plan.stages, [self.member]))
        records = (self.row.records.get(member) for member in before)
        return next((record["reason"] for record in records if record and record["status"] == FAILED), None)


def representations(rows: Iterable[Row]) -> list[Representation]:
    """The clusterings of `rows` by dataset, feature matrix and scope, in the order of their names."""
    groups: dict[Place, list[_Clustering]] = {}
    for clustering in _distinct(rows):
        groups.setdefault(clustering.place, []).append(clustering)
    headings = {place: _heading(group[0]) for place, group in groups.items()}
    shared = [heading for heading in headings.values() if list(headings.values()).count(heading) > 1]
    spaces = [_representation(headings[place], place, group, shared) for place, group in groups.items()]
    return sorted(spaces, key=lambda space: (space.dataset, space.backbone, space.chain, space.scope, space.matrix))


def _distinct(rows: Iterable[Row]) -> list[_Clustering]:
    """Every clustering once, with a finished run of it if there is one.

    Of several splits those of the first count: clusterings of different images do not compare.
    """
    clusterings: dict[str, _Clustering] = {}
    for row in sorted(rows, key=lambda row: (row.status != FINISHED, row.config_hash)):
        if HEAD in row.run.stages:
            member = row.run.stages[HEAD]
            clusterings.setdefault(member, _Clustering(row, member))
    first = min((each.repeat for each in clusterings.values() if each.repeat is not None), default=0)
    return [clusterings[member] for member in sorted(clusterings) if clusterings[member].repeat in (None, first)]


def _heading(clustering: _Clustering) -> Heading:
    """Dataset, backbone, chain and scope."""
    row = clustering.row
    dataset, backbone = row.collection, str(row.params["backbone.name"])
    return dataset, backbone, row.chain(HEAD), clustering.config["scope"]


def _representation(
    heading: Heading, place: Place, group: Sequence[_Clustering], shared: Collection[Heading]
) -> Representation:
    dataset, backbone, chain, scope = heading
    words = [backbone] + [chain] * (chain != "none") + [f"scope {scope}"] * (scope != "all")
    words += [hashing.short(place[1])] * (heading in shared)
    varying = _varying(group)
    done, failed, waiting = [], [], []
    for clustering in group:
        label, record = _label(clustering, varying), clustering.record
        if reason := clustering.failure:
            failed.append(LeftOut(clustering.member, label, f"failed: {reason}", clustering.clusterer))
        elif record is None:
            waiting.append(clustering.member)
        else:
            done.append(_candidate(clustering, record, label, _label(clustering, varying, axes=())))
    done.sort(key=lambda candidate: (candidate.family, candidate.k or 0, candidate.seed or 0, candidate.member))
    failed.sort(key=lambda fault: (fault.label, fault.member))
    names = (dataset, place[0], backbone, chain, scope, place[1], ", ".join(words))
    return Representation(*names, tuple(done), tuple(failed), tuple(waiting), group[0].classes)


def _candidate(clustering: _Clustering, record: Mapping[str, Any], label: str, family: str) -> Candidate:
    metrics = {name: math.nan if value is None else float(value) for name, value in record["metrics"].items()}
    return Candidate(
        member=clustering.member,
        run=clustering.row.config_hash,
        clusterer=clustering.clusterer,
        options=clustering.options,
        k=clustering.config.get("k"),
        seed=clustering.config.get("seed"),
        metrics=metrics,
        notes=record["notes"],
        family=family,
        label=label,
        digest=record.get("arrays", {}).get("labels", {}).get("sha256", ""),
        counts=tuple(map(int, str(record.get("info", {}).get(COUNTS) or "").split())),
    )


def _varying(group: Iterable[_Clustering]) -> dict[str, set[str]]:
    """The options and axes that distinguish clusterings of each clusterer."""
    values: dict[tuple[str, str], list[str]] = {}
    sizes: dict[str, int] = {}
    for clustering in group:
        sizes[clustering.clusterer] = sizes.get(clustering.clusterer, 0) + 1
        for key, value in _settings(clustering).items():
            values.setdefault((clustering.clusterer, key), []).append(str(value))
    names: dict[str, set[str]] = {name: {"k"} for name in sizes}
    for (clusterer, key), seen in values.items():
        if len(set(seen)) > 1 or len(seen) < sizes[clusterer]:
            names[clusterer].add(key)
    return names


def _settings(clustering: _Clustering) -> dict[str, Any]:
    axes = {axis: clustering.config[axis] for axis in AXES if axis in clustering.config}
    return {**clustering.options, **axes}


def _label(clustering: _Clustering, varying: Mapping[str, set[str]], axes: Collection[str] = AXES) -> str:
    """Short name: the clusterer and what distinguishes it, such as ``agglomerative linkage=average k=10``."""
    shown = [
        f"{key}={value}"
        for key, value in _settings(clustering).items()
        if key in varying[clustering.clusterer] and value is not None and (key in axes or key not in AXES)
    ]
    return " ".join([clustering.clusterer, *shown])
