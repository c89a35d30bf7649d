"""MLflow's own pages over the recorded runs."""

import os
import shlex
import sys
from pathlib import Path

from backbench import hashing
from backbench.engine.results import ledger
from backbench.tracking import local, service, views

# The job backend doubles the start-up time, and nothing here uses it.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def ui_command(uri: str, artifacts: Path, port: int = 5000, host: str = "127.0.0.1") -> list[str]:
    """The command that serves MLflow's pages over a database, to be run with the variables in `QUIET`.

    Raises
    ------
    ValueError
        If the address is a server's, which shows its own pages.
    """
    if uri.startswith(("http://", "https://")):
        raise ValueError(f"{service.without_password(uri)} is a server with pages of its own: open it in a browser")
    path = local.database(uri)
    if path is not None and not path.is_file():
        raise ValueError(f"there is no database {path} yet: `backbench sweep` or `backbench track` makes it")
    options = {
        "--backend-store-uri": uri,
        "--artifacts-destination": artifacts.absolute().as_uri(),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
    }
    return [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]


def front(uri: str, base: str) -> str:
    """Where to look first: the view of the newest sweep that a local database holds, in the layout for model training.

    Without a sweep, or in another database, it is MLflow's list of experiments.
    """
    path = local.database(uri)
    sightings = local.summaries(path) if path is not None else []
    if not sightings:
        return base
    made_here = {hashing.short(plan.sweep): place for place, plan in enumerate(ledger.saved_plans(), start=1)}
    newest = max(sightings, key=lambda sighting: made_here.get(sighting.sweep, 0))
    return views.link(base, newest.experiment_id, newest.view)


def ui(uri: str, artifacts: Path, port: int = 5000, host: str = "127.0.0.1") -> None:
    """Print the command and the page of the newest sweep, and become that server; it ends with Ctrl-C."""
    command = ui_command(uri, artifacts, port, host)
    page = front(uri, f"http://{f'[{host}]' if ':' in host else host}:{port}")
    sets = [f"{name}={value}" for name, value in QUIET.items()]
    print(f"{' '.join(sets)} {service.without_password(shlex.join(command))}", flush=True)
    print("in about half a minute, open (Ctrl-C ends it):", flush=True)
    print(page, flush=True)
    os.execve(command[0], command, {**os.environ, **QUIET})
