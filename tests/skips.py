"""In the continuous integration (``BACKBENCH_CI=1``) a test that is left out for what is missing has failed."""

import os

import pytest

# What may be so on a machine that lacks nothing. Where assets are, their folder is named, and none is left out for it.
RIGHT = (
    "BACKBENCH_ASSETS",
    "this user may read everything",
    "this user may not mount a disk",
    "the Debian package with the images is installed",
    "PyTorch sees no CUDA device",
    "the processor has no",
)


def judged(report: pytest.TestReport | pytest.CollectReport) -> pytest.TestReport | pytest.CollectReport:
    """The report, failed where the continuous integration may not skip."""
    if not os.environ.get("BACKBENCH_CI") or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
    if not any(words in reason for words in RIGHT):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was left out ({reason}), and BACKBENCH_CI is set: nothing may be missing"
    return report
