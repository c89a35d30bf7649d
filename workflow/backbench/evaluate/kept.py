"""Standings on disk, under a digest of the results that they are of and of the code that worked them out.

A file is one line with the digest of the rest, and JSON. One that is damaged counts as absent; all may be deleted at
any time.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backbench import code, hashing, paths
from backbench.evaluate.boards import Board
from backbench.evaluate.configurations import Configuration
from backbench.files import write_text
from backbench.sweep.results.ledger import Row

MODULES = tuple(f"backbench.evaluate.{name}" for name in ("standings", "measuring"))


def folder() -> Path:
    """Where they lie."""
    return paths.results() / "standings"


def key(board: Board, groups: Sequence[Configuration], there: Mapping[str, bool]) -> str:
    """Digest of all that the standings of a board depend on, this code included."""
    results = [[_result(row, board.head, there) for row in one.rows] for one in groups]
    data = groups[0].rows[0].records.get(groups[0].rows[0].stages["dataset"], {}) if groups else {}
    said = {"code": code.digest(MODULES), "board": asdict(board), "results": results, "data": _arrays(data)}
    return hashing.digest({**said, "keys": [one.key for one in groups]})


def _result(row: Row, head: str, there: Mapping[str, bool]) -> list[Any]:
    member = row.run.stages[head]
    record = row.records[member]
    metrics = {name: value if math.isfinite(value) else None for name, value in sorted(row.metrics.items())}
    return [member, record["code"], metrics, _arrays(record), there[member]]


def _arrays(record: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry["sha256"] for name, entry in sorted(record.get("arrays", {}).items())}


def read(digest: str) -> dict[str, Any] | None:
    """What was worked out, None where nothing readable is there."""
    try:
        said, text = (folder() / f"{digest}.json").read_text(encoding="utf-8").split("\n", 1)
        return json.loads(text) if said == _checksum(text) else None
    except (OSError, ValueError):
        return None


def write(digest: str, body: Mapping[str, Any]) -> None:
    """Keep it; where nothing can be written it is worked out again each time."""
    text = json.dumps(body, allow_nan=False)
    with contextlib.suppress(OSError):
        write_text(folder() / f"{digest}.json", f"{_checksum(text)}\n{text}")


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
