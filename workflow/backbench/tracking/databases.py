"""Databases that are written to directly: their drivers, and what PostgreSQL knows of sessions (no mlflow).

MLflow makes its tables in several transactions, so two processes that open an empty database collide: on PostgreSQL an
advisory lock keeps them apart. PostgreSQL ends a session as soon as its process is killed, and after a minute where the
machine is gone: by that others learn at once that a writer is dead.
"""

import contextlib
import logging
import select
import sqlite3
import time
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backbench.tracking import people

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
POSTGRESQL = "postgresql"
# "backbenc" as a number.
FIRST_START = 0x6261636B62656E63
POLL_SECONDS = 0.2
# PostgreSQL notices within a minute that a machine is gone.
KEEPALIVES = {"tcp_keepalives_idle": 15, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 4}
# The start of a session, the same text in every time zone of a client.
START = "extract(epoch FROM backend_start)::text"
# PostgreSQL cuts names here.
NAME_BYTES = 63

Key = tuple[int, str]


class DriverMissing(OSError):
    """The package that connects to a database is not installed, or there is none."""


def kind(uri: str) -> str:
    """Which database an address names: a key of `PORTS`, or an empty text for a file or a server of MLflow's."""
    name = urllib.parse.urlsplit(uri).scheme.partition("+")[0]
    return name if name in PORTS else ""


def check_driver(uri: str) -> None:
    """Find out whether the database of an address can be connected to.

    Raises
    ------
    DriverMissing
        With what to install, or to write instead.
    """
    scheme = urllib.parse.urlsplit(uri).scheme
    if scheme == "postgres":
        raise DriverMissing("the address begins with postgres://; write postgresql:// instead")
    if not kind(uri):
        return
    from sqlalchemy import make_url
    from sqlalchemy.exc import NoSuchModuleError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except NoSuchModuleError as error:
        raise DriverMissing(f"the address begins with {scheme}://, which names no known driver") from error
    except ImportError as error:
        package = '"backbench[postgres]"' if scheme == POSTGRESQL else str(error.name)
        raise DriverMissing(f"the driver {error.name} is not installed: pip install {package}") from error


class Session:
    """A connection to PostgreSQL that ends with its process, and the sessions of others.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        If PostgreSQL refuses the connection.
    """

    def __init__(self, uri: str):
        self.engine = _engine(uri)
        self.connection = self.engine.connect()
        name = people.name(people.here())
        settings = {"application_name": name.encode()[:NAME_BYTES].decode(errors="ignore"), **KEEPALIVES}
        for setting, value in settings.items():
            self._ask("SELECT set_config(:setting, :value, false)", setting=setting, value=str(value))
        pid, start = self._ask(f"SELECT pid, {START} FROM pg_stat_activity WHERE pid = pg_backend_pid()")[0]
        self.key: Key = (int(pid), str(start))

    def lives(self) -> bool:
        """Whether the connection still is: PostgreSQL says something on an idle one as it ends it, and hardly else."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return self._is_silent() or bool(self._ask("SELECT 1"))
        except SQLAlchemyError:
            return False

    def _is_silent(self) -> bool:
        """Whether nothing has come in, as far as the driver has a file for that."""
        if self.connection.invalidated:
            return False
        driver: Any = self.connection.connection.dbapi_connection
        return hasattr(driver, "fileno") and not select.select([driver], [], [], 0)[0]

    def lists(self, key: Key) -> bool:
        """Whether a session is there; who is another user may not see its start, and goes by the number alone."""
        here = f"SELECT 1 FROM pg_stat_activity WHERE pid = :pid AND coalesce({START}, :start) = :start"
        return bool(self._ask(here, pid=key[0], start=key[1]))

    def locked(self) -> bool:
        """Take the lock of the first start, if it is free."""
        return bool(self._ask("SELECT pg_try_advisory_lock(:key)", key=FIRST_START)[0][0])

    def holder(self) -> str:
        """Who holds the lock of the first start."""
        text = """SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
                  WHERE locktype = 'advisory' AND granted AND classid::bigint = :high AND objid::bigint = :low"""
        names = self._ask(text, high=FIRST_START >> 32, low=FIRST_START & 0xFFFFFFFF)
        return str(names[0][0]) if names else "another process"

    def close(self) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        with contextlib.suppress(SQLAlchemyError):
            self.connection.close()
        self.engine.dispose()

    def _ask(self, sql: str, **values: Any) -> list[Any]:
        from sqlalchemy import text

        return list(self.connection.execute(text(sql), values).all())


def session(uri: str) -> Session | None:
    """A session of a PostgreSQL database; None for all else."""
    return Session(uri) if kind(uri) == POSTGRESQL else None


@contextlib.contextmanager
def first_start(uri: str) -> Iterator[None]:
    """Let one process at a time open a PostgreSQL database, which makes MLflow's tables where there are none."""
    ours = session(uri)
    if ours is None:
        yield
        return
    waiting = False
    with contextlib.closing(ours):
        while not ours.locked():
            if not waiting:
                log.warning("%s is opening the database; waiting for it", ours.holder())
            waiting = True
            time.sleep(POLL_SECONDS)
        yield


def has_tables(uri: str) -> bool:
    """Whether MLflow's tables are in a database, as far as it can be seen: in PostgreSQL only."""
    if kind(uri) != POSTGRESQL:
        return False
    with contextlib.closing(Session(uri)) as ours:
        return bool(ours._ask("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"))


@contextlib.contextmanager
def light_commits() -> Iterator[None]:
    """Let connections to SQLite and PostgreSQL that are opened meanwhile commit without waiting for the disk.

    A power cut may lose the last runs and never damages the database; the next `track` writes them again.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=NORMAL")
        elif type(connection).__module__.partition(".")[0] in ("psycopg2", "psycopg"):
            with connection.cursor() as cursor:
                cursor.execute("SET synchronous_commit = off")
            connection.commit()

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def _engine(uri: str) -> "Engine":
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(uri, poolclass=NullPool, isolation_level="AUTOCOMMIT")
