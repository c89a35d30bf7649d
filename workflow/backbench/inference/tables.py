"""Predictions as rows of tables: CSV, JSON lines, and columns for a terminal.

Each writer takes the predictions one by one, so that a table of any length needs no memory.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from backbench.inference.classifying import PROBABILITIES
from backbench.inference.model import CLASSIFICATION, CLUSTERING, NEIGHBOURS, Model
from backbench.inference.predicting import Prediction
from backbench.wording import ELLIPSIS, brief

TABLE, CSV, JSONL = "table", "csv", "jsonl"
FORMATS = (TABLE, CSV, JSONL)
NOISE = "noise"
# Characters of the columns of a table for people.
PATH, CLASS, CLUSTER, NEAREST, REASON, LEAST = 44, 24, 20, 30, 100, 8
DIGITS = 7


class Writer(Protocol):
    """What makes text of predictions."""

    def head(self) -> str:
        """What comes before the first; may be empty."""

    def line(self, prediction: Prediction, name: str) -> str:
        """The line of one image, which is called `name`."""


@dataclass(frozen=True)
class Shown:
    """What a table shows: the model with its tasks, how many nearest images, whether the scores of all classes.

    `names` are those that a person gave to the clusters, by their numbers.
    """

    model: Model
    count: int
    scores: bool = False
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def score(self) -> str:
        """The title of the column beside the class: probability, or score where the classifier gives none."""
        return "probability" if self.model.kind == PROBABILITIES else "score"

    def cluster(self, number: int | None) -> str:
        """A cluster by its name, or else its number."""
        if number is None:
            return ""
        return NOISE if number < 0 else self.names.get(number, str(number))


def writer(format: str, shown: Shown, widest: int = PATH) -> Writer:
    """The writer of a format in `FORMATS`; `widest` is the length of the longest name."""
    made: dict[str, Writer] = {CSV: Rows(shown), JSONL: Lines(shown), TABLE: Columns(shown, widest)}
    return made[format]


@dataclass(frozen=True)
class Rows:
    """Comma-separated values; a cell is empty where the run says nothing."""

    shown: Shown

    def head(self) -> str:
        """The titles."""
        return _row(self._titles())

    def line(self, prediction: Prediction, name: str) -> str:
        """The row of one image."""
        values = {"path": name, **_values(prediction, self.shown)}
        for place, neighbour in enumerate(prediction.neighbours):
            values |= dict(zip(_nearest(place), (neighbour.name, _finite(neighbour.distance)), strict=True))
        if self.shown.scores:
            values |= {f"{self.shown.score}: {label}": _finite(value) for label, value in prediction.scores.items()}
        return _row([values.get(title) for title in self._titles()])

    def _titles(self) -> list[str]:
        shown, model = self.shown, self.shown.model
        titles = ["path"]
        if model.does(CLASSIFICATION):
            titles += ["class", *([shown.score] if model.kind else [])]
            titles += [f"{shown.score}: {label}" for label in model.classes] if shown.scores and model.kind else []
        if model.does(CLUSTERING):
            titles += ["cluster", *(["cluster_name"] if shown.names else []), "distance_to_centre"]
        if model.does(NEIGHBOURS):
            titles += [title for place in range(shown.count) for title in _nearest(place)] + ["unlike"]
        return [*titles, "known", "reason"]


@dataclass(frozen=True)
class Lines:
    """A JSON object on each line."""

    shown: Shown

    def head(self) -> str:
        """Nothing."""
        return ""

    def line(self, prediction: Prediction, name: str) -> str:
        """The object of one image; what the run does not say is null."""
        nearest = [
            {"name": each.name, "class": each.label, "distance": _finite(each.distance)}
            for each in prediction.neighbours
        ]
        values = {"path": _text(name), **_values(prediction, self.shown, bare=True), "nearest": nearest}
        scores = {label: _finite(value) for label, value in prediction.scores.items()}
        return json.dumps({**values, "scores": scores}, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Columns:
    """Columns for people; `widest` is the length of the longest name."""

    shown: Shown
    widest: int

    def head(self) -> str:
        """The titles."""
        last = "nearest known images, with their distances"
        return self._joined(["image", "class", self.shown.score, "cluster"], last)

    def line(self, prediction: Prediction, name: str) -> str:
        """The line of one image."""
        if prediction.reason:
            return f"{_path(name, self._widths()[0])}  not read: {brief(prediction.reason, REASON)}\n"
        score = prediction.score
        notes = [", ".join(f"{brief(each.name, NEAREST)} {each.distance:.3g}" for each in prediction.neighbours)]
        notes += ["UNLIKE ANYTHING SEEN"] if prediction.unlike else []
        notes += [f"known: {prediction.part}"] if prediction.known is not None else []
        number = "" if score is None or math.isnan(score) else f"{score:.3f}"
        cells = [_path(name, self._widths()[0]), prediction.label or "", number, self.shown.cluster(prediction.cluster)]
        return self._joined(cells, "  ".join(filter(None, notes)))

    def _joined(self, cells: Sequence[str], last: str) -> str:
        parts = [_cell(cell, width) for cell, width in zip(cells, self._widths(), strict=True) if width]
        return "  ".join([*parts, last]).rstrip() + "\n"

    def _widths(self) -> list[int]:
        """Characters of the columns of names, classes, scores and clusters; 0 for one that is left out."""
        model, named = self.shown.model, max(map(len, self.shown.names.values()), default=0)
        longest = max(map(len, model.classes), default=0)
        return [
            max(min(PATH, self.widest), LEAST),
            max(min(CLASS, longest), LEAST) if model.does(CLASSIFICATION) else 0,
            len(self.shown.score) if model.kind else 0,
            max(min(CLUSTER, named), LEAST) if model.does(CLUSTERING) else 0,
        ]


def _values(prediction: Prediction, shown: Shown, bare: bool = False) -> dict[str, Any]:
    """What is said of an image, by the titles of columns; `bare` for JSON, where truth values are their own type."""
    number = prediction.cluster
    unlike: Any = prediction.unlike
    return {
        "class": prediction.label,
        shown.score: _finite(prediction.score),
        "cluster": number,
        "cluster_name": None if number is None else shown.names.get(number),
        "distance_to_centre": _finite(prediction.distance),
        "unlike": unlike if bare or unlike is None else str(unlike).lower(),
        "known": prediction.part or None,
        "reason": prediction.reason or None,
    }


def _path(name: str, width: int) -> str:
    """The end of a path, which tells files apart."""
    text = brief(name, max(len(name), 1))
    return (text if len(text) <= width else ELLIPSIS + text[1 - width :]).ljust(width)


def _cell(text: str, width: int) -> str:
    return (brief(text, width) if text else "").ljust(width)


def _nearest(place: int) -> tuple[str, str]:
    name = "nearest" if place == 0 else f"nearest_{place + 1}"
    return name, f"{name}_distance"


def _finite(value: float | None) -> float | None:
    """A number with the digits that float32 holds; None where it is undefined."""
    return None if value is None or math.isnan(value) else float(f"{value:.{DIGITS}g}")


def _text(name: str) -> str:
    """A file name as JSON can hold it: bytes that are no text are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _row(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
