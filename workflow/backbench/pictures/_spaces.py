"""Feature spaces of a sweep as its pictures name them, and the few of them that a picture has room for."""

import math
from collections.abc import Iterable, Sequence

from backbench import hashing
from backbench.engine.results.joined_run import Row
from backbench.evaluate import candidates, configurations
from backbench.evaluate.candidates import Representation
from backbench.metrics import catalogue

EXTERNAL = catalogue.main("clustering")


def clustered(rows: Iterable[Row]) -> list[Representation]:
    """The feature spaces that have clusterings."""
    return [space for space in candidates.representations(rows) if space.candidates]


def labelled(spaces: Iterable[Representation]) -> bool:
    """Whether some clustering was compared with classes."""
    return any(not math.isnan(candidate.value(EXTERNAL)) for space in spaces for candidate in space.candidates)


def few(spaces: Sequence[Representation], most: int) -> tuple[list[Representation], str]:
    """At most `most` feature spaces in their order, and a sentence where some were left out.

    With classes, those whose best clustering agrees most with them; without, the first by name, since nothing measured
    within a space says that it is better than another.
    """
    if len(spaces) <= most:
        return list(spaces), ""
    if not labelled(spaces):
        return list(spaces[:most]), first_by_name(most, len(spaces))
    best = sorted(range(len(spaces)), key=lambda at: (-top(spaces[at]), at))[:most]
    words = f" Shown are the {most} of {len(spaces)} feature spaces with the best {catalogue.metric(EXTERNAL).title}."
    return [spaces[at] for at in sorted(best)], words


def first_by_name(shown: int, total: int) -> str:
    """A sentence where not all feature spaces are shown."""
    return f" Shown are the first {shown} of {total} feature spaces by name." if shown < total else ""


def estimated(spaces: Iterable[Representation]) -> str:
    """A sentence where silhouettes are estimates from a sample."""
    some = any(candidate.estimated(catalogue.UNLABELLED) for space in spaces for candidate in space.candidates)
    return " Silhouettes are estimates from a sample of the images." if some else ""


def top(space: Representation) -> float:
    """The best agreement of a clustering in a feature space with the classes; -1 where there is none."""
    return max(
        (value for candidate in space.candidates if not math.isnan(value := candidate.value(EXTERNAL))), default=-1.0
    )


def matrix(row: Row, head: str) -> str:
    """Hash of the matrix that a task worked on; of one that is fitted on each split anew, that of the first split."""
    return configurations.space(row, head)


def titles(rows: Iterable[Row], head: str) -> dict[str, str]:
    """Name of each feature space that a task worked on: backbone, chain, and what distinguishes it from namesakes."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(matrix(row, head), row)
    plain = {key: title_of(row, head) for key, row in first.items()}
    named = {}
    for key, row in first.items():
        same = [first[other].params for other, title in plain.items() if title == plain[key]]
        extra = [key for key in row.params if key.startswith("backbone.") and len({str(p.get(key)) for p in same}) > 1]
        words = [plain[key], *(f"{key.removeprefix('backbone.')}={row.params[key]}" for key in extra)]
        named[key] = " ".join(words)
    double = {title for title in named.values() if list(named.values()).count(title) > 1}
    return {key: f"{title} {hashing.short(key)[:6]}" if title in double else title for key, title in named.items()}


def title_of(row: Row, head: str) -> str:
    """Backbone and chain of the feature space that a task worked on."""
    chain = row.chain(head)
    return str(row.params["backbone.name"]) + ("" if chain == "none" else f", {chain}")
