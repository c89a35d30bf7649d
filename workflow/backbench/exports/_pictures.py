"""Pictures of a run, drawn as `backbench plot` draws them, under the names that people look for."""

from collections.abc import Callable, Mapping, Sequence

from backbench.exports._folder import Folder
from backbench.pictures import drawing, index, ordering
from backbench.pictures.orders import Order
from backbench.pictures.source import Source

# Kinds of pictures, and what their files are called here.
NAMES = {
    "confusion": "confusion_matrix",
    "predictions": "sample_grid",
    "cluster_samples": "cluster_samples",
    "dendrogram": "dendrogram",
    "map_tsne": "map_tsne",
}


def write(source: Source, folder: Folder, cores: int, say: Callable[[str], None]) -> dict[str, str]:
    """Every picture that there can be, with its numbers as CSV; returns why others are left out, by file."""
    orders = ordering.of_run(source.row, list(NAMES), source.store)
    drawing.make(orders, cores, lambda done, total: say(f"pictures: {done} of {total}"))
    entries = index.read(orders[0].folder)
    for order in _there(orders, entries):
        for suffix in index.FILES:
            folder.copy(order.folder / entries[order.name][suffix], f"{NAMES[order.name]}.{suffix}")
    drawn = {order.name for order in _there(orders, entries)}
    return {
        f"{NAMES[order.name]}.png": _reason(entries.get(order.name, {})) for order in orders if order.name not in drawn
    }


def _there(orders: Sequence[Order], entries: Mapping[str, index.Entry]) -> list[Order]:
    return [order for order in orders if index.there(order.folder, entries.get(order.name, {}))]


def _reason(entry: index.Entry) -> str:
    return entry.get("lacks") or entry.get("failure") or "it was not drawn"
