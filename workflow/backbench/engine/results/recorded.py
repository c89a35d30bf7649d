"""What the records behind some rows say together, each stage result once."""

from collections.abc import Iterable, Mapping
from typing import Any

from backbench.engine.results.joined_run import Row


def records(rows: Iterable[Row]) -> dict[str, Mapping[str, Any]]:
    """The records of all stages of the rows, by hash in the order of the chain."""
    return {member: row.records[member] for row in rows for member in row.members if member in row.records}


def versions(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Library to the versions that made the results, both in order."""
    known: dict[str, set[str]] = {}
    for record in records(rows).values():
        for name, version in record["provenance"].get("versions", {}).items():
            known.setdefault(name, set()).add(version)
    return {name: sorted(values) for name, values in sorted(known.items())}


def values(rows: Iterable[Row], key: str) -> list[str]:
    """The values that a key of the provenance has in the records, as text in order."""
    known = (record["provenance"].get(key) for record in records(rows).values())
    return sorted({str(value) for value in known if value is not None})
