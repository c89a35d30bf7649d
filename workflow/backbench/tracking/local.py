"""The SQLite file behind a local MLflow, read and tuned through sqlite3 alone (no mlflow).

Importing mlflow and searching 1,000 runs through it takes seconds; the four columns that say what is recorded are read
here in milliseconds. MLflow's tables ``experiments``, ``runs`` and ``tags`` have kept these columns since version 0.9;
should that change, `recorded` says None and the search goes through MLflow.
"""

import contextlib
import fcntl
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backbench.tracking import people, rows
from backbench.tracking.rows import Seen

log = logging.getLogger(__name__)

PREFIX = "sqlite:///"

RECORDED = """
SELECT found.key, found.value, runs.run_uuid, runs.status, result.value, sweep.value IS NOT NULL
FROM experiments
JOIN runs ON runs.experiment_id = experiments.experiment_id
JOIN tags AS found ON found.run_uuid = runs.run_uuid AND found.key IN (?, ?)
LEFT JOIN tags AS result ON result.run_uuid = runs.run_uuid AND result.key = ?
LEFT JOIN tags AS sweep ON sweep.run_uuid = runs.run_uuid AND sweep.key = ?
WHERE experiments.name = ? AND experiments.lifecycle_stage = 'active' AND runs.lifecycle_stage = 'active'
"""
EXPERIMENT_TAGS = """
SELECT tags.key, tags.value FROM experiment_tags AS tags
JOIN experiments ON experiments.experiment_id = tags.experiment_id
WHERE experiments.name = ? AND experiments.lifecycle_stage = 'active'
"""
SUMMARIES = """
SELECT summary.value, runs.experiment_id, view.value
FROM runs JOIN tags AS summary ON summary.run_uuid = runs.run_uuid AND summary.key = ?
JOIN experiments ON experiments.experiment_id = runs.experiment_id
LEFT JOIN tags AS view ON view.run_uuid = runs.run_uuid AND view.key = ?
WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'
ORDER BY runs.start_time DESC
"""
HASHES = """
SELECT DISTINCT tags.value FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid
WHERE tags.key = ? AND runs.lifecycle_stage = 'active'
"""


@dataclass(frozen=True)
class Sighting:
    """Where the summary run of a sweep is: the experiment, and the saved view to look at first."""

    sweep: str
    experiment_id: str
    view: str


def database(uri: str) -> Path | None:
    """Path of the SQLite file that an address names, or None for a server."""
    return Path(uri.removeprefix(PREFIX).partition("?")[0]) if uri.startswith(PREFIX) else None


def recorded(path: Path, experiment: str, sweep: str) -> dict[tuple[str, str], list[Seen]] | None:
    """The active runs of an experiment by identity, or None where the file cannot be read this way."""
    if not path.is_file():
        return {}
    wanted = (rows.CONFIG_HASH, rows.SUMMARY, rows.RESULT, rows.sweep_tag(sweep), experiment)
    try:
        with contextlib.closing(_reader(path)) as connection:
            runs = connection.execute(RECORDED, wanted).fetchall()
    except sqlite3.Error as error:
        log.debug("%s is not read directly: %s", path, error)
        return None
    return rows.by_identity(((key, value), Seen(*rest)) for key, value, *rest in runs)


def experiment_tags(path: Path, experiment: str) -> dict[str, str] | None:
    """The tags of an experiment, or None where the file cannot be read this way."""
    if not path.is_file():
        return {}
    try:
        with contextlib.closing(_reader(path)) as connection:
            return dict(connection.execute(EXPERIMENT_TAGS, (experiment,)))
    except sqlite3.Error as error:
        log.debug("%s is not read directly: %s", path, error)
        return None


def summaries(path: Path) -> list[Sighting]:
    """The summary runs in the file, the one with the latest fit first; none where it cannot be read this way."""
    try:
        with contextlib.closing(_reader(path)) as connection:
            lines = connection.execute(SUMMARIES, (rows.SUMMARY, rows.VIEW)).fetchall()
    except sqlite3.Error as error:
        log.debug("%s is not read directly: %s", path, error)
        return []
    return [Sighting(sweep, str(experiment_id), view or "") for sweep, experiment_id, view in lines]


def hashes(path: Path) -> list[str]:
    """The config hashes of all active runs in the file."""
    if not path.is_file():
        return []
    with contextlib.closing(_reader(path)) as connection:
        return sorted(value for (value,) in connection.execute(HASHES, (rows.CONFIG_HASH,)))


def prepare(path: Path) -> None:
    """Switch the file to a write-ahead log, which persists.

    Raises
    ------
    sqlite3.Error, OSError
        At once where the file cannot be written or is no database; MLflow itself would retry for minutes.
    """
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


@contextlib.contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """A name to make a database under; it gets its own name at the end, so that a kill leaves none or all of it."""
    new = path.with_name(f".{path.name}.new")
    for leftover in new.parent.glob(f"{new.name}*"):
        leftover.unlink()
    yield new
    new.replace(path)


def analyse(path: Path) -> None:
    """Refresh SQLite's statistics: without them MLflow's ordering by a metric takes seconds at 10,000 runs."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ANALYZE")


@contextlib.contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Hold the operating system's lock on a file, which ends with the process however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("%s records runs; waiting for it (%s)", path.read_text().strip() or "another backbench", path)
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(people.described(people.here()))
        handle.flush()
        yield


def _reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=20)
    connection.execute("PRAGMA query_only=ON")
    return connection
