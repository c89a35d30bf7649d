"""How MLflow is reached: address, quiet client, and errors that say what to do."""

import contextlib
import logging
import os
import socket
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import paths
from backbench.tracking import local, schema

if TYPE_CHECKING:
    from mlflow import MlflowClient

SECONDS_TO_ANSWER = 5
FORCED = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


class TrackingUnavailable(RuntimeError):
    """MLflow did not answer or refused; no result is lost, and tracking can be repeated at any time."""

    def __init__(self, uri: str, why: object):
        super().__init__(
            f"MLflow at {without_password(uri)} cannot be used: {why}\n"
            "No result is lost. When it answers again, `backbench track` records what is missing."
        )


def address(explicit: str | None = None) -> str:
    """Where runs are recorded: an explicit address, else ``MLFLOW_TRACKING_URI``, else SQLite in the results folder."""
    return explicit or os.environ.get("MLFLOW_TRACKING_URI") or f"{local.PREFIX}{paths.results() / 'mlflow.db'}"


def artifact_root() -> Path:
    """Folder of the artifacts of a local MLflow."""
    return paths.results() / "mlartifacts"


def without_password(uri: str) -> str:
    """An address that may be printed."""
    parts = urllib.parse.urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":***@") if parts.password else uri


def check(uri: str) -> None:
    """Find out within seconds, before mlflow is imported, whether an address can be used.

    Raises
    ------
    TrackingUnavailable
        If the file cannot be written, or nothing listens at the address.
    """
    path = local.database(uri)
    try:
        if path is not None:
            _open(path)
        elif uri.startswith(("http://", "https://")):
            _ask(uri)
        else:
            _knock(uri)
    except (OSError, sqlite3.Error) as error:
        raise TrackingUnavailable(uri, getattr(error, "reason", None) or error) from error


@contextlib.contextmanager
def client(uri: str) -> Iterator["MlflowClient"]:
    """A client of the address, silent and without telemetry.

    Raises
    ------
    TrackingUnavailable
        For anything that MLflow refuses while the client is in use.
    """
    hush()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with local.light_commits():
            yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingUnavailable(uri, error) from error


def hush() -> None:
    """Import mlflow without telemetry, retries of minutes and chatter; all are read when it is imported."""
    os.environ.update(FORCED)
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _open(path: Path) -> None:
    """MLflow's migrations of a new database are not atomic, so they run under another name."""
    if not path.is_file() or not path.stat().st_size:
        with local.made_whole(path) as new:
            schema.lay_out(new)
            with client(f"{local.PREFIX}{new}"):
                pass
    local.prepare(path)


def _ask(uri: str) -> None:
    """Any answer counts, a refusal too: a proxy may well not know the health page.

    So it is asked without the user and password of the address, which urllib would take for a part of the host.
    """
    parts = urllib.parse.urlsplit(uri)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"{bare.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER).close()


def _knock(uri: str) -> None:
    parts = urllib.parse.urlsplit(uri)
    port = parts.port or PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname and port:
        socket.create_connection((parts.hostname, port), timeout=SECONDS_TO_ANSWER).close()
