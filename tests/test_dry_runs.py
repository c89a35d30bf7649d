"""Whether Snakemake is asked to compute: its own parser knows, however its options are written."""

import pytest

from backbench.sweeping.executors import dry


@pytest.mark.parametrize(
    "options",
    [
        ["-n"],
        ["-np"],
        ["-pn"],
        ["--dry-run"],
        ["--dryrun"],
        ["--cores", "2", "-nq"],
        ["--report"],
        ["--lint"],
    ]
    + [["--report", "x.html"], ["--summary"], ["-S"], ["--dag"], ["--unlock"], ["-l"], ["--rulegraph", "dot", "-p"]],
    ids=" ".join,
)
def test_no_job_is_started(options):
    assert dry(options)


@pytest.mark.parametrize(
    "options",
    [[], ["-p"], ["--keep-going"], ["--cores", "2"], ["-k", "-p"], ["--config", "a=-n"], ["--rerun-triggers", "mtime"]],
    ids=" ".join,
)
def test_jobs_are_started(options):
    assert not dry(options)
