"""The pictures of a sweep on one page: the most important ones in it as data URIs, the others by their path."""

import base64
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backbench import hashing, paths, threads
from backbench.engine.plan.frozen import Plan
from backbench.engine.results.joined_run import Row
from backbench.pictures import drawing
from backbench.pictures.drawing import Drawn
from backbench.reports import _small
from backbench.reports._part import Part

CATEGORIES = ("Classification", "Clustering", "Maps", "Retrieval", "Training")
# Which leaderboard says how important the pictures of a category are.
HEAD = {"Classification": "classification", "Clustering": "clustering", "Maps": "clustering", "Retrieval": "retrieval"}
LAST = 1_000_000
# With less room than this no picture is tried.
LEAST = 20_000
# Bytes of a page, and those around a picture: its caption twice, its markup.
LIMIT, AROUND = 9_800_000, 1_500


@dataclass(frozen=True)
class Figure:
    """A picture with the sizes that a page needs; `run` is empty for a picture of the sweep."""

    drawn: Drawn
    run: str
    place: tuple[Any, ...]

    @property
    def path(self) -> str:
        return shown(self.drawn.png)

    @property
    def uri(self) -> str:
        """The picture as the page holds it; its file is kept, not the property: up to Python 3.11 `cached_property` has
        a lock for all figures, so that each would wait for the others."""
        return "data:image/webp;base64," + base64.b64encode(_small.webp(self.drawn.png)).decode("ascii")

    @cached_property
    def photographs(self) -> bool:
        """Whether it shows images of the collection, which look the same on a dark page."""
        return bool(_small.photographs(self.drawn.png))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in CSS pixels."""
        with self.drawn.png.open("rb") as file:
            width, height = struct.unpack(">II", file.read(24)[16:])
        return round(width / _small.DENSITY), round(height / _small.DENSITY)


@dataclass(frozen=True)
class Run:
    """The pictures of one category of a run."""

    title: str
    hash: str
    figures: list[Figure]


@dataclass(frozen=True)
class Gallery:
    """The pictures of a data set: of the sweep, and of its runs by category."""

    overview: list[Figure]
    categories: Mapping[str, list[Run]]

    @property
    def figures(self) -> list[Figure]:
        runs = [run for category in self.categories.values() for run in category]
        return [*self.overview, *(figure for run in runs for figure in run.figures)]


def gallery(part: Part) -> Gallery:
    """What was drawn of the sweep on a data set; runs in the order of their ranks."""
    rows = {row.config_hash: row for row in part.rows}
    overview = [
        Figure(drawn, "", (0, drawn.order, drawn.kind)) for drawn in drawing.of_sweep(part.plan) if _shows(drawn, part)
    ]
    drawn = [rows[key] for key in drawing.runs_of(part.plan) if key in rows]
    figures = [figure for row in drawn for figure in _of_run(part, row)]
    categories = {name: _runs(figures, rows, name) for name in _categories(figures)}
    return Gallery(sorted(overview, key=lambda figure: figure.place), categories)


def failed(plan: Plan) -> list[tuple[str, str]]:
    """Pictures that could not be drawn, with the reasons."""
    return sorted(drawing.outcome(plan).get("failed", {}).items())


def fitting(figures: Sequence[Figure], page: Callable[[list[Figure]], str]) -> str:
    """The page with as many of the figures as keep it within `LIMIT` bytes; `page` makes it of those that it has."""
    room = LIMIT - len(page([]).encode("utf-8")) - AROUND * len(figures)
    return page(within(figures, room))


def within(figures: Iterable[Figure], budget: int) -> list[Figure]:
    """The figures that `budget` bytes of page have room for, the most important first.

    They are made small beside each other (`backbench.threads.beside`).
    """
    kept, ordered = [], sorted(figures, key=lambda figure: figure.place)
    sizes = threads.in_order(lambda figure: len(figure.uri), ordered)
    for figure, size in zip(ordered, sizes, strict=True):
        if budget < LEAST:
            break
        if size <= budget:
            kept.append(figure)
            budget -= size
    return kept


def shown(path: Path) -> str:
    """A path below the results folder, from there."""
    return str(path.relative_to(paths.results())) if path.is_relative_to(paths.results()) else str(path)


def _shows(figure: Drawn, part: Part) -> bool:
    """Whether a picture of the sweep is of a data set; the file says which one where two have one name."""
    others = (key for key, stage in part.plan.stages.items() if stage.kind == "dataset" and key != part.member)
    elsewhere = any(figure.png.stem.endswith(hashing.short(key)) for key in others)
    return figure.dataset in ("", part.name) and not elsewhere and figure.png.is_file()


def _of_run(part: Part, row: Row) -> list[Figure]:
    return [
        Figure(drawn, row.config_hash, (1, _rank(part, row, drawn.category), drawn.order, row.config_hash, drawn.kind))
        for drawn in drawing.of_run(row.config_hash)
        if drawn.png.is_file()
    ]


def _rank(part: Part, row: Row, category: str) -> int:
    """Place of a run's result in the leaderboard of a category."""
    head = HEAD.get(category, "classification")
    member = row.run.stages.get(head)
    for table in part.tables:
        for at, entry in enumerate(table.entries if table.spec.head == head else ()):
            if member in {same.run.stages[head] for same in entry.rows}:
                return at
    return LAST


def _categories(figures: Iterable[Figure]) -> list[str]:
    there = {figure.drawn.category for figure in figures}
    return [*(name for name in CATEGORIES if name in there), *sorted(there - set(CATEGORIES))]


def _runs(figures: Sequence[Figure], rows: Mapping[str, Row], category: str) -> list[Run]:
    """The runs that have pictures of a category, the best first."""
    groups: dict[str, list[Figure]] = {}
    for figure in sorted(figures, key=lambda figure: figure.place):
        if figure.drawn.category == category:
            groups.setdefault(figure.run, []).append(figure)
    return [Run(rows[key].name, hashing.short(key), pictures) for key, pictures in groups.items()]
