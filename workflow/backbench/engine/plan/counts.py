"""Numbers of clusters that suit the size of a collection: what ``k=auto`` means, once its images are counted."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from backbench import clusterers
from backbench.engine.plan import options
from backbench.engine.plan.factory import GridFactory
from backbench.engine.plan.representations import Source
from backbench.wording import counted

AUTO = "auto"
FEWEST, MOST, VALUES = 2, 50, 12
# Images in a cluster, on average, at the largest k.
ROWS_IN_EACH = 3


def spread(rows: int) -> list[int]:
    """At most 12 numbers of clusters from 2 to 50, or to a third of `rows` if that is less, geometrically spaced.

    2 is among them for any number of rows, so that a collection that is too small for it is refused as ever.

    Examples
    --------
    >>> spread(30)
    [2, 3, 4, 5, 6, 7, 8, 9, 10]
    >>> spread(600)
    [2, 3, 4, 5, 6, 9, 12, 16, 21, 28, 37, 50]
    """
    most = max(FEWEST, min(MOST, rows // ROWS_IN_EACH))
    if most - FEWEST < VALUES:
        return list(range(FEWEST, most + 1))
    step = (most / FEWEST) ** (1 / (VALUES - 1))
    return sorted({round(FEWEST * step**place) for place in range(VALUES)})


def explicit(asked: Iterable[str], cells: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The keys that were asked for by name; k is not, where its values are chosen here."""
    return frozenset(asked) - ({"k"} if any(cell.get("k") == AUTO for cell in cells) else set())


def settled(factory: GridFactory, cell: Mapping[str, Any], source: Source) -> Iterator[Mapping[str, Any]]:
    """The cells that `cell` stands for: itself, or one for each number of clusters."""
    if cell["k"] != AUTO:
        yield cell
        return
    name = options.name_of("clusterer", cell["clusterer"])
    if name == "none" or "k" not in _axes(factory, name, cell["clusterer"]):
        yield {**cell, "k": FEWEST}
        return
    values = spread(source.least(str(cell["clustering"].get("scope"))))
    items = counted(source.n, "image" if source.about.images else "row")
    factory.understand([f"k = {', '.join(map(str, values))} for {items} (k=auto; k=2,5,10 or k=2..15 asks for others)"])
    yield from ({**cell, "k": k} for k in values)


def _axes(factory: GridFactory, name: str, asked: Mapping[str, Any]) -> frozenset[str]:
    """The axes of a clusterer with the options that are asked for."""
    return clusterers.axes(clusterers.load(name), factory.once(options.clusterer, asked))
