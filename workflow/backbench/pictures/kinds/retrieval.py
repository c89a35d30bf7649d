"""Queries and the images found for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbench.pictures import _heads, _images
from backbench.pictures.source import Source
from backbench.plots import Data, Picture

if TYPE_CHECKING:
    import numpy as np

    from backbench.plots.grid import Section, Strip

TITLE = "Queries and their nearest images"
CATEGORY = "Retrieval"
SUBJECTS = ("retrieval",)
ORDER = 10
HEAD = "retrieval"
COUNT, NEAREST = 12, 10
# With as many classes as `EACH` or fewer, each has a query; with more, so many are drawn.
EACH, FEW = 10, 8
LIMIT = 13
PROTOCOLS = {
    "leave_one_out": "each image against all others",
    "test_against_train": "test images against the training images",
}


@dataclass(frozen=True)
class _Answers:
    """The first neighbours of every query, (queries, at most 10), and which are right, where there are classes.

    `typical` (m,) and `worst` (l,) are the places of the queries that are shown.
    """

    nearest: "np.ndarray"
    right: "np.ndarray | None"
    typical: "np.ndarray"
    worst: "np.ndarray"

    @property
    def precision(self) -> "np.ndarray":
        """The share of right neighbours of each query, (queries,), where there are classes."""
        assert self.right is not None
        return self.right.mean(axis=1)


def lacks(source: Source) -> str | None:
    """Why there is nothing to show."""
    reason = _images.missing(source) or _heads.missing(source, HEAD)
    if reason:
        return reason
    if not source.info(HEAD).get("queries", 1):
        return "there are no queries: the test split is empty"
    return None if source.info(HEAD).get("neighbours", 1) else "there are no images to retrieve"


def draw(source: Source) -> Picture:
    """Twelve queries with ten neighbours each; with classes, some queries of each class, then the worst."""
    from backbench.plots import grid

    answers = _answers(source)
    sections = [*_typical(source, answers), *_worst(source, answers)]
    metric, protocol = (source.row.params[f"{HEAD}.{name}"] for name in ("metric", "protocol"))
    heading = source.heading(TITLE, f"{PROTOCOLS.get(protocol, protocol)}, {metric} distance")
    return grid.draw(heading, sections, _data(source, answers), _caption(source, answers))


def _answers(source: Source) -> _Answers:
    import numpy as np

    nearest = source.neighbours[:, :NEAREST]
    if not source.names:
        drawn = np.random.default_rng(_images.SEED).permutation(len(nearest))[:COUNT]
        return _Answers(nearest, None, np.sort(drawn), drawn[:0])
    truth = source.truth[source.queries]
    right = source.truth[nearest] == truth[:, None]
    classes = len(np.unique(truth))
    typical = _images.in_turn(truth, max(classes, 6) if classes <= EACH else FEW)
    worst = _lowest(right.mean(axis=1), truth, typical)
    return _Answers(nearest, right, typical[np.lexsort((typical, truth[typical]))], worst)


def _lowest(precision: "np.ndarray", truth: "np.ndarray", taken: "np.ndarray") -> "np.ndarray":
    """Places (l,) of the queries with the lowest precision (queries,) that are not `taken` (m,).

    Of equal ones, those of as many classes in `truth` (queries,) as there are.
    """
    import numpy as np

    left = np.setdiff1d(np.arange(len(truth)), taken)
    lowest = np.empty(0, dtype=np.int64)
    for value in np.unique(precision[left]):
        equal = left[precision[left] == value]
        drawn = _images.in_turn(truth[equal], COUNT - len(taken) - len(lowest), largest_first=True)
        lowest = np.concatenate([lowest, equal[drawn]])
    return lowest


def _typical(source: Source, answers: _Answers) -> Iterator["Section"]:
    yield _section(source, answers, answers.typical, f"Queries drawn at random{_of_classes(source, answers)}")


def _of_classes(source: Source, answers: _Answers) -> str:
    """How the random queries are spread over the classes."""
    import numpy as np

    if answers.right is None:
        return ""
    drawn, classes = (len(np.unique(source.truth[rows])) for rows in (source.queries[answers.typical], source.queries))
    if drawn < classes:
        return f", one each of {drawn} of {classes} classes"
    return ", one of each class" if len(answers.typical) == classes else ", some of each class"


def _worst(source: Source, answers: _Answers) -> Iterator["Section"]:
    if len(answers.worst):
        least = answers.precision.min()
        count = int((answers.precision == least).sum())
        all_wrong = "no right neighbour" if least == 0 else f"a precision of {least:.2f}"
        title = f"The worst queries ({count:,} of {len(answers.precision):,} have {all_wrong})"
        yield _section(source, answers, answers.worst, title)


def _section(source: Source, answers: _Answers, places: "np.ndarray", title: str) -> "Section":
    """The queries at `places` (m,) with their neighbours."""
    from backbench.plots.grid import Section

    wide = answers.nearest.shape[1]
    groups = [("query", 1), (f"its {wide} nearest, nearest first", wide)]
    return Section([_strip(source, answers, place) for place in places], groups, title)


def _strip(source: Source, answers: _Answers, place: int) -> "Strip":
    from backbench.plots.grid import Strip, Tile

    query, nearest = source.queries[place], answers.nearest[place]
    texts = [(text,) for text in _images.captions(source, [query, *nearest], LIMIT)]
    marks = [None] * len(nearest) if answers.right is None else [bool(right) for right in answers.right[place]]
    asked, *images = source.shown([query, *nearest])
    tiles = [Tile(*tile) for tile in zip(images, texts[1:], marks, strict=True)]
    note = () if answers.right is None else (f"{answers.precision[place]:.2f}", f"precision@{len(nearest)}")
    return Strip([[Tile(asked, texts[0])], tiles], note=note)


def _data(source: Source, answers: _Answers) -> Data:
    shown = [("random", place) for place in answers.typical] + [("worst", place) for place in answers.worst]
    listed = [(drawn, place, rank) for drawn, place in shown for rank in range(answers.nearest.shape[1])]
    queries = [int(source.queries[place]) for _, place, _ in listed]
    data: Data = {
        "query": queries,
        **{f"query_{name}": values for name, values in _images.columns(source, queries).items()},
        "drawn": [drawn for drawn, _, _ in listed],
        "rank": [rank + 1 for _, _, rank in listed],
        "image": [int(answers.nearest[place, rank]) for _, place, rank in listed],
    }
    data |= _images.columns(source, data["image"])
    if answers.right is not None:
        data["right"] = [bool(answers.right[place, rank]) for _, place, rank in listed]
        data["precision"] = [float(answers.precision[place]) for _, place, _ in listed]
    return data


def _caption(source: Source, answers: _Answers) -> str:
    wide = answers.nearest.shape[1]
    parts = [f"Queries on the left, the {wide} images retrieved for each on the right, nearest first."]
    if answers.right is not None:
        parts.append(
            "A check marks those of the query's class, a cross the others; precision is the share of right ones, on "
            f"average {answers.precision.mean():.3f} over all {len(answers.precision):,} queries."
        )
    if wide < NEAREST:
        parts.append(source.info(HEAD).get("fewer", f"{wide} neighbours of each query are stored."))
    return " ".join(parts)
