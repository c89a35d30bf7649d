"""What tests of several rooms share."""

import copy
import functools
import os

import pytest
from hypothesis import settings
from pictures import paint
from skips import judged

from backbench.compose import grammar

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


@pytest.fixture(autouse=True, scope="session")
def composed_once():
    """Hydra composes equal overrides over the checkout's own conf/ once in a process; that takes most of a plan.

    Where the environment may have a say, it composes anew. `compose.compose_one` is left alone: test_compose.py holds
    whole grids against it.
    """
    compose, groups = grammar.compose_one, functools.cache(grammar.all_groups)
    cached = functools.cache(lambda words, resolve: compose(words, resolve))

    def compose_one(words, resolve=True):
        if "BACKBENCH_CONF" in os.environ or any("$" in word for word in words):
            return compose(words, resolve)
        return copy.deepcopy(cached(tuple(words), resolve))

    def all_groups():
        return copy.deepcopy(groups()) if "BACKBENCH_CONF" not in os.environ else groups.__wrapped__()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grammar, "compose_one", compose_one)
        patch.setattr(grammar, "all_groups", all_groups)
        yield


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
