"""How long neighbour searches and scores take by their rows and columns, by `benchmarks/scaling.py`."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from backbench.cost import UNKNOWN, Cost

FILE = Path(__file__).with_name("rates.json")


def seconds(kind: str, name: str, n: int, d: int, members: int = 1) -> float:
    """Seconds of one core for one of `members` members on n rows of d columns, with its part of shared work."""
    return _costs().get((kind, name), UNKNOWN).at(n, d, None, members)


@cache
def _costs() -> dict[tuple[str, str], Cost]:
    kinds = json.loads(FILE.read_text())
    return {(kind, name): _cost(values) for kind, of_kind in kinds.items() for name, values in of_kind.items()}


def _cost(values: Mapping[str, Any]) -> Cost:
    shared = _cost(values["shared"]) if "shared" in values else None
    return Cost(values["seconds"], values["n"], values["d"], shared=shared)
