"""Where Snakemake runs the jobs of a launch, by its options and its profile."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import launch_record

LOCAL, SLURM = "local", "slurm"


@dataclass(frozen=True)
class Executor:
    """What runs the jobs: `name` as Snakemake calls it, `prefix` that of SLURM jobs where the user chose one."""

    name: str
    prefix: str = ""

    def jobs(self, launch: str) -> str | None:
        """What the names of the SLURM jobs of a launch begin with; None where they have nothing of their own."""
        return f"{launch_record.NAMES}{launch}" if self.name == SLURM and launch and not self.prefix else None

    def options(self, launch: str) -> list[str]:
        """Options of Snakemake with which the SLURM jobs of a launch are found again."""
        name = self.jobs(launch)
        return ["--slurm-jobname-prefix", name] if name else []


def of(options: Sequence[str]) -> Executor:
    """The executor that Snakemake takes with these options, which name a profile or not."""
    if not options and "SNAKEMAKE_PROFILE" not in os.environ:
        return Executor(LOCAL)
    from snakemake.cli import parse_args

    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stderr(nowhere),
        contextlib.redirect_stdout(nowhere),
    ):
        try:
            asked = parse_args(["--cores", "1", *options])[1]
        except (SystemExit, Exception):  # Snakemake itself says what is wrong with them
            return Executor(LOCAL)
    prefix = getattr(asked, "slurm_jobname_prefix", None)  # a placeholder where it was not given
    return Executor(asked.executor or LOCAL, prefix if isinstance(prefix, str) else "")
