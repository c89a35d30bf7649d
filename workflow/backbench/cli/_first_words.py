"""What each command is about to do, in words."""

from contextlib import AbstractContextManager

from backbench import first_words

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


def announced(command: str) -> AbstractContextManager[None]:
    """Say what a command does if it says nothing itself for a second."""
    return first_words.after_silence(f"backbench {command}: {DOING[command]}")
