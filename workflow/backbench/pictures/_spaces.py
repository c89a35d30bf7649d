"""Feature spaces of a sweep as its pictures name them, and the few of them that a picture has room for."""

import math
from collections.abc import Iterable, Sequence

from backbench import hashing
from backbench.evaluate import candidates
from backbench.evaluate.candidates import Representation
from backbench.metrics import catalogue
from backbench.sweep.results.ledger import Row

EXTERNAL = catalogue.main("clustering")


def clustered(rows: Iterable[Row]) -> list[Representation]:
    """The feature spaces in which something was clustered."""
    return [found for found in candidates.representations(rows) if found.candidates]


def labelled(found: Iterable[Representation]) -> bool:
    """Whether some clustering was compared with classes."""
    return any(not math.isnan(one.value(EXTERNAL)) for own in found for one in own.candidates)


def few(found: Sequence[Representation], most: int) -> tuple[list[Representation], str]:
    """At most `most` feature spaces in their order, and a sentence where some were left out.

    With classes, those with the best NMI of any clustering are kept; without, the first ones by name, since nothing
    measured in one space says that it is better than another.
    """
    if len(found) <= most:
        return list(found), ""
    if not labelled(found):
        return list(found[:most]), f" {most} of {len(found)} feature spaces are shown, the first by name."
    best = sorted(range(len(found)), key=lambda at: (-top(found[at]), at))[:most]
    words = f" {most} of {len(found)} feature spaces are shown, those with the best NMI of any clustering."
    return [found[at] for at in sorted(best)], words


def estimated(found: Iterable[Representation]) -> str:
    """A sentence where silhouettes are those of a sample."""
    some = any(one.estimated(catalogue.UNLABELLED) for own in found for one in own.candidates)
    return " Silhouettes are estimates from a sample of the images." if some else ""


def top(found: Representation) -> float:
    """The best NMI of a clustering in a feature space; -1 where there is none."""
    return max((value for one in found.candidates if not math.isnan(value := one.value(EXTERNAL))), default=-1.0)


def matrix(row: Row, head: str) -> str:
    """Hash of the matrix that a head worked on."""
    return row.plan.stages[row.run.stages[head]].parents["matrix"][1]


def titles(rows: Iterable[Row], head: str) -> dict[str, str]:
    """Name of each feature space that a head worked on: backbone, chain, and what else tells it from its namesakes."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(matrix(row, head), row)
    plain = {own: _title(row, head) for own, row in first.items()}
    found = {}
    for own, row in first.items():
        same = [first[other].params for other, title in plain.items() if title == plain[own]]
        extra = [key for key in row.params if key.startswith("backbone.") and len({str(p.get(key)) for p in same}) > 1]
        words = [plain[own], *(f"{key.removeprefix('backbone.')}={row.params[key]}" for key in extra)]
        found[own] = " ".join(words)
    double = {title for title in found.values() if list(found.values()).count(title) > 1}
    return {own: f"{title} {hashing.short(own)[:6]}" if title in double else title for own, title in found.items()}


def _title(row: Row, head: str) -> str:
    chain = row.chain(head)
    return str(row.params["backbone.name"]) + ("" if chain == "none" else f", {chain}")
