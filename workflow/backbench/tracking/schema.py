"""A new SQLite database of MLflow, as MLflow's own migrations leave it, without running them.

They take seconds and give the same tables every time; ``scripts/write_schema.py`` keeps what they give to the locked
version. Under any other version MLflow makes its database itself.
"""

import contextlib
import json
import sqlite3
from importlib.metadata import version
from pathlib import Path

SCHEMA = Path(__file__).with_suffix(".json")
LIBRARY = "mlflow"


def lay_out(path: Path, schema: Path = SCHEMA) -> bool:
    """Make the tables of the installed MLflow in a database that is not there yet; whether that could be done.

    Raises
    ------
    sqlite3.Error
        If the file cannot be written.
    """
    if not schema.is_file():
        return False
    kept = json.loads(schema.read_text(encoding="utf-8"))
    if kept["version"] != version(LIBRARY):
        return False
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("\n".join(kept["statements"]))
    return True


def statements(path: Path) -> list[str]:
    """The SQL that makes a database like the one in a file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())
