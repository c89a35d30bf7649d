"""The clusterings of a sweep by the feature matrix that they work on, each stage result once."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench import hashing
from backbench.metrics.catalogue import ESTIMATES
from backbench.store import FAILED
from backbench.sweep.plan import frozen as plans
from backbench.sweep.results.ledger import FINISHED, Row

HEAD = "clustering"
AXES = ("k", "seed")

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Candidate:
    """One clustering that is done: a stage result and a run that holds it. A metric that is undefined is NaN."""

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

    def value(self, metric: str) -> float:
        """A metric, or else its estimate from a sample; NaN where there is neither."""
        found = self.metrics.get(metric, math.nan)
        return self.metrics.get(ESTIMATES.get(metric, metric), math.nan) if math.isnan(found) else found

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
    """The clusterings of one feature matrix and scope: those whose internal metrics may be compared."""

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

    @property
    def members(self) -> list[str]:
        """Every clustering of it, done or not."""
        return [*(one.member for one in (*self.candidates, *self.failed)), *self.waiting]

    @property
    def pending(self) -> int:
        """How many are not done yet."""
        return len(self.waiting)


@dataclass(frozen=True)
class _Found:
    """A clustering of the grid with the row that says most of it."""

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
        own = {key: value for key, value in self.config["clusterer"].items() if key != "name"}
        return own | {key: value for key, value in self.config.items() if key not in ("clusterer", "scope", *AXES)}

    @property
    def place(self) -> tuple[str, str, str]:
        """Dataset, matrix and scope."""
        stage = self.row.plan.stages[self.member]
        return self.row.stages["dataset"], stage.parents["matrix"][1], self.config["scope"]

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
    groups: dict[tuple[str, str, str], list[_Found]] = {}
    for found in _distinct(rows):
        groups.setdefault(found.place, []).append(found)
    heads = {place: _heading(group[0]) for place, group in groups.items()}
    shared = [head for head in heads.values() if list(heads.values()).count(head) > 1]
    made = [_representation(heads[place], place, group, shared) for place, group in groups.items()]
    return sorted(made, key=lambda one: (one.dataset, one.backbone, one.chain, one.scope, one.matrix))


def _distinct(rows: Iterable[Row]) -> list[_Found]:
    """Every clustering once, with a finished run of it if there is one."""
    found: dict[str, _Found] = {}
    for row in sorted(rows, key=lambda row: (row.status != FINISHED, row.config_hash)):
        if HEAD in row.run.stages:
            member = row.run.stages[HEAD]
            found.setdefault(member, _Found(row, member))
    return [found[member] for member in sorted(found)]


def _heading(found: _Found) -> tuple[str, str, str, str]:
    params = found.row.params
    return str(params["dataset.name"]), str(params["backbone.name"]), found.row.chain(HEAD), found.config["scope"]


def _representation(
    head: tuple[str, str, str, str], place: tuple[str, str, str], group: Sequence[_Found], shared: Collection[tuple]
) -> Representation:
    dataset, backbone, chain, scope = head
    words = [backbone] + [chain] * (chain != "none") + [f"scope {scope}"] * (scope != "all")
    words += [hashing.short(place[1])] * (head in shared)
    varying = _varying(group)
    done, failed, waiting = [], [], []
    for found in group:
        label = _label(found, varying)
        if reason := found.failure:
            failed.append(LeftOut(found.member, label, f"failed: {reason}", found.clusterer))
        elif found.record is None:
            waiting.append(found.member)
        else:
            done.append(_candidate(found, label, _label(found, varying, axes=())))
    done.sort(key=lambda one: (one.family, one.k or 0, one.seed or 0, one.member))
    failed.sort(key=lambda one: (one.label, one.member))
    names = (dataset, place[0], backbone, chain, scope, place[1], ", ".join(words))
    return Representation(*names, tuple(done), tuple(failed), tuple(waiting))


def _candidate(found: _Found, label: str, family: str) -> Candidate:
    record, config = found.record, found.config
    metrics = {name: math.nan if value is None else float(value) for name, value in record["metrics"].items()}
    return Candidate(
        member=found.member,
        run=found.row.config_hash,
        clusterer=found.clusterer,
        options=found.options,
        k=config.get("k"),
        seed=config.get("seed"),
        metrics=metrics,
        notes=record["notes"],
        family=family,
        label=label,
    )


def _varying(group: Iterable[_Found]) -> dict[str, set[str]]:
    """The options and axes that tell clusterings of each clusterer apart."""
    values: dict[tuple[str, str], list[str]] = {}
    sizes: dict[str, int] = {}
    for found in group:
        sizes[found.clusterer] = sizes.get(found.clusterer, 0) + 1
        for key, value in _settings(found).items():
            values.setdefault((found.clusterer, key), []).append(str(value))
    names: dict[str, set[str]] = {name: {"k"} for name in sizes}
    for (clusterer, key), seen in values.items():
        if len(set(seen)) > 1 or len(seen) < sizes[clusterer]:
            names[clusterer].add(key)
    return names


def _settings(found: _Found) -> dict[str, Any]:
    return {**found.options, **{axis: found.config[axis] for axis in AXES if axis in found.config}}


def _label(found: _Found, varying: Mapping[str, set[str]], axes: Collection[str] = AXES) -> str:
    """Short name: the clusterer and what tells it apart, such as ``agglomerative linkage=average k=10``."""
    shown = [
        f"{key}={value}"
        for key, value in _settings(found).items()
        if key in varying[found.clusterer] and value is not None and (key in axes or key not in AXES)
    ]
    return " ".join([found.clusterer, *shown])
