"""One run with everything that is known of it: its parameters, metrics and circumstances."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backbench import hashing
from backbench.engine.grid import HEADS, Run
from backbench.engine.plan import frozen as plans
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import names
from backbench.engine.run import scored
from backbench.stage import KINDS, RECIPE
from backbench.store import FAILED, Store
from backbench.titles import JOINED

FINISHED, PENDING = "finished", "pending"

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

    def seen(self, store: Store) -> Store:
        """The store as the plan of this run sees it."""
        return self.plan.seen(store)

    @cached_property
    def collection(self) -> str:
        """What the images are called: their folder, archive or file, or else the data set plugin."""
        stage = self.plan.stages[self.stages["dataset"]]
        return names.collection(stage.family, stage.local)

    @cached_property
    def stages(self) -> dict[str, str]:
        """Hash of every stage by kind; the matrices by the head that works on them.

        The features that others are made of are ``part_01.features``...; of their ways to prepare images that of the
        largest ones stands for all.
        """
        hashes = {}
        for head, member in self.run.stages.items():
            hashes[head] = member
            for role, (kind, ref) in self.plan.stages[member].parents.items():
                key = f"{role}.{kind}" if kind == head else kind
                hashes[f"{head}.matrix" if role == "matrix" and kind == "matrix" else key] = ref
        hashes |= self._of_parts
        return dict(sorted(hashes.items(), key=lambda item: (KINDS.index(item[0].split(".")[-1]), "." not in item[0])))

    @cached_property
    def parts(self) -> dict[str, str]:
        """Hashes of the features that those of the run are made of, by the keys of the parts; empty where there are
        none."""
        parents = self.plan.stages[self.run.stages["features"]].parents
        return {role: ref for role, (kind, ref) in sorted(parents.items()) if kind == "features"}

    @property
    def _of_parts(self) -> dict[str, str]:
        """Hashes of the ways in which the images of the parts are prepared, by their keys."""
        stages = self.plan.stages
        recipes = {role: stages[ref].parents.get(RECIPE, ("", ""))[1] for role, ref in self.parts.items()}
        hashes = {f"{role}.{RECIPE}": ref for role, ref in recipes.items() if ref}
        largest = max(hashes.values(), key=lambda ref: stages[ref].config["size"], default=None)
        return {**hashes, **({RECIPE: largest} if largest else {})}

    @cached_property
    def members(self) -> list[str]:
        """The run's heads and every stage before them, in the order of the chain."""
        members = plans.ancestors(self.plan.stages, self.run.stages.values())
        made_of = set(self.parts.values())
        kinds = {member: KINDS.index(self.plan.stages[member].kind) for member in members}
        return sorted(members, key=lambda member: (kinds[member], member not in made_of, member))

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

    def chain_failed(self, head: str) -> bool:
        """Whether a head of the run, or a stage before it, failed."""
        if self.reason is None:
            return False
        members = plans.ancestors(self.plan.stages, [self.run.stages[head]])
        return any(member in self.records and self._failed(member) for member in members)

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
        params |= self._backbone_params
        for head in HEADS:
            if head in self.run.stages:
                params |= _head_params(head, self.config[head]["config"])
                params[f"{head}.chain"] = self.chain(head)
        chains = {params[f"{head}.chain"] for head in HEADS if f"{head}.chain" in params}
        return params | ({"chain": chains.pop()} if len(chains) == 1 else {})

    @property
    def _backbone_params(self) -> dict[str, Any]:
        """Parameters of the backbone. One of parts is called after them, and has the parameters of each under its key:
        ``backbone.parts.pixels.image.size``."""
        config = self.config
        params = dict(_flat("backbone", config["features"]["config"]))
        if not self.parts:
            images = config[RECIPE]["config"] if RECIPE in config else {}
            return {**params, **dict(_flat("backbone.image", images))}
        families = [self.plan.stages[ref].family for ref in self.parts.values()]
        for role, key in zip(self.parts, numbered(families), strict=True):
            params |= _flat(f"backbone.parts.{key}", config[f"{role}.features"]["config"])
            if f"{role}.{RECIPE}" in config:
                params |= _flat(f"backbone.parts.{key}.image", config[f"{role}.{RECIPE}"]["config"])
        return {**params, "backbone.name": JOINED.join(families)}

    @cached_property
    def config(self) -> dict[str, Any]:
        """Everything needed to compute the run again: each of its stages with its configuration."""
        return {kind: plans.stage_entry(self.plan.stages[member]) for kind, member in self.stages.items()}

    def chain(self, head: str) -> str:
        """Readable name of a head's transform chain."""
        member = self.stages.get(f"{head}.matrix")
        return self.plan.stages[member].about["label"] if member else "none"

    def division(self, head: str | None = None) -> Mapping[str, Any]:
        """Which split of the images a head, or the run, reads, as it is hashed: empty for that of the dataset.

        Stages to which the split makes no difference do not say; all that do name the same.
        """
        members = self.members if head is None else plans.ancestors(self.plan.stages, [self.run.stages[head]])
        configs = (self.plan.stages[member].config for member in members if self.plan.stages[member].kind != "dataset")
        return next((config["split"] for config in configs if "split" in config), {})

    @property
    def name(self) -> str:
        """Short readable name, such as ``pixels pca50 kmeans k=10 knn``."""
        params = self.params
        parts = [params["backbone.name"], params.get("chain"), params.get("clusterer.name")]
        parts += [f"k={params['k']}" if "k" in params else None, params.get("classifier.name")]
        parts += [f"shots={params['classification.shots']}" if "classification.shots" in params else None]
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


def numbered(names: Sequence[str]) -> list[str]:
    """Names, each after the first of equal ones with its number: ``timm``, ``timm_2``."""
    counts = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}_{count + 1}" if count else name for name, count in zip(names, counts, strict=True)]


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
