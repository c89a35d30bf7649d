"""Code of before whose results are those of today's: a change of names or types computes nothing again.

`scripts/declare_same_code.py` writes the table. A declaration holds for the code that it was made with: once a module
that a stage depends on is edited, it lapses for that stage, and the stage's results of before are older code.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from backbench import hashing

FILE = Path(__file__).with_name("same_code.json")


@cache
def baselines() -> tuple[Mapping[str, tuple[str, str]], ...]:
    """For each declared commit (digest then, digest at the declaration) of the code of a stage, by its modules."""
    entries = json.loads(FILE.read_text())
    return tuple({key: (then, now) for key, (then, now) in entry["digests"].items()} for entry in entries)


def chained(modules: Sequence[str], digest: str, parents: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Digests of the code of a stage and of those before it, one for each declared commit.

    Parameters
    ----------
    modules, digest
        Dotted names of the modules of the stage, and the digest of their code today.
    parents
        What this function says of the stages before it.

    Returns
    -------
    tuple of str
        Empty text where a commit does not have the stage, or its declaration has lapsed.
    """
    entries = (table.get(key_of(modules), ("", "")) for table in baselines())
    return tuple(
        _link(then if now == digest else "", [parent[at] for parent in parents])
        for at, (then, now) in enumerate(entries)
    )


def key_of(modules: Sequence[str]) -> str:
    """The modules of a stage as a key of the table."""
    return " ".join(modules)


def _link(digest: str, parents: list[str]) -> str:
    return hashing.digest({"own": digest, "parents": sorted(parents)}) if digest and all(parents) else ""
