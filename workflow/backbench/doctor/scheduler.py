"""SLURM, as a launch with these options of Snakemake would meet it."""

from collections.abc import Iterator, Sequence

from backbench import paths, slurm
from backbench.findings import Finding, fail, ok
from backbench.schema import ConfigError
from backbench.sweeping import asked, cluster

PROFILE = paths.CHECKOUT / "profiles" / "slurm"


def look(options: Sequence[str]) -> Iterator[Finding]:
    """What a launch on SLURM would find; without options, one with profiles/slurm."""
    if not options and not slurm.present():
        yield ok("slurm", "not on this machine; sweeps run here")
        return
    options = options or ["--workflow-profile", str(PROFILE)]
    try:
        executor = asked.executor(options)
    except ConfigError as error:
        yield fail("profile", *str(error).split("; ", 1))
        return
    if executor == asked.SLURM:
        yield from cluster.look(options)
    else:
        yield ok("slurm", f"not asked for: these options run jobs by the executor {executor}")
