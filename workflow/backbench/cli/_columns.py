"""Small tables of words and numbers in aligned columns, or the same as CSV or JSON."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from backbench.engine.results import tables
from backbench.wording import size

GAP = "  "
SIZES, TIMES = ("bytes", "alone"), ("when", "newest")


def show(records: Sequence[Mapping[str, Any]], kind: str) -> None:
    """Print records on stdout; a ``table`` has sizes and times in words, others have bytes and seconds."""
    if kind == "json":
        print(json.dumps([dict(record) for record in records], indent=1))
    elif kind == "csv":
        print(tables.to_csv([dict(record) for record in records], list(records[0]) if records else ()), end="")
    elif records:
        print("\n".join(_aligned(records)))


def _aligned(records: Sequence[Mapping[str, Any]]) -> list[str]:
    names = list(records[0])
    lines = [names, *([_shown(name, record[name]) for name in names] for record in records)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(names))]
    right = [all(isinstance(record[name], int | float | None) for record in records) for name in names]
    cells = (
        [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, right, strict=True)
        ]
        for line in lines
    )
    return [GAP.join(line).rstrip() for line in cells]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in SIZES:
        return size(value)
    if name in TIMES:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(value))
    return f"{value:,}" if isinstance(value, int) else str(value)
