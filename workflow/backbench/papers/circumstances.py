"""With what and on what a sweep was computed, and the command that makes it again."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results.ledger import Row

# Of a provenance: what a reader of a figure may want to know.
KEYS = ("device", "cpu", "cores", "platform", "git")
# What changes no figure, or holds addresses of this machine.
SETTINGS = ("execution.", "store.", "tracking.", "plots=", "experiment=")
# Options of a data set that only say where it lies.
PLACES = ("dataset.root", "dataset.archive", "dataset.csv", "dataset.path", "dataset.labels")
PLACE = "PATH"


def of_rows(rows: Sequence[Row]) -> dict[str, Any]:
    """Versions (name to version, of several all of them), device, cpu, cores, platform and git, each as text, and the
    `seconds` of all stage results together, each once."""
    found = list(_provenance(rows))
    versions: dict[str, dict[str, None]] = {}
    for one in found:
        for name, version in one.get("versions", {}).items():
            versions.setdefault(name, {})[version] = None
    said = {key: _together(one.get(key) for one in found) for key in KEYS}
    return {
        "versions": {name: ", ".join(sorted(own)) for name, own in sorted(versions.items())},
        **{key: text for key, text in said.items() if text},
        "seconds": round(math.fsum(one.get("seconds") or 0.0 for one in found), 3),
    }


def command(name: str, plan: Plan) -> str:
    """What to type for the table, with the user's overrides; paths are said by their last part, of folders ``PATH``."""
    asked = [one for one in plan.request.get("overrides", ()) if not one.lstrip("+~").startswith(SETTINGS)]
    last = {one.partition("=")[0]: one for one in asked}
    return shlex.join(["backbench", "paper", name, *map(_without_folders, last.values())])


def _without_folders(override: str) -> str:
    key, sign, value = override.partition("=")
    if not sign or "://" in value:
        return override
    if key in PLACES:
        return f"{key}={PLACE}"
    plain = value.strip("'\"")
    if "/" not in plain and not plain.startswith("~"):
        return override
    return f"{key}={PLACE}/{PurePath(plain).name}"


def _provenance(rows: Iterable[Row]) -> Iterable[Mapping[str, Any]]:
    """The provenance of every stage result, each once."""
    seen: set[str] = set()
    for row in rows:
        for member in row.members:
            if member not in seen and member in row.records:
                seen.add(member)
                yield row.records[member]["provenance"]


def _together(values: Iterable[Any]) -> str:
    return ", ".join(sorted({str(value) for value in values if value is not None}))
