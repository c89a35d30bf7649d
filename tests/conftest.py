"""What tests of several rooms share."""

import copy
import functools
import logging
import os

import pytest
from hypothesis import settings
from pictures import paint
from skips import judged

from backbench import first_words
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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that short ones fill the end where processes take one file after another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def switches() -> dict[logging.Logger, tuple]:
    """What decides whether a warning of backbench is heard, of the root logger and of its own."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "backbench"]
    loggers = [logging.root, *map(logging.getLogger, names)]
    return {logger: (logger.disabled, logger.propagate, logger.level, tuple(logger.filters)) for logger in loggers}


@pytest.fixture(autouse=True)
def heard():
    """Warnings are heard in every test: one that leaves them silenced is named, and the next hears them again."""
    before, least = switches(), logging.root.manager.disable
    yield
    changed = {logger: now for logger, now in switches().items() if now != before.get(logger, (False, True, 0, ()))}
    for logger in changed:
        logger.disabled, logger.propagate, level, filters = before.get(logger, (False, True, 0, ()))
        logger.setLevel(level)
        logger.filters[:] = filters
    disabled = logging.root.manager.disable
    logging.disable(least)
    assert not changed and disabled == least, "this test, or a library that it called, left loggers changed"


@pytest.fixture(autouse=True, scope="session")
def no_first_words():
    """Commands called in the process of a test say the same however busy the machine is."""
    before, first_words.PATIENCE = first_words.PATIENCE, 1e6
    yield
    first_words.PATIENCE = before


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
