"""Single images with their truth, their prediction and their cluster: wrong ones first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbench.pictures import _heads, _images
from backbench.pictures.source import Source
from backbench.plots import Data, Picture
from backbench.wording import shorten

if TYPE_CHECKING:
    import numpy as np

    from backbench.plots.grid import Section, Tile

TITLE = "Single images: truth, prediction and cluster"
WITHOUT_CLUSTER, WITHOUT_PREDICTION = "Single images: truth and prediction", "Single images: truth and cluster"
CATEGORY = "Classification"
SUBJECTS = ("classification", "clustering")
ORDER = 30
COUNT, COLUMNS, TILE = 20, 5, 1.25
LIMIT, FILE_LIMIT = 18, 24


@dataclass(frozen=True)
class _Judged:
    """Rows (m,) with an answer, the answers (m,) (a class, -1: none), and whether a classifier gave them."""

    rows: "np.ndarray"
    answers: "np.ndarray"
    predicted: bool


def lacks(source: Source) -> str | None:
    """Why there is nothing to compare with the truth."""
    if not source.names:
        return _heads.NO_CLASSES
    reason = _images.missing(source)
    if reason is None and _heads.unclustered(source):
        return _heads.unclassified(source)
    return reason


def draw(source: Source) -> Picture:
    """Twenty images, half of them wrong and half right where there are enough."""
    import numpy as np

    from backbench.plots import grid

    judged = _predicted(source) if _heads.unclassified(source) is None else _clustered(source)
    truth = source.truth[judged.rows]
    wrong, right = np.flatnonzero(judged.answers != truth), np.flatnonzero(judged.answers == truth)
    half = max(COUNT // 2, COUNT - len(right))
    pairs = truth[wrong].astype(np.int64) * (len(source.names) + 1) + judged.answers[wrong]
    first = wrong[_images.in_turn(pairs, half, largest_first=True)]
    second = right[_images.in_turn(truth[right], COUNT - len(first))]
    sections = [*_section(source, judged, first, len(wrong)), *_section(source, judged, second, len(right))]
    heading = source.heading(_title(source, judged), _about(source, judged))
    data = _data(source, judged, np.concatenate([first, second]))
    return grid.draw(heading, sections, data, _caption(judged), TILE)


def _predicted(source: Source) -> _Judged:
    import numpy as np

    from backbench.datasets import TEST

    rows = np.flatnonzero(source.split == TEST)
    return _Judged(rows, source.predictions[rows], True)


def _clustered(source: Source) -> _Judged:
    """The most frequent class of each cluster; no answer for noise."""
    import numpy as np

    from backbench.metrics.labels import OUTSIDE

    labels = _heads.reported(source)
    rows = np.flatnonzero(labels != OUTSIDE)
    counts = np.zeros((max(labels.max() + 1, 1), len(source.names)), dtype=np.int64)
    inside = labels >= 0
    np.add.at(counts, (labels[inside], source.truth[inside]), 1)
    return _Judged(rows, np.where(labels[rows] >= 0, counts.argmax(axis=1)[labels[rows]], -1), False)


def _section(source: Source, judged: _Judged, places: "np.ndarray", count: int) -> Iterator["Section"]:
    """Strips of the images at `places` (m,), which are some of `count`."""
    from backbench.plots.grid import Section, Strip

    if not len(places):
        return
    right = bool(judged.answers[places[0]] == source.truth[judged.rows[places[0]]])
    images = source.shown(judged.rows[places])
    tiles = [_tile(source, judged, place, image, right) for place, image in zip(places, images, strict=True)]
    strips = [Strip([tiles[first : first + COLUMNS]]) for first in range(0, len(tiles), COLUMNS)]
    word, drawn = ("right", "drawn at random") if right else ("wrong", "the most frequent confusions first")
    title = f"{word.capitalize()}: {count:,} of {len(judged.rows):,} images; {len(places)} of them, {drawn}"
    yield Section(strips, [("", COLUMNS)], title)


def _tile(source: Source, judged: _Judged, place: int, image: "np.ndarray", right: bool) -> "Tile":
    """The image (h, w, ...) at a place with its names."""
    from backbench.plots.grid import Tile

    names = _images.class_names(source, LIMIT)
    row, answer = judged.rows[place], judged.answers[place]
    word = "pred.: " if judged.predicted else "mostly: "
    lines = [f"truth: {names[source.truth[row]]}"] + ([f"{word}{names[answer]}"] if answer >= 0 else [])
    if _heads.missing(source, _heads.CLUSTERING) is None:
        lines.append(f"cluster: {_cluster(source, row)}")
    if source.info("dataset").get("files"):
        lines.append(shorten(_images.file_name(source, row), FILE_LIMIT))
    return Tile(image, tuple(lines), right)


def _cluster(source: Source, row: int) -> str:
    label = int(source.labels[row])
    return {-1: "noise", -2: "none"}.get(label, str(label))


def _title(source: Source, judged: _Judged) -> str:
    if not judged.predicted:
        return WITHOUT_PREDICTION
    return WITHOUT_CLUSTER if _heads.missing(source, _heads.CLUSTERING) else TITLE


def _about(source: Source, judged: _Judged) -> str:
    return _heads.tested(source) if judged.predicted else _heads.of_rows(source)


def _data(source: Source, judged: _Judged, places: "np.ndarray") -> Data:
    """Number, truth and answer of the images at `places` (m,)."""
    rows = judged.rows[places]
    answers = [source.names[answer] if answer >= 0 else "" for answer in judged.answers[places]]
    columns: Data = {"image": rows.tolist(), "prediction" if judged.predicted else "cluster_class": answers}
    if _heads.missing(source, _heads.CLUSTERING) is None:
        columns["cluster"] = source.labels[rows].tolist()
    columns["right"] = (judged.answers[places] == source.truth[rows]).tolist()
    return columns | _images.columns(source, rows.tolist())


def _caption(judged: _Judged) -> str:
    drawn = "Wrong images take turns among the pairs of classes confused most often, right ones among the classes."
    if judged.predicted:
        return f"Test images with their true class, predicted class and cluster. {drawn}"
    return (
        "Images with their true class and the majority class of their cluster; they are right where the two agree, and "
        f"noise is wrong. {drawn}"
    )
