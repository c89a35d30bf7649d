"""What pictures of one run's images and training have in common: why there are none, names, and a fixed draw."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbench.store import DONE

if TYPE_CHECKING:
    import numpy as np

    from backbench.pictures.source import Source

SEED = 0


def missing(source: "Source") -> str | None:
    """Why there are no images to show."""
    if "images" not in source.row.stages:
        if source.row.params.get("dataset.name") == "embeddings":
            return "the dataset has no images"
        return "the embeddings were made elsewhere, so no images were decoded"
    record = source.row.records.get(source.row.stages["dataset"])
    return None if record and record["status"] == DONE else "the images are not read"


def untrained(source: "Source") -> str | None:
    """Why nothing is known of the training of the backbone."""
    record = source.row.records.get(source.row.stages["features"])
    if not record or record["status"] != DONE:
        return "the features are not computed"
    return None if source.row.curves else f"the backbone {source.row.params['backbone.name']} was not trained here"


def class_names(source: "Source", limit: int) -> list[str] | None:
    """Names of the classes as captions can show them."""
    from backbench.plots import _names

    return _names.legible(source.names, limit) if source.names else None


def columns(source: "Source", rows: Sequence[int]) -> dict[str, list]:
    """What the data beside a picture say of its images: class and file, full, where there are such."""
    named: dict[str, list] = {}
    if source.names:
        named["class"] = [source.names[source.truth[row]] for row in rows]
    files = source.info("dataset").get("files")
    if files:
        named["file"] = [str(files[row]) for row in rows]
    return named


def in_turn(groups: "np.ndarray", count: int, largest_first: bool = False) -> "np.ndarray":
    """Places of at most `count` items: one of each group drawn at random, then a second one of each, and so on.

    The groups come in a random order, or the largest first. The draw is the same every time.
    """
    import numpy as np

    rng = np.random.default_rng(SEED)
    drawn = rng.permutation(len(groups))
    _, number, sizes = np.unique(groups[drawn], return_inverse=True, return_counts=True)
    rank = rng.permutation(len(sizes))
    if largest_first:
        rank = np.argsort(np.lexsort((rank, -sizes)))
    by_group = np.argsort(number, kind="stable")
    turn = np.empty(len(drawn), dtype=np.int64)
    turn[by_group] = np.arange(len(drawn)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return drawn[np.lexsort((rank[number], turn))][:count]
