"""The runs of a plan joined with their stage results: one row per config hash."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.datasets import _intake
from backbench.files import write_text
from backbench.schema import ConfigError
from backbench.stage import KINDS
from backbench.store import DONE, FAILED, Store
from backbench.sweep.grid import HEADS, Run
from backbench.sweep.plan import frozen as plans
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.run import scored
from backbench.sweep.run.scored import CURRENT

FINISHED, PENDING = "finished", "pending"
RESULTS = "results.json"

Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One run with everything that is known of it, side by side.

    `metrics` holds NaN where a metric is undefined and `notes` the reason; a head that is not there has none.
    """

    plan: Plan
    run: Run
    records: Records

    @property
    def config_hash(self) -> str:
        return self.run.hash

    @cached_property
    def stages(self) -> dict[str, str]:
        """Hash of every stage by kind; the matrices by the head that works on them."""
        hashes = {}
        for head, member in self.run.stages.items():
            hashes[head] = member
            for role, (kind, ref) in self.plan.stages[member].parents.items():
                hashes[f"{head}.matrix" if role == "matrix" and kind == "matrix" else kind] = ref
        return dict(sorted(hashes.items(), key=lambda item: KINDS.index(item[0].split(".")[-1])))

    @cached_property
    def members(self) -> list[str]:
        """The run's heads and every stage before them, in the order of the chain."""
        members = plans.ancestors(self.plan.stages, self.run.stages.values())
        return sorted(members, key=lambda member: (KINDS.index(self.plan.stages[member].kind), member))

    @cached_property
    def status(self) -> str:
        if self.reason:
            return FAILED
        heads = [member for kind, member in self.run.stages.items() if kind in HEADS] or [self.run.stages["features"]]
        return FINISHED if all(self._there(member) for member in heads) else PENDING

    @cached_property
    def reason(self) -> str | None:
        """Why the run failed: the reason of each of its stages that did."""
        broken = [(m, self.records[m]["reason"]) for m in self.members if m in self.records and self._failed(m)]
        return "; ".join(f"{self.plan.stages[member].kind}: {reason}" for member, reason in broken) or None

    def _failed(self, member: str) -> bool:
        return self.records[member]["status"] == FAILED

    def _there(self, member: str) -> bool:
        return member in self.records and scored.scored(self.records[member])

    @property
    def heads(self) -> dict[str, Mapping[str, Any]]:
        """Record of each head that has one: of a fit with its scores, of which neither is missing."""
        hashes = {kind: member for kind, member in self.run.stages.items() if kind in HEADS}
        return {kind: self.records[member] for kind, member in hashes.items() if self._there(member)}

    @cached_property
    def metrics(self) -> dict[str, float]:
        pairs = (pair for record in self.heads.values() for pair in record["metrics"].items())
        return {name: math.nan if value is None else value for name, value in pairs}

    @cached_property
    def curves(self) -> dict[str, list[float]]:
        """What a backbone that was trained recorded after every epoch, such as ``training_loss``."""
        trained = self.records.get(self.run.stages["features"], {}).get("info", {}).get("training", {})
        return {f"training_{name}": values for name, values in trained.get("history", {}).items()}

    @cached_property
    def notes(self) -> dict[str, str]:
        return {name: text for record in self.heads.values() for name, text in record["notes"].items()}

    @cached_property
    def params(self) -> dict[str, Any]:
        """Dotted parameters: ``backbone.name``, ``clusterer.name``, ``k``, ``classifier.name``..."""
        params = dict(_flat("dataset", self.config["dataset"]["config"]))
        params |= _flat("backbone", self.config["features"]["config"])
        if "images" in self.config:
            params |= _flat("backbone.image", self.config["images"]["config"])
        for head in HEADS:
            if head in self.run.stages:
                params |= _head_params(head, self.config[head]["config"])
                params[f"{head}.chain"] = self.chain(head)
        chains = {params[f"{head}.chain"] for head in HEADS if f"{head}.chain" in params}
        return params | ({"chain": chains.pop()} if len(chains) == 1 else {})

    @cached_property
    def config(self) -> dict[str, Any]:
        """Everything needed to compute the run again: each of its stages with its configuration."""
        return {kind: plans.stage_entry(self.plan.stages[member]) for kind, member in self.stages.items()}

    def chain(self, head: str) -> str:
        """Readable name of a head's transform chain."""
        member = self.stages.get(f"{head}.matrix")
        return self.plan.stages[member].about["label"] if member else "none"

    @property
    def name(self) -> str:
        """Short readable name, such as ``pixels pca50 kmeans k=10 knn``."""
        params = self.params
        parts = [params["backbone.name"], params.get("chain"), params.get("clusterer.name")]
        parts += [f"k={params['k']}" if "k" in params else None, params.get("classifier.name")]
        return " ".join(str(part) for part in parts if part not in (None, "none"))

    @cached_property
    def code(self) -> str:
        """Digest of the code that made the fits and their scores, as recorded."""
        return hashing.digest(sorted(code for record in self.heads.values() for code in scored.code(record)))

    @cached_property
    def older(self) -> tuple[bool, bool]:
        """Whether some fit of the run was made by other code than today's, and whether the scores of one were."""
        heads = [scored.older(self.plan.stages[self.run.stages[head]], record) for head, record in self.heads.items()]
        return any(fit for fit, _ in heads), any(scores for _, scores in heads)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Library versions; where stages differ, all of them."""
        versions: dict[str, set[str]] = {}
        for member in self.members:
            for name, version in self._provenance(member).get("versions", {}).items():
                versions.setdefault(name, set()).add(version)
        return {name: ", ".join(sorted(values)) for name, values in versions.items()}

    def provenance(self, key: str) -> dict[str, Any]:
        """One key of the provenance of every recorded stage, by kind."""
        values = {kind: self._provenance(member).get(key) for kind, member in self.stages.items()}
        return {kind: value for kind, value in values.items() if value is not None}

    def _provenance(self, member: str) -> Mapping[str, Any]:
        return self.records[member]["provenance"] if member in self.records else {}


def rows(plan: Plan, records: Records) -> list[Row]:
    """A row for every run of a plan."""
    return [Row(plan, run, records) for run in plan.runs.values()]


def read_records(plan: Plan, store: Store) -> dict[str, Mapping[str, Any]]:
    """The records that the store holds of a plan's members; a fit is there with its scores, or not at all."""
    records = {key: scored.read(stage.kind, key, store) for key, stage in plan.stages.items()}
    return _asked(plan, {key: record for key, record in records.items() if record and scored.scored(record)})


