"""The panel of a launch: the time left, from what has ended."""

import pytest
from grids import NONE

from backbench import planning
from backbench.cli.panel import Progress

MEMBERS = [f"member {number}" for number in range(4)]


@pytest.fixture
def progress(own_results):
    """A function that makes the progress of four members of 10 s each, some of which have ended."""
    plan = planning.make([NONE, "clusterer=kmeans"]).plan

    def make(done: int, seconds: float = 10.0) -> Progress:
        waiting = dict.fromkeys(MEMBERS[done:])
        return Progress(plan, waiting, dict.fromkeys(MEMBERS, seconds), since=0.0, shards=1, done=set(MEMBERS[:done]))

    return make


def test_nothing_has_ended(progress):
    assert progress(0).eta(5.0) is None


def test_the_pace_of_what_has_ended_counts(progress):
    assert progress(2).eta(40.0) == pytest.approx(40.0)


def test_it_counts_down_between_two_ends(progress):
    found = progress(2)
    assert found.eta(40.0) == pytest.approx(40.0)
    assert found.eta(70.0) == pytest.approx(10.0)
    assert found.eta(90.0) is None


def test_members_that_take_no_time(progress):
    assert progress(2, seconds=0.0).eta(40.0) is None
