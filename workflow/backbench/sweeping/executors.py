"""Whether and where Snakemake runs jobs: read from its options and profiles, by its own parser."""

import contextlib
import io
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backbench import paths, slurm
from backbench.engine.time.clusters import Cluster
from backbench.slurm import Node
from backbench.sweeping.asked import SLURM, plain

JOB_MINUTES = "job_minutes"
# Snakemake takes the profile of this variable where none is named.
PROFILE = "SNAKEMAKE_PROFILE"
# Options of Snakemake, as its parser calls them, with which no job is started.
COMPUTES_NOTHING = (
    *("dryrun", "report", "summary", "detailed_summary", "lint", "list_rules", "list_target_rules", "list_changes"),
    *("list_input_changes", "list_params_changes", "list_untracked", "dag", "rulegraph", "filegraph", "d3dag"),
    *("archive", "containerize", "export_cwl", "print_compilation", "unlock", "cleanup_metadata", "cleanup_shadow"),
    *("delete_all_output", "delete_temp_output", "conda_create_envs_only", "conda_cleanup_envs"),
)


def named(options: Sequence[str]) -> bool:
    """Whether anything says where jobs run: the options, or the environment."""
    return bool(options or os.environ.get(PROFILE))


def cluster(options: Sequence[str], folder: Path = Path()) -> Cluster | None:
    """The cluster that the options of Snakemake, its profiles included, send jobs to; None where they run here.

    Options that Snakemake refuses count as none: it says itself what is wrong with them. Profiles are looked for from
    `folder`, where Snakemake was started.
    """
    args = _parsed(options, folder) if named(options) else None
    return _cluster(args) if args else None


def of_main_process() -> Cluster | None:
    """The cluster that this process, which is Snakemake itself, sends jobs to, and the time that it allows them.

    It has gone to its ``--directory``, and was started elsewhere: the shell or the launcher says where.
    """
    for folder in dict.fromkeys((Path(os.environ.get("PWD") or "."), Path())):
        args = _parsed(sys.argv[1:], folder) if folder.is_dir() else None
        known = _cluster(args) if args else None
        if known:
            return replace(known, limit=_limit(args)) if known.executor == SLURM else known
    return None


def dry(options: Sequence[str]) -> bool:
    """Whether Snakemake is only asked what it would do or what there is; its own parser reads the options."""
    if not options:
        return False
    from snakemake.cli import get_argument_parser

    asked = get_argument_parser().parse_known_args(options)[0]
    return any(getattr(asked, name, False) for name in COMPUTES_NOTHING)


def _parsed(options: Sequence[str], folder: Path) -> Any:
    """The options with those of the profiles; None where Snakemake refuses them."""
    from snakemake.cli import parse_args

    snakefile = (
        [] if "--snakefile" in options or "-s" in options else ["--snakefile", str(paths.CHECKOUT / "Snakefile")]
    )
    try:
        with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):
            return parse_args([*snakefile, *options])[1]
    except (SystemExit, Exception):
        return None


def _cluster(args: Any) -> Cluster | None:
    """The cluster that parsed options send jobs to."""
    if args.executor in (None, "local", "dryrun", "touch"):
        return None
    prefix = getattr(args, "slurm_jobname_prefix", "")  # a placeholder where it was not given
    cores = args.cores if isinstance(args.cores, int) else 0
    return Cluster(
        executor=str(args.executor),
        jobs=int(args.jobs) if isinstance(args.jobs, int) else 1,
        cores=cores,
        threads=args.max_threads or cores or 1,
        attempts=1 + int(args.retries or 0),
        minutes=_minutes(args.default_resources),
        prefix=prefix if isinstance(prefix, str) else "",
    )


def _limit(args: Any) -> float | None:
    """The most minutes that jobs may ask for: the smallest limit of the partitions that rules are sent to."""
    resources = [args.default_resources or {}, *(args.set_resources or {}).values()]
    named = [str(plain(each.get("slurm_partition")) or "") for each in resources]
    return shortest([named[0], *filter(None, named[1:])], slurm.nodes() or [])


def shortest(named: Sequence[str], nodes: Sequence[Node]) -> float | None:
    """The smallest limit of partitions in minutes, None where none has one.

    Each of `named` is a partition, or several with commas, of which the longest counts; empty is the default one.
    """
    limits = []
    for names in named:
        members = [node for node in nodes if (node.partition in names.split(",") if names else node.default)]
        limits.append(max((node.minutes or math.inf for node in members), default=math.inf))
    least = min(limits, default=math.inf)
    return least if math.isfinite(least) else None


def _minutes(resources: Any) -> float | None:
    """The length of a job among the default resources of a profile."""
    resource = (resources or {}).get(JOB_MINUTES)
    value = getattr(resource, "value", resource)
    return float(value) if isinstance(value, int | float) and value > 0 else None
