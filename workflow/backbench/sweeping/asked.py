"""What the options of a launch ask of Snakemake: the executor, and what jobs are given on a cluster."""

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from backbench import paths
from backbench.schema import ConfigError, nearest

LOCAL, SLURM = "local", "slurm"
PROFILES = paths.CHECKOUT / "profiles"
EXECUTOR, WORKFLOW_PROFILE, PROFILE = ("--executor", "-e"), ("--workflow-profile",), ("--profile",)


@dataclass(frozen=True)
class Asked:
    """The options of Snakemake that matter to a cluster, None where they are not set.

    `resources` are the default ones that have a plain value, `partitions` those that any rule is sent to, and `profile`
    is the file in which they are set.
    """

    status_command: str | None = None
    max_threads: int | None = None
    cores: int | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    partitions: frozenset[str] = frozenset()
    profile: str = "profiles/slurm/config.yaml"


def executor(options: Sequence[str]) -> str:
    """Where the jobs of a launch run, by the name of Snakemake's executor.

    Raises
    ------
    ConfigError
        If a profile is named that is not there: Snakemake would run everything on this machine without a word.
    """
    named = _value(options, EXECUTOR)
    return named or next((name for file in _files(options) if (name := _settings(file).get("executor"))), LOCAL)


def read(options: Sequence[str]) -> Asked | None:
    """What Snakemake's own parser makes of the options; None where it refuses them, which it then says itself."""
    from snakemake.cli import parse_args

    words = ["--snakefile", str(paths.CHECKOUT / "Snakefile"), *options]
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            args = parse_args(words)[1]
    except (SystemExit, Exception):  # whatever it is, Snakemake ends with it and a message of its own
        return None
    resources = {name: plain(value) for name, value in (args.default_resources or {}).items()}
    rules = [plain(each.get("slurm_partition")) for each in (args.set_resources or {}).values()]
    named = [str(name).split(",") for name in (*rules, resources.get("slurm_partition")) if name]
    partitions = frozenset(name for names in named for name in names)
    status = getattr(args, "slurm_status_command", None)
    cores = args.cores if isinstance(args.cores, int) else None
    profile = next((str(file) for file in _files(options)), Asked.profile)
    status = status if isinstance(status, str) else None
    return Asked(status, args.max_threads, cores, resources, partitions, profile)


def _files(options: Sequence[str]) -> list[Path]:
    """The files of the profiles that the options name, the one that counts first."""
    general = _value(options, PROFILE) or os.environ.get("SNAKEMAKE_PROFILE", "")
    named = [(_value(options, WORKFLOW_PROFILE), WORKFLOW_PROFILE[0]), (general, PROFILE[0])]
    return [_file(name, option) for name, option in named if name and name != "none"]


def _file(name: str, option: str) -> Path:
    """The file of a profile, where Snakemake looks for it too: the folder itself, or one of the checkout's profiles."""
    places = [Path(name), Path("profiles") / name, PROFILES / name]
    files = [place / "config.yaml" if place.is_dir() else place for place in places]
    there = next((file for file in files if file.is_file()), None)
    if there is None and option == WORKFLOW_PROFILE[0]:
        known = sorted(path.parent.name for path in PROFILES.glob("*/config.yaml"))
        near = nearest(Path(name).name, known) or SLURM
        raise ConfigError(
            f"{option}: received {name}, where there is no config.yaml, so that Snakemake would run everything on this "
            f"machine; type: {option} {PROFILES / near}"
        )
    return there or files[0]


def _settings(file: Path) -> dict[str, Any]:
    """A profile; empty where it cannot be read, which Snakemake says itself."""
    try:
        settings = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _value(options: Sequence[str], names: Sequence[str]) -> str:
    """The value of an option, the last where it is given twice; empty where it is not given."""
    value = ""
    for at, word in enumerate(options):
        name, sign, rest = word.partition("=")
        if name in names:
            value = rest if sign else next(iter(options[at + 1 :]), "")
    return value


def plain(resource: Any) -> Any:
    """The value of a resource; None where Snakemake computes it for each job."""
    value = getattr(resource, "raw", resource)
    return None if callable(value) else value
