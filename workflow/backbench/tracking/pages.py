"""MLflow's own pages over the recorded runs."""

import os
import shlex
import socket
import sys

from backbench import hashing
from backbench.engine.results import ledger
from backbench.tracking import databases, local, service, views

# The job backend doubles the start-up time, and nothing here uses it.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

ALLOWED = "MLFLOW_SERVER_ALLOWED_HOSTS"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Addresses that stand for all of this machine's, and what it calls itself there.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
# Addresses of private networks, as MLflow allows them by itself.
PRIVATE = ("192.168.*", "10.*", *(f"172.{number}.*" for number in range(16, 32)), "fc00:*", "fd00:*")


def ui_command(uri: str, artifacts: str, port: int = 5000, host: str = "127.0.0.1") -> list[str]:
    """The command that serves MLflow's pages over a database, to be run with `variables`.

    An address with a password is not in it, but among the variables: every user can see commands.

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
    return server_command(artifacts, port, host, "" if _is_secret(uri) else uri)


def server_command(artifacts: str, port: int, host: str, uri: str = "") -> list[str]:
    """The command of MLflow's server, to be run with `variables`; without an address it takes that of the variables."""
    options = {
        **({"--backend-store-uri": uri} if uri else {}),
        "--artifacts-destination": artifacts,
        "--host": host,
        "--port": str(port),
        "--workers": "1",
    }
    return [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]


def variables(host: str, uri: str = "") -> dict[str, str]:
    """What MLflow's server finds in its environment: no telemetry, the names that this machine is called by from
    others, an address with a password."""
    secret = {"MLFLOW_BACKEND_STORE_URI": uri} if _is_secret(uri) else {}
    return {**QUIET, **({} if host in LOOPBACK else _names(host)), **secret}


def _is_secret(uri: str) -> bool:
    return service.without_password(uri) != uri


def _names(host: str) -> dict[str, str]:
    """The names by which a server that is open to others may be asked for; MLflow refuses all that it does not know."""
    if os.environ.get(ALLOWED):
        return {}
    names = dict.fromkeys(("localhost", "127.0.0.1", host, socket.gethostname(), socket.getfqdn()))
    return {ALLOWED: ",".join([*(each for name in names for each in (name, f"{name}:*")), *PRIVATE])}


def base(host: str, port: int) -> str:
    """The address of a server in a browser."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def reachable(host: str, port: int) -> str:
    """The address of a server for others, where it listens at all addresses of this machine."""
    return base(socket.gethostname() if host in EVERYWHERE else host, port)


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


def ui(uri: str, artifacts: str, port: int = 5000, host: str = "127.0.0.1") -> None:
    """Print the command and the page of the newest sweep, and become that server; it ends with Ctrl-C.

    Raises
    ------
    TrackingUnavailable
        If the database does not answer.
    """
    command = ui_command(uri, artifacts, port, host)
    if databases.kind(uri):
        service.prepare(uri)
    page = front(uri, base(host, port))
    sets = [f"{name}={service.without_password(value)}" for name, value in variables(host, uri).items()]
    print(f"{' '.join(sets)} {shlex.join(command)}", flush=True)
    print("in about half a minute, open (Ctrl-C ends it):", flush=True)
    print(page, flush=True)
    os.execve(command[0], command, {**os.environ, **variables(host, uri)})
