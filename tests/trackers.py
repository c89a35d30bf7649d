"""Processes that record runs, forked by one that has imported MLflow, and one who watches what they write."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg2
import test_tracking

from backbench import tracking
from backbench.tracking import service, turns, writing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["with_mlflow"])
SECONDS = 90
STARTED: list[BaseProcess] = []
DOUBLES = """SELECT count(*) FROM tags JOIN runs USING (run_uuid)
             WHERE key = 'config_hash' AND lifecycle_stage = 'active' GROUP BY value HAVING count(*) > 1"""


@dataclass
class Tracker:
    """A process that tracks, and what it has sent so far."""

    process: BaseProcess
    connection: Connection
    sent: list[tuple[Any, ...]] = field(default_factory=list)

    def until(self, *kinds: str) -> tuple[Any, ...]:
        """The next message of one of these kinds."""
        while self.connection.poll(SECONDS):
            self.sent.append(self.connection.recv())
            if self.sent[-1][0] in kinds:
                return self.sent[-1]
        raise AssertionError(f"no {kinds} within {SECONDS} s; received {self.sent}")

    def outcome(self) -> tuple[Any, ...]:
        """How it ends: a report with the numbers of created, updated and unchanged runs, or the text of a refusal."""
        outcome = self.until("report", "refused")
        self.process.join(SECONDS)
        return outcome

    def said(self) -> str:
        return "\n".join(message[1] for message in self.sent if message[0] == "said")

    def send_signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def wait_until_stopped(self) -> None:
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.05)


def start(
    uri: str, folder: Path, count: int, revision: int = 0, lease: float = turns.LEASE, stop_at: int = 0
) -> Tracker:
    """Record `count` rows from a results folder of its own; `stop_at` stops the process as it is about to publish the
    run of that number."""
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=run, args=(theirs, uri, folder, count, revision, lease, stop_at), daemon=True)
    process.start()
    STARTED.append(process)
    theirs.close()
    return Tracker(process, ours)


def kill_all() -> None:
    """End what a test has left, stopped processes too."""
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.join()


def run(connection: Connection, uri: str, folder: Path, count: int, revision: int, lease: float, stop_at: int) -> None:
    os.environ["BACKBENCH_RESULTS"] = str(folder)
    os.chdir(folder)
    turns.LEASE, turns.BEAT_SECONDS, turns.MARGIN = lease, lease / 8, lease / 15
    logging.basicConfig(level=logging.WARNING, handlers=[_Sender(connection)], force=True)
    if stop_at:
        writing._Writer._log = _stopping(stop_at)
    picture = folder / "picture.csv"
    picture.write_text("k,ami\n")
    rows = test_tracking.make_rows(count, revision)
    rows[0] = test_tracking.dataclasses.replace(rows[0], files=(tracking.rows.Attached(picture, "pictures"),))
    try:
        report = test_tracking.track(folder, rows, uri=uri, progress=lambda done, _: connection.send(("done", done)))
        connection.send(("report", report.created, report.updated, report.unchanged))
    except service.TrackingUnavailable as error:
        connection.send(("refused", str(error)))


def _stopping(at: int):
    """The method that publishes runs, and stops its process before it does so for the run of a number."""
    log, calls = writing._Writer._log, []

    def stopped(self, *rest):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGSTOP)
        log(self, *rest)

    return stopped


class _Sender(logging.Handler):
    def __init__(self, connection: Connection):
        super().__init__()
        self.connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        self.connection.send(("said", record.getMessage()))


@contextlib.contextmanager
def never_two(uri: str) -> Iterator[list[int]]:
    """Look all the time whether two active runs have the same config hash; yields how often it was looked."""
    looks, doubles, ended = [0], [], threading.Event()

    def watch() -> None:
        with contextlib.closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not ended.wait(0.05):
                with contextlib.suppress(psycopg2.errors.UndefinedTable):
                    cursor.execute(DOUBLES)
                    doubles.extend(cursor.fetchall())
                    looks[0] += 1

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield looks
    finally:
        ended.set()
        thread.join()
    assert looks[0] and not doubles, f"{len(doubles)} doubles in {looks[0]} looks"
