"""The panel of a launch: the time remaining, from what has ended; and the answer, which is shown above it once."""

import contextlib
import json
import subprocess
import sys
import time

import pytest
from grids import NONE
from sweeping import collection, computed

from backbench import hashing, launching, paths, planning
from backbench.engine.results import ledger
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.answering import Answering
from backbench.sweeping.panel import Progress

MEMBERS = [f"member {number}" for number in range(4)]


@pytest.fixture
def progress(own_results):
    """A function that makes the progress of four members of 10 s each, some of which have ended."""
    plan = planning.make([NONE, "clusterer=kmeans"]).plan

    def make(done: int, seconds: float = 10.0, announced: float = 0.0, after: float = 0.0) -> Progress:
        waiting, expected = dict.fromkeys(MEMBERS[done:]), dict.fromkeys(MEMBERS, seconds)
        return Progress(plan, waiting, expected, 0.0, 1, announced, after, done=set(MEMBERS[:done]))

    return make


def test_nothing_has_ended(progress):
    assert progress(0).eta(5.0) is None


def test_before_anything_has_ended_what_was_announced_counts(progress):
    found = progress(0, announced=60.0)
    assert found.eta(20.0) == pytest.approx(40.0)
    assert found.eta(60.0) is None


def test_what_follows_the_last_member_is_still_to_come(progress):
    assert progress(2, after=15.0).eta(40.0) == pytest.approx(55.0)


def test_the_pace_of_what_has_ended_counts(progress):
    assert progress(2).eta(40.0) == pytest.approx(40.0)


def test_an_early_pace_counts_by_its_share(progress):
    """A quarter has ended in 40 s, and the whole was announced for 60 s with 20 s after it: 10 s for each quarter."""
    assert progress(1, announced=60.0, after=20.0).eta(40.0) == pytest.approx(3 * (0.25 * 40 + 0.75 * 10) + 20)


def test_it_counts_down_between_two_ends(progress):
    found = progress(2)
    assert found.eta(40.0) == pytest.approx(40.0)
    assert found.eta(70.0) == pytest.approx(10.0)
    assert found.eta(90.0) is None


def test_members_that_take_no_time(progress):
    assert progress(2, seconds=0.0).eta(40.0) is None


def test_why_jobs_wait_stands_in_the_line(progress):
    waiting = progress(0)
    member = next(iter(waiting.plan.shards.values())).members[0]
    waiting.waiting, waiting.expected = {member: paths.store()}, {member: 10.0}
    waiting.queue.text, waiting.queue.asked = "1 SLURM job queued: other jobs go first (Priority)", time.monotonic()
    assert panel._line(waiting, 5.0).endswith("5 s elapsed  1 SLURM job queued: other jobs go first (Priority)")


@pytest.mark.parametrize(
    ("patience", "words"),
    [("5", "epoch 3 of at most 40, at most 74 s remaining"), ("null", "epoch 3 of 40, about 74 s remaining")],
)
def test_a_training_counts_epochs_and_the_extraction_after_it_images(own_results, patience, words):
    options = ("backbone=autoencoder", "backbone.epochs=40", f"backbone.patience={patience}")
    plan = planning.make([NONE, *options], fingerprint=False).plan
    (shard,) = (shard for shard in plan.shards.values() if shard.kind == "features")
    state = paths.results() / "progress" / f"features-{hashing.short(shard.id)}.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"done": 3, "total": 40, "left": 74.0}))
    assert panel._partial(plan) == [f"training autoencoder: {words}"]
    state.write_text(json.dumps({"done": 500, "total": 3000, "left": 5.0}))
    assert panel._partial(plan) == ["features: 500 of 3,000 images, about 5 s remaining"]


class Once:
    """What is ready when it is first looked at; `seen` says whether the process ran when it was shown."""

    def __init__(self, process):
        self.process, self.seen = process, []

    @property
    def ready(self):
        return not self.seen

    def early(self):
        self.seen.append(self.process.poll() is None)


@pytest.mark.parametrize("how", [panel._plain, panel._live])
def test_what_goes_above_is_shown_once_while_the_process_runs(progress, monkeypatch, how):
    monkeypatch.setattr(panel, "POLL_SECONDS", 0.02)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        above = Once(process)
        early = above.early
        above.early = lambda: (early(), process.stdin.close())
        how(process, progress(4), Store(paths.store()), above)
    assert above.seen == [True]


@pytest.fixture
def swept(own_results, tmp_path):
    """A small sweep that is computed and not joined."""
    grid = (NONE, "backbone=pixels", "k=2", "clusterer=kmeans", "classifier=knn", "retrieval=none")
    return computed(*grid, *collection(tmp_path / "photos", classes=("a", "b"), each=10))


def test_the_answer_is_shown_once_as_soon_as_the_runs_are_joined(swept, capsys):
    shown = []
    answering = Answering(swept, Store(paths.store()), shown.append, after=20.0)
    assert not answering.ready
    ledger.join(swept, ledger.read_records(swept, Store(paths.store())))
    assert answering.ready
    answering.early()
    assert not answering.ready and len(shown) == 1
    words = "The answer is complete; the record in MLflow and the report follow, in about 20 s."
    assert capsys.readouterr().err.strip() == words
    with pytest.raises(KeyboardInterrupt), answering.interruptible():
        raise KeyboardInterrupt
    assert "the record in MLflow and the report are missing, and the same command continues" in capsys.readouterr().err
    _, answer = answering.last()
    assert shown == [answer] and launching.page(swept).exists()
    assert launching.coming(swept) == ["the record in MLflow"]


def test_runs_that_an_earlier_launch_has_joined_wait_for_being_joined_again(swept):
    records = ledger.read_records(swept, Store(paths.store()))
    ledger.join(swept, records)
    answering = Answering(swept, Store(paths.store()), list, again=True)
    assert not answering.ready
    assert Answering(swept, Store(paths.store()), list).ready
    (swept.folder / ledger.RESULTS).unlink()
    assert not answering.ready
    ledger.join(swept, records)
    assert answering.ready


@pytest.mark.parametrize(("error", "times"), [(BrokenPipeError(), 1), (SystemExit(1), 1), (MemoryError("full"), 2)])
def test_an_answer_that_cannot_be_shown_stops_nothing(swept, capsys, error, times):
    shown = []

    def show(answer):
        shown.append(answer)
        raise error

    ledger.join(swept, ledger.read_records(swept, Store(paths.store())))
    answering = Answering(swept, Store(paths.store()), show)
    answering.early()
    assert not answering.ready
    assert ("cannot be shown yet (MemoryError: full)" in capsys.readouterr().err) == (times == 2)
    with pytest.raises(MemoryError) if times == 2 else contextlib.nullcontext():
        answering.last()
    assert len(shown) == times and launching.page(swept).exists()


def test_where_the_jobs_did_not_end_well_the_answer_comes_at_the_end(swept, capsys):
    shown = []
    answering = Answering(swept, Store(paths.store()), shown.append)
    with pytest.raises(KeyboardInterrupt), answering.interruptible():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""
    records, answer = answering.last()
    assert shown == [answer] and ledger.joined_records(swept) == records