def _asked(plan: Plan, records: Records) -> dict[str, Mapping[str, Any]]:
    """Records with the folders and left-out files of this plan, whoever computed the datasets."""
    return {key: _intake.asked(record, plan.stages[key].about) for key, record in records.items()}


def join(plan: Plan, records: Records) -> Path:
    """Write the joined results of a sweep: what the tables, the tracking and `reproduce` are made from."""
    target = plan.folder / RESULTS
    content = _content(plan, {key: record["status"] for key, record in records.items()})
    write_text(target, json.dumps({"content": content, "plan": plan.hash, "records": records}, sort_keys=True))
    return target


def joined(plan: Plan, states: Mapping[str, str], scores: Mapping[str, str]) -> bool:
    """Whether the joined results hold every head of a plan with its scores, made by its code."""
    heads = {key: state for key, state in states.items() if plan.stages[key].kind in HEADS}
    if any(state != CURRENT or scores.get(key) != CURRENT for key, state in heads.items()):
        return False
    try:
        with (plan.folder / RESULTS).open() as file:
            return f'"content": "{_content(plan, dict.fromkeys(heads, DONE))}"' in file.read(200)
    except (OSError, ValueError):
        return False


def _content(plan: Plan, statuses: Mapping[str, str]) -> str:
    """Digest of what the heads are (their hashes, the code that made them, how they came out) and of the intakes."""
    heads = ((key, stage) for key, stage in sorted(plan.stages.items()) if stage.kind in HEADS)
    intakes = sorted(
        stage.about["intake"] for stage in plan.stages.values() if stage.kind == "dataset" and "intake" in stage.about
    )
    return hashing.digest([*([key, stage.code, stage.scoring, statuses.get(key)] for key, stage in heads), *intakes])


def saved_plans() -> list[Plan]:
    """The newest plan of every sweep made here, oldest sweep first."""
    files = sorted(paths.plans().glob("*.json"), key=lambda path: path.lstat().st_mtime)
    newest: dict[str, Plan] = {}
    for path in files:
        try:
            plan = plans.load(path)
        except ConfigError:
            continue
        newest.pop(plan.sweep, None)
        newest[plan.sweep] = plan
    return list(newest.values())


def newest(saved: Sequence[Plan], store: Store) -> Sequence[Plan]:
    """The newest of some plans of which a run is finished or has failed, alone; all of them where there is none.

    Stages that it shares with others do not count: a sweep that was never started may have its features.
    """
    for plan in reversed(saved):
        records = {**joined_records(plan), **read_records(plan, store)}
        if any(row.status != PENDING for row in rows(plan, records)):
            return [plan]
    return saved


def has_results(records: Records) -> bool:
    """Whether something was computed that a report can be of."""
    return any(record["kind"] in ("features", *HEADS) for record in records.values())


def joined_records(plan: Plan) -> Records:
    """The records that were joined when the sweep ended; empty where it never did."""
    try:
        records = json.loads((plan.folder / RESULTS).read_text())["records"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return _asked(plan, records) if isinstance(records, dict) else {}


def all_rows(store: Store) -> list[Row]:
    """Rows of all sweeps made here, one per config hash, from the store or else from the joined results."""
    by_hash: dict[str, Row] = {}
    for plan in saved_plans():
        records = {**joined_records(plan), **read_records(plan, store)}
        for row in rows(plan, records):
            if row.status != PENDING or row.config_hash not in by_hash:
                by_hash[row.config_hash] = row
    return list(by_hash.values())


def _head_params(head: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a head under the names of its configuration groups."""
    if head == "retrieval":
        return dict(_flat("retrieval", config))
    params: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            params |= _flat(key, value)
        else:
            params[key if key in ("k", "seed") else f"{head}.{key}"] = value
    return params


def _flat(prefix: str, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}.{key}", value)
        else:
            yield f"{prefix}.{key}", "null" if value is None else value


def unique(prefix: str, hashes: Iterable[str]) -> str:
    """The one full hash that starts with `prefix`.

    Raises
    ------
    ConfigError
        If none does (the nearest is named) or several do.
    """
    known = sorted(set(hashes))
    matches = [full for full in known if full.startswith(prefix.lower())]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(hashing.short(full) for full in matches[:5])
        raise ConfigError(f"{prefix}: {len(matches)} runs start with it ({shown}...); give more digits.")
    near = _nearest_hash(prefix.lower(), known)
    hint = f" The nearest is {hashing.short(near)}." if near else " No runs are recorded yet."
    raise ConfigError(f"{prefix}: no run with this config hash is recorded here.{hint}")


def _nearest_hash(prefix: str, known: list[str]) -> str | None:
    """The hash that agrees with most of the given digits, place by place."""
    return max(known, key=lambda full: sum(a == b for a, b in zip(prefix, full, strict=False)), default=None)
