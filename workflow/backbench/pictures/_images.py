"""What pictures of the images and the training of a run share: why there are none, names, and a fixed draw."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from backbench.plots import Data
from backbench.store import DONE
from backbench.wording import shorten

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
    return None if record and record["status"] == DONE else "the images have not been read"


def untrained(source: "Source") -> str | None:
    """Why nothing is known of the training of the backbone."""
    record = source.row.records.get(source.row.stages["features"])
    if not record or record["status"] != DONE:
        return "the features have not been computed"
    return None if source.row.curves else f"the backbone {source.row.params['backbone.name']} was not trained here"


def class_names(source: "Source", limit: int) -> list[str]:
    """Names of the classes as captions can show them; empty where there are none."""
    from backbench.plots import _names

    return _names.legible(source.names, limit)


def captions(source: "Source", rows: Sequence[int], limit: int) -> list[str]:
    """The class of each of these images, or its file where there are no classes."""
    names = class_names(source, limit)
    return [names[source.truth[row]] if names else shorten(file_name(source, row), limit) for row in rows]


def file_name(source: "Source", row: int) -> str:
    """The name of an image's file without its folder, or its number where the collection is no files."""
    files = source.info("dataset").get("files")
    return PurePath(files[row]).name if files else f"image {row}"


def columns(source: "Source", rows: Sequence[int]) -> Data:
    """What the data beside a picture says of its images: class and file in full, where there are such."""
    named: Data = {}
    if source.names:
        named["class"] = [source.names[source.truth[row]] for row in rows]
    files = source.info("dataset").get("files")
    if files:
        named["file"] = [str(files[row]) for row in rows]
    return named


def in_turn(groups: "np.ndarray", count: int, largest_first: bool = False) -> "np.ndarray":
    """Places (m,) of at most `count` items of groups (n,): one of each group at random, then a second one, and so on.

    Groups come in random order, or the largest first. The draw is always the same.
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
