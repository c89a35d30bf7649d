"""How long a fit takes by the number of rows and columns, as `benchmarks/scaling.py` measured it (layer 2)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("rates.json")
# Of a family that nobody has measured: a second at the reference size, in proportion to the numbers.
UNKNOWN = {"seconds": 1.0, "n": 1.0, "d": 1.0}


def seconds(kind: str, family: str, n: int, d: int) -> float:
    """Seconds of one core that a member of a family takes on n rows of d columns, its share of what all share in it.

    A clustering is fitted and scored.
    """
    fitted = _scaled(_rates()[kind].get(family, UNKNOWN), n, d)
    return fitted + (_scaled(_rates()["metrics"]["labeling"], n, d) if kind == "clustering" else 0.0)


def _scaled(rate: dict[str, float], n: int, d: int) -> float:
    reference = _rates()["reference"]
    return rate["seconds"] * (n / reference["n"]) ** rate["n"] * (d / reference["d"]) ** rate["d"]


@cache
def _rates() -> dict[str, Any]:
    return json.loads(FILE.read_text())
