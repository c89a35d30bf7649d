"""How long a fit takes by the number of rows, columns and clusters, by `benchmarks/scaling.py` (layer 2)."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("rates.json")
# Of a family that nobody has measured: a second at the reference size, in proportion to the numbers.
UNKNOWN = {"seconds": 1.0, "n": 1.0, "d": 1.0}
# Members of a family on a matrix that share work, where nobody says how many they are.
MEMBERS = 14


def seconds(kind: str, family: str, n: int, d: int, k: int | None = None, members: int = MEMBERS) -> float:
    """Seconds of one core that one of `members` members takes on n rows of d columns, its share of common work in it.

    `family` may name a way of working as well (``gaussian_mixture(full)``). A clustering is fitted and scored.
    """
    rate = _rates()[kind].get(family) or _rates()[kind].get(family.partition("(")[0], UNKNOWN)
    fitted = _scaled(rate, n, d, k, members)
    return fitted + (labeling(n, d, k, members) if kind == "clustering" else 0.0)


def labeling(n: int, d: int, k: int | None = None, members: int = MEMBERS) -> float:
    """Seconds of one core that it takes to score one of `members` labelings of n rows of d columns."""
    return _scaled(_rates()["metrics"]["labeling"], n, d, k, members)


def _scaled(rate: Mapping[str, Any], n: int, d: int, k: int | None, members: int) -> float:
    """A member's own work, which grows by powers of n, d and k, and its share of the common work."""
    reference = _rates()["reference"]
    alone = rate["seconds"] * (n / reference["n"]) ** rate["n"] * (d / reference["d"]) ** rate["d"]
    alone *= (k / reference["k"]) ** rate["k"] if k and rate.get("k") else 1.0
    return alone + (_scaled(rate["shared"], n, d, None, 1) / members if "shared" in rate else 0.0)


@cache
def _rates() -> dict[str, Any]:
    return json.loads(FILE.read_text())
