"""What a command is about to do, on stderr, where a second passes before it is done: libraries take time to load."""

import contextlib
import sys
import threading
from collections.abc import Iterator

PATIENCE = 1.0
DOING = {
    "audit": "looking at the collection",
    "doctor": "looking at this machine",
    "plan": "planning: reading the collection and checking every combination",
    "sweep": "planning: reading the collection and checking every combination",
    "status": "reading how far the sweep is",
    "answer": "reading the results of all sweeps",
    "paper": "reading what was published",
    "runs": "reading the results of all sweeps",
    "leaderboard": "reading the results of all sweeps",
    "select": "reading the clusterings of all sweeps",
    "compare": "reading the results to compare",
    "report": "reading the results of the sweep",
    "plot": "reading the results to draw",
    "predict": "opening the run and the images",
    "search": "opening the run and its images",
    "export": "opening the run",
    "organise": "opening the run and its photographs",
    "label": "opening the run and its clusters",
    "show": "reading the run",
    "diff": "reading both runs",
    "reproduce": "reading the record of the run",
    "track": "opening MLflow and reading the results",
    "store": "reading what the store holds",
    "sweeps": "reading the sweeps made here",
    "app": "opening the page",
    "ui": "starting MLflow",
    "server": "starting the tracking server",
}


@contextlib.contextmanager
def announced(command: str) -> Iterator[None]:
    """Say what a command does if it takes longer than `PATIENCE` seconds; a terminal that is closed stops nothing."""
    timer = threading.Timer(PATIENCE, _say, (command,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _say(command: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"backbench {command}: {DOING[command]}", file=sys.stderr, flush=True)
