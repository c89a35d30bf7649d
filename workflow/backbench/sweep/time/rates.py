"""How long neighbour searches and scores take by the number of rows and columns, by `benchmarks/scaling.py` (layer 2)."""

import json
from functools import cache
from pathlib import Path

from backbench.cost import UNKNOWN, Cost

FILE = Path(__file__).with_name("rates.json")


def seconds(kind: str, name: str, n: int, d: int, members: int = 1) -> float:
    """Seconds of one core that one of `members` members takes on n rows of d columns, its share of common work in it."""
    return _costs().get((kind, name), UNKNOWN).at(n, d, None, members)


@cache
def _costs() -> dict[tuple[str, str], Cost]:
    kinds = json.loads(FILE.read_text())
    return {(kind, name): _cost(**values) for kind, of_kind in kinds.items() for name, values in of_kind.items()}


def _cost(seconds: float, n: float, d: float, shared: dict[str, float] | None = None) -> Cost:
    return Cost(seconds, n, d, shared=_cost(**shared) if shared else None)
