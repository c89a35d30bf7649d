"""Where Snakemake runs its jobs: read from its options and profiles, by its own parser."""

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbench import paths
from backbench.engine.time.clusters import Cluster

JOB_MINUTES = "job_minutes"
# Snakemake takes the profile of this variable where none is named.
PROFILE = "SNAKEMAKE_PROFILE"


def named(options: Sequence[str]) -> bool:
    """Whether anything says where jobs run: the options, or the environment."""
    return bool(options or os.environ.get(PROFILE))


def cluster(options: Sequence[str], folder: Path = Path()) -> Cluster | None:
    """The cluster that the options of Snakemake, its profiles included, send jobs to; None where they run here.

    Options that Snakemake refuses count as none: it says itself what is wrong with them. Profiles are looked for from
    `folder`, where Snakemake was started.
    """
    if not named(options):
        return None
    from snakemake.cli import parse_args

    snakefile = (
        [] if "--snakefile" in options or "-s" in options else ["--snakefile", str(paths.CHECKOUT / "Snakefile")]
    )
    try:
        with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):
            args = parse_args([*snakefile, *options])[1]
    except (SystemExit, Exception):
        return None
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


def of_main_process() -> Cluster | None:
    """The cluster that this process, which is Snakemake itself, sends jobs to.

    It has gone to its ``--directory``, and was started elsewhere: the shell or the launcher says where.
    """
    folders = dict.fromkeys((Path(os.environ.get("PWD") or "."), Path()))
    return next(filter(None, (cluster(sys.argv[1:], folder) for folder in folders if folder.is_dir())), None)


def _minutes(resources: Any) -> float | None:
    """The length of a job among the default resources of a profile."""
    resource = (resources or {}).get(JOB_MINUTES)
    value = getattr(resource, "value", resource)
    return float(value) if isinstance(value, int | float) and value > 0 else None
