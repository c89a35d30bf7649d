"""How MLflow is reached: address, quiet client, and errors that say what to do."""

import contextlib
import http.client
import logging
import os
import re
import socket
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import paths, settings
from backbench.tracking import databases, local, schema

if TYPE_CHECKING:
    from mlflow import MlflowClient

SECONDS_TO_ANSWER = 5
FORCED = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
# A password among the options of a database's address.
IN_QUERY = re.compile(r"(?i)([?&](?:ssl)?password=)[^&]*")
# What SQLAlchemy adds to the reason of a database.
ABOUT_SQL = re.compile(r"\n(?:\[SQL:|\(Background on this error)")
# Where MLflow looks for the folder of an experiment that names none, such as the one that every database has.
DEFAULT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"


class TrackingUnavailable(RuntimeError):
    """MLflow did not answer or refused; no result is lost, and tracking can be repeated at any time."""

    def __init__(self, uri: str, why: object):
        super().__init__(
            f"MLflow at {without_password(uri)} cannot be used: {ABOUT_SQL.split(str(why))[0].strip()}\n"
            "No result is lost. When it answers again, `backbench track` records what is missing."
        )


def address(explicit: str | None = None) -> str:
    """Where runs are recorded: an explicit address, else ``MLFLOW_TRACKING_URI``, else SQLite in the results folder."""
    return explicit or os.environ.get("MLFLOW_TRACKING_URI") or f"{local.PREFIX}{paths.results() / 'mlflow.db'}"


def artifact_root() -> Path:
    """Folder of the artifacts of this results folder."""
    return paths.results() / "mlartifacts"


def artifact_place() -> str:
    """Address of the folder of artifacts of a database: the one that a team shares, else that of the results folder."""
    return shared_root() or artifact_root().absolute().as_uri()


def shared_root() -> str:
    """Address of the folder of artifacts that a team shares (``MLFLOW_DEFAULT_ARTIFACT_ROOT``); empty if there is none.

    Raises
    ------
    ConfigError
        For a path that is not absolute.
    """
    return settings.artifact_root(os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT") or None) or ""


def is_server(uri: str) -> bool:
    """Whether an address is one of a server of MLflow's, which places artifacts itself."""
    return local.database(uri) is None and not databases.kind(uri)


def without_password(uri: str) -> str:
    """An address that may be printed."""
    try:
        password = urllib.parse.urlsplit(uri).password
    except ValueError:
        password = None
    shown = uri.replace(f":{password}@", ":***@") if password else uri
    return IN_QUERY.sub(r"\1***", shown)


def check(uri: str) -> None:
    """Find out within seconds, before mlflow is imported, whether an address can be used.

    Raises
    ------
    TrackingUnavailable
        If the file cannot be written, nothing listens at the address, or the driver of the database is not installed.
    """
    path = local.database(uri)
    try:
        if path is not None:
            _open(path)
        elif uri.startswith(("http://", "https://")):
            _ask(uri)
        else:
            databases.check_driver(uri)
            _knock(uri)
    except (OSError, sqlite3.Error, ValueError, http.client.HTTPException) as error:
        raise TrackingUnavailable(uri, getattr(error, "reason", None) or error) from error


def prepare(uri: str) -> None:
    """Make MLflow's tables in an empty database, one process at a time; MLflow's server would not wait for others.

    Raises
    ------
    TrackingUnavailable
        If the database cannot be used.
    """
    from sqlalchemy.exc import SQLAlchemyError

    check(uri)
    try:
        ready = databases.has_tables(uri)
    except SQLAlchemyError as error:
        raise TrackingUnavailable(uri, getattr(error, "orig", None) or error) from error
    if not ready:
        with client(uri):
            pass


@contextlib.contextmanager
def client(uri: str, place: str = "") -> Iterator["MlflowClient"]:
    """A client of the address, silent and without telemetry. A database that it makes keeps artifacts at `place`.

    Raises
    ------
    TrackingUnavailable
        For anything that MLflow refuses while the client is in use.
    """
    hush()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with databases.light_commits():
            yield _opened(uri, place)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingUnavailable(uri, getattr(error, "orig", None) or error) from error


def _opened(uri: str, place: str) -> "MlflowClient":
    from mlflow import MlflowClient

    with databases.first_start(uri), _default_root(place or artifact_root().as_uri()):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextlib.contextmanager
def _default_root(place: str) -> Iterator[None]:
    """Keep MLflow from naming ``./mlruns`` in a database that it makes."""
    before = os.environ.get(DEFAULT_ROOT)
    os.environ[DEFAULT_ROOT] = before or place
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(DEFAULT_ROOT)


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
    port = parts.port or databases.PORTS.get(databases.kind(uri))
    if parts.hostname and port:
        socket.create_connection((parts.hostname, port), timeout=SECONDS_TO_ANSWER).close()
