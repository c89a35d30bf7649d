"""What tests of several rooms share."""

import os

import pytest
from hypothesis import settings
from pictures import paint
from skips import judged

# Continuous integration draws the same examples each time; elsewhere every run looks at new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("BACKBENCH_CI"):
    settings.load_profile("ci")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return judged((yield))


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    """A results folder of the test's own."""
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))


@pytest.fixture
def folder(tmp_path):
    """Thirty painted pictures in three classes."""
    root = tmp_path / "pictures"
    for number in range(30):
        paint(root / f"class{number % 3}" / f"{number:02}.png", number)
    return root
