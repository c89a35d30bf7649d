"""The words of a sweep: stage, run, grid, and the hash of a stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backbench import hashing

HEADS = ("clustering", "classification", "retrieval")


@dataclass(frozen=True)
class Stage:
    """One stage result: what is hashed (`config`, `parents`) and what is only needed to compute it (`local`).

    `parents` maps a role to (kind, hash). `family` names the plugin; members of one family on the same parents form a
    shard. `about` holds what planning knows of the result (shape, label). `code` is the digest of the code that this
    result and those before it depend on. `aids` are stage results that save work and change nothing: no part of the
    hash, and what they cannot give is computed where it is needed. `scoring` is the digest of the code of a fit's
    metrics, which are no part of `code`; `same_code` are digests of code whose results are the same
    (`engine.plan.same_code`), empty where there is none.
    """

    hash: str
    kind: str
    family: str
    config: Mapping[str, Any]
    local: Mapping[str, Any]
    about: Mapping[str, Any]
    parents: Mapping[str, tuple[str, str]]
    code: str
    aids: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    scoring: str = ""
    same_code: tuple[str, ...] = field(default=(), compare=False)

    @property
    def codes(self) -> tuple[str, ...]:
        """Digests of today's code, first, and of code that is declared to have the same results."""
        return (self.code, *filter(None, self.same_code))

    def made(self, record: Mapping[str, Any]) -> bool:
        """Whether a record was made by today's code, or by code that is declared to have the same results."""
        return record["code"] in self.codes

    @property
    def reads(self) -> dict[str, tuple[str, str]]:
        """What goes before it: its parents and its aids."""
        return {**self.parents, **self.aids}


@dataclass(frozen=True, slots=True)
class Run:
    """One cell of the grid: its config hash and the stages that it joins."""

    hash: str
    stages: Mapping[str, str]


@dataclass
class Grid:
    """All distinct stages and runs of a sweep; `understood` says what its collections are taken for.

    `keys` tell the images of each dataset whose files have been read, by the hash of its stage.
    """

    stages: dict[str, Stage] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)
    keys: dict[str, Sequence[bytes]] = field(default_factory=dict)


def stage_hash(kind: str, config: Mapping[str, Any], parents: Mapping[str, tuple[str, str]]) -> str:
    """The config hash of a stage: over its configuration and the hashes of the stages before it."""
    hashes = {role: member for role, (_, member) in parents.items()}
    return hashing.digest({"kind": kind, "config": dict(config), "parents": hashes})
