"""Write workflow/backbench/tracking/schema.json: the tables that the installed MLflow's migrations make in SQLite.

python scripts/write_schema.py            write the file, unless it is fresh
python scripts/write_schema.py --check    exit with 1 if the file is of another version or has other tables
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backbench.tracking import schema, service


def made() -> dict[str, Any]:
    """What the file has to hold, from a database that MLflow makes now."""
    service.hush()
    import mlflow
    import sqlalchemy
    from mlflow.store.db.utils import _initialize_tables

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        _initialize_tables(engine)
        engine.dispose()
        return {"version": mlflow.__version__, "statements": schema.statements(path)}


def fresh() -> bool:
    """Whether the file is of the installed version and makes the same tables; their parts come in any order."""
    kept, now = json.loads(schema.SCHEMA.read_text(encoding="utf-8")), made()
    return kept["version"] == now["version"] and _parts(kept["statements"]) == _parts(now["statements"])


def _parts(statements: Iterable[str]) -> set[frozenset[str]]:
    return {frozenset(line.strip("\t ,") for line in statement.splitlines()) for statement in statements}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    if not fresh():
        if check:
            return 1
        schema.SCHEMA.write_text(json.dumps(made(), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
