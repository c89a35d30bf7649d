"""Candidates of which the validation rows choose one: the choice, and the predictions that follow from it.

A plugin brings a `Search`; this module has what all of them do alike. Of equally good candidates the first is taken.
Where there are no validation rows, one in ten training rows of each class is held back for the choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from backbench import classifiers
from backbench.classifiers import Held, Prediction

SHARE, SEED = 0.1, 0
VALIDATION, HELD_BACK = "validation images", "training images that were held back"


@dataclass(frozen=True)
class Candidates:
    """What was tried: the accuracy on the held rows by values of an option, NaN where a fit came to nothing.

    Attributes
    ----------
    option : what the values are of
    values : those that were tried, ascending
    accuracy : by the name of a series, as many numbers as there are values
    models : in the same order, fitted classifiers of scikit-learn for rows in float64
    """

    option: str
    values: Sequence[float]
    accuracy: Mapping[str, Sequence[float]]
    models: Mapping[str, Sequence[Any]]


class Search(Protocol):
    """How a plugin fits its candidates.

    `refit` says whether the chosen one is fitted again on all rows, those that chose it included.
    """

    @property
    def refit(self) -> bool: ...

    def candidates(self, rows: np.ndarray, classes: np.ndarray, held: Held) -> Candidates:
        """All candidates, fitted on rows (n, d) and classes (n,), with their accuracy on the held rows."""
        ...

    def again(self, rows: np.ndarray, classes: np.ndarray, choice: Mapping[str, Any]) -> Any:
        """The chosen candidate, fitted on rows (n, d) and classes (n,)."""
        ...


def select(
    search: Search, rows: np.ndarray, classes: np.ndarray, queries: np.ndarray, held_y: np.ndarray, teaches: bool = True
) -> Prediction:
    """The prediction for queries (q, d), of which the first have the classes `held_y` (v,), choose, and may teach."""
    held = Held(queries[: len(held_y)], held_y, teaches)
    candidate, choice = _chosen(search, rows, classes, held, VALIDATION)
    model = _final(search, candidate, choice, rows, classes, held)
    return _joined([_asked(candidate, held.rows), _asked(model, queries[len(held_y) :])], {"choice": choice})


def predict(search: Search, rows: np.ndarray, classes: np.ndarray, queries: np.ndarray) -> Prediction:
    """The prediction for queries (q, d) by what some of the rows (n, d) with their classes (n,) choose."""
    back = held_back(classes)
    held = Held(rows[back], classes[back])
    candidate, choice = _chosen(search, rows[~back], classes[~back], held, HELD_BACK)
    model = _final(search, candidate, choice, rows[~back], classes[~back], held)
    return _joined([_asked(model, queries)], {"choice": choice})


def final(search: Search, rows: np.ndarray, classes: np.ndarray, held: Held) -> Any:
    """What predicts new rows, by rows (n, d) and classes (n,); an earlier choice by the same rows is taken over."""
    on = VALIDATION
    if not len(held.rows):
        back, on = held_back(classes), HELD_BACK
        rows, classes, held = rows[~back], classes[~back], Held(rows[back], classes[back], True, held.info)
    known = held.info.get("choice")
    if known and search.refit and held.teaches:
        return _final(search, None, known, rows, classes, held)
    candidate, choice = _chosen(search, rows, classes, held, on)
    return _final(search, candidate, choice, rows, classes, held)


def held_back(classes: np.ndarray) -> np.ndarray:
    """Which rows (n,) are held back for the choice: a tenth of each class, drawn, at least one and never the last.

    Raises
    ------
    ValueError
        If no class (n,) has two rows.
    """
    back = np.zeros(len(classes), dtype=bool)
    draw = np.random.default_rng(SEED)
    for name in np.unique(classes):
        rows = np.flatnonzero(classes == name)
        if len(rows) > 1:
            back[draw.permutation(rows)[: max(1, int(SHARE * len(rows)))]] = True
    if not back.any():
        raise ValueError(
            "there are no validation images, and no class has two training images, one of which could be held back to "
            "choose by; give it validation images (dataset.split.validation=0.2) or more of each class"
        )
    return back


def _chosen(search: Search, rows: np.ndarray, classes: np.ndarray, held: Held, on: str) -> tuple[Any, dict[str, Any]]:
    """The best candidate of rows (n, d) and classes (n,), and the choice as plain JSON."""
    tried = search.candidates(rows, classes, held)
    series = list(tried.accuracy)
    accuracy = np.array([tried.accuracy[name] for name in series], dtype=np.float64)
    if np.isnan(accuracy).all():
        raise ValueError(f"no {tried.option} of {tried.values[0]:g} to {tried.values[-1]:g} leads to a finite fit")
    row, place = divmod(int(np.nanargmax(accuracy)), len(tried.values))
    choice = {
        "option": tried.option,
        "value": float(tried.values[place]),
        "series": series[row],
        "on": on,
        "rows": len(held.rows),
        "refit": search.refit and held.teaches,
        "values": [float(value) for value in tried.values],
        "accuracy": {name: _plain(values) for name, values in zip(series, accuracy, strict=True)},
        "note": " ".join(filter(None, (_note(tried.option, tried.values, place), _lost(tried, accuracy)))),
    }
    return tried.models[series[row]][place], choice


def _note(option: str, values: Sequence[float], place: int) -> str:
    """What is to be said of a choice at an end of the range, empty elsewhere."""
    if 0 < place < len(values) - 1 or len(values) == 1:
        return ""
    end, way = ("smallest", "smaller") if place == 0 else ("largest", "larger")
    return f"the best {option}, {values[place]:.3g}, is the {end} that was tried: a {way} one may be better."


def _lost(tried: Candidates, accuracy: np.ndarray) -> str:
    """What is to be said of values without an accuracy, by those of all series (series, values)."""
    lost = int(np.isnan(accuracy).sum())
    return f"{lost} of {accuracy.size} candidates came to no finite or converged fit." if lost else ""


def _plain(values: np.ndarray) -> list[float | None]:
    """Numbers (values,) as plain JSON."""
    return [None if np.isnan(value) else float(value) for value in values]


def _final(
    search: Search, candidate: Any, choice: Mapping[str, Any], rows: np.ndarray, classes: np.ndarray, held: Held
) -> Any:
    """The model for new rows: the candidate, or its refit on rows (n, d) and the held ones of known classes (n,)."""
    if not (search.refit and held.teaches):
        return candidate
    known = np.isin(held.classes, classes)
    every = np.concatenate([rows, held.rows[known]]), np.concatenate([classes, held.classes[known]])
    return search.again(*every, choice)


def _asked(model: Any, queries: np.ndarray) -> Prediction:
    """What a model says of queries (q, d)."""
    return classifiers.by_probabilities(model, queries.astype(np.float64))


def _joined(parts: Sequence[Prediction], info: Mapping[str, Any]) -> Prediction:
    """Predictions one after the other; those of no queries have no probabilities."""
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Prediction(
        np.concatenate([part.classes for part in parts]),
        info,
        np.concatenate(probabilities) if probabilities else None,
    )
