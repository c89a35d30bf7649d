"""With what and on what a sweep was computed, and the command that reproduces its table."""

import math
import shlex
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from backbench.engine.plan.frozen import Plan
from backbench.engine.results import recorded
from backbench.engine.results.joined_run import Row

KEYS = ("device", "cpu", "cores", "platform", "git")
# What changes no figure, or holds addresses of this machine.
EXPERIMENT = "experiment="
SETTINGS = ("execution.", "store.", "tracking.", "plots=", EXPERIMENT)
# Options of a data set that only say where it is.
PLACES = ("dataset.root", "dataset.archive", "dataset.csv", "dataset.path", "dataset.labels")


def of_rows(rows: Sequence[Row]) -> dict[str, Any]:
    """Versions (name to version, of several all of them), device, cpu, cores, platform and git, each as text, and the
    `seconds` of all stage results together, each once."""
    texts = {key: ", ".join(recorded.values(rows, key)) for key in KEYS}
    seconds = [record["provenance"].get("seconds") or 0.0 for record in recorded.records(rows).values()]
    return {
        "versions": {name: ", ".join(versions) for name, versions in recorded.versions(rows).items()},
        **{key: text for key, text in texts.items() if text},
        "seconds": round(math.fsum(seconds), 3),
    }


def command(name: str, plan: Plan) -> str:
    """What to type for the table, with the user's overrides; of paths the last part alone, of folders ``PATH``."""
    return shlex.join(["backbench", "paper", name, *_asked(plan, SETTINGS)])


def sweep_command(plan: Plan) -> str:
    """What to type for a sweep, as `command`, with the experiment that was asked for."""
    return shlex.join(["backbench", "sweep", *_asked(plan, [word for word in SETTINGS if word != EXPERIMENT])])


def _asked(plan: Plan, settings: Sequence[str]) -> list[str]:
    """The last override of each key but those that start as one of `settings`, without folders."""
    asked = [word for word in plan.request.get("overrides", ()) if not word.lstrip("+~").startswith(tuple(settings))]
    last = {word.partition("=")[0]: word for word in asked}
    return list(map(_without_folders, last.values()))


def _without_folders(override: str) -> str:
    key, sign, value = override.partition("=")
    plain = value.strip("'\"")
    if sign and "://" not in value and key in PLACES:
        return f"{key}=PATH"
    is_path = sign and "://" not in value and ("/" in plain or plain.startswith("~"))
    return f"{key}=PATH/{PurePath(plain).name}" if is_path else override
