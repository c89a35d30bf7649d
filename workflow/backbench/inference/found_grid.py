"""The picture of a search: each query and the images found for it, drawn as in the picture of the retrieval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.images import decoding
from backbench.inference.searching import Answer, Hit, Searcher
from backbench.wording import shorten

if TYPE_CHECKING:
    import numpy as np

    from backbench.plots.grid import Section, Strip

TITLE = "Queries and the images found for them"
# Pixels of the longer side of a query, characters of a caption, and images found for each query that are drawn.
SIDE, LIMIT, MOST = 180, 13, 10


def png(searcher: Searcher, answers: Sequence[Answer]) -> bytes:
    """The picture as a PNG file; queries without an answer are left out.

    Raises
    ------
    ValueError
        If no query has an answer.
    """
    from backbench.plots import _files, grid

    shown = [answer for answer in answers if answer.hits]
    if not shown:
        raise ValueError("no query has an answer")
    rows = sorted({hit.row for answer in shown for hit in answer.hits[:MOST]})
    source = searcher.known.source
    images = dict(zip(rows, source.shown(rows), strict=True))
    spaces = (searcher.words if answer.of_text else searcher.images for answer in shown)
    measures = " and ".join(dict.fromkeys(f"score: {space.measure}" for space in spaces))
    sections = [_section(part, images) for of_text in (False, True) if (part := _of(shown, of_text))]
    caption = "Each query and the images found for it, the most similar first, with their scores."
    return _files.png(grid.draw(source.heading(TITLE, measures), sections, {}, caption))


def _of(answers: Sequence[Answer], of_text: bool) -> list[Answer]:
    return [answer for answer in answers if answer.of_text is of_text]


def _section(answers: Sequence[Answer], images: "Mapping[int, np.ndarray]") -> "Section":
    """Texts or images as queries, with the images (h, w, ...) found for them by their numbers."""
    from backbench.plots.grid import Section

    wide = min(MOST, max(len(answer.hits) for answer in answers))
    name = f"its {wide} most similar, the most similar first"
    groups = [(name, wide)] if answers[0].of_text else [("query", 1), (name, wide)]
    return Section([_strip(answer, images) for answer in answers], groups, noun="more queries")


def _strip(answer: Answer, images: "Mapping[int, np.ndarray]") -> "Strip":
    """One query with the images (h, w, ...) found for it by their numbers."""
    from backbench.plots.grid import Strip, Tile

    tiles = [Tile(images[hit.row], _caption(hit)) for hit in answer.hits[:MOST]]
    if answer.of_text:
        return Strip([tiles], title=answer.query)
    asked = Tile(_thumbnail(Path(answer.query)), (shorten(Path(answer.query).name, LIMIT),))
    return Strip([[asked], tiles])


def _caption(hit: Hit) -> tuple[str, ...]:
    return shorten(hit.label or Path(hit.name).name, LIMIT), f"{hit.score:.3f}"


def _thumbnail(path: Path) -> "np.ndarray":
    """A query as a small image (h, w, 3) uint8 in its own proportions; grey where its file is gone meanwhile."""
    import numpy as np

    try:
        with decoding.decode_each(path, None, [SIDE]) as (decoded,):
            scale = min(1.0, SIDE / max(decoded.sides))
            width, height = (max(1, round(side * scale)) for side in decoded.sides)
            return np.asarray(decoded.image.convert("RGB").resize((width, height), box=decoded.box))
    except (OSError, decoding.Unreadable):
        return np.full((SIDE, SIDE, 3), 128, np.uint8)
