"""A sweep's runs in MLflow, each exactly once (the only importer of mlflow, and only inside functions).

MLflow is a view that can be rebuilt from the store at any time. What keeps it exact:

- one writer: an operating-system lock is held while a sweep is tracked;
- a run is created RUNNING with all its tags, filled, and terminated last: a run that is FINISHED or FAILED is whole,
  and one that a killed process left RUNNING is found by its ``config_hash`` and filled again;
- the digest of everything that a run says is one of its tags, so that what has not changed is not written;
- on a server that several machines write to, doubles are reconciled after writing.

On SQLite the question whether anything is to be written is answered from the file itself, without importing mlflow.
"""

from backbench.tracking.lookup import Recorded, find, hashes
from backbench.tracking.pages import ui, ui_command
from backbench.tracking.rows import Experiment, RunRow, Summary
from backbench.tracking.service import TrackingUnavailable, address, artifact_place, artifact_root
from backbench.tracking.writing import TrackReport, track

__all__ = [
    "Experiment",
    "Recorded",
    "RunRow",
    "Summary",
    "TrackReport",
    "TrackingUnavailable",
    "address",
    "artifact_place",
    "artifact_root",
    "find",
    "hashes",
    "track",
    "ui",
    "ui_command",
]
