"""The pictures beside the table of a paper: published against ours, drawn here, and copies of those of its runs."""

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import code, hashing
from backbench.metrics import catalogue
from backbench.papers.page import words
from backbench.papers.published import ELBOW, OF_CLASS, SHARES, Value
from backbench.papers.table import Line, Table
from backbench.pictures import index
from backbench.pictures.drawing import Drawn
from backbench.pictures.orders import drawn_with
from backbench.reports.gallery import Figure

if TYPE_CHECKING:
    from backbench.plots.published import Entry, Panel

FOLDER, PUBLISHED = "pictures", "published"
TITLE = "Published against ours"
DRAWING = ("backbench.plots.published", "backbench.plots._files")


@dataclass(frozen=True)
class Shown:
    """A picture of a run that the page shows: the run's hash and its readable name."""

    drawn: Drawn
    run: str
    name: str


def place(table: Table, folder: Path, pictures: Sequence[Shown]) -> list[tuple[Figure, str]]:
    """Put the pictures of a table into its folder; returns each with the name of its run, published against ours first.

    Files that are as they should be are not touched, and those of no picture any more are removed.
    """
    target = folder / FOLDER
    wanted = {f"{hashing.short(shown.run)}-{shown.drawn.kind}": shown for shown in pictures}
    entries = {name: _copy(shown, target / name) for name, shown in wanted.items()}
    overview = _draw(table, target)
    if overview:
        entries[PUBLISHED] = overview
    removed = dict.fromkeys(index.read(target).keys() - entries.keys())
    if entries or removed:
        index.update(target, {**entries, **removed})
    figures = [(_figure(target, PUBLISHED, overview, ""), "")] if overview else []
    return figures + [(_figure(target, name, entries[name], shown.run), shown.name) for name, shown in wanted.items()]


def _copy(shown: Shown, stem: Path) -> dict[str, Any]:
    """Copy a picture of a run with its numbers; returns its entry in the index."""
    digests = []
    for source in (shown.drawn.png, shown.drawn.csv):
        copy = stem.with_name(stem.name + source.suffix)
        digests.append(hashing.file_digest(source))
        if not copy.is_file() or hashing.file_digest(copy) != digests[-1]:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    entry = {name: getattr(shown.drawn, name) for name in ("kind", "title", "category", "caption", "order")}
    return {**entry, "key": hashing.digest(digests), "png": f"{stem.name}.png", "csv": f"{stem.name}.csv"}


def _draw(table: Table, folder: Path) -> dict[str, Any] | None:
    """Draw the published numbers against ours, unless that is there as it should be; returns its entry in the index."""
    lines = [line for line in table.lines if _numbers(line.published)]
    if not lines:
        return None
    shown = [table.title, table.sweep, words.short(table), [json.dumps(dataclasses.asdict(line)) for line in lines]]
    key = hashing.digest([shown, code.digest(DRAWING), drawn_with()])
    there = index.read(folder).get(PUBLISHED)
    if there and index.current(folder, there, key):
        return dict(there)
    from backbench.plots import Heading, _files, published

    about = f"{table.name}, {words.setting(table)}; {table.images}"
    caption = f"{words.short(table)} Each axis covers only the range of its values."
    heading = Heading(f"{TITLE}: {table.title}", about, f"sweep {hashing.short(table.sweep)}")
    _files.save(published.draw(heading, _panels(lines), caption), folder / f"{PUBLISHED}.png")
    entry = {"kind": PUBLISHED, "title": TITLE, "category": "Paper", "caption": caption, "order": 0}
    return {**entry, "key": key, "png": f"{PUBLISHED}.png", "csv": f"{PUBLISHED}.csv"}


def _panels(lines: Sequence[Line]) -> list["Panel"]:
    from backbench.plots.published import Panel

    groups: dict[str, list[Entry]] = {}
    for line in lines:
        groups.setdefault(_axis(line), []).extend(_entries(line))
    return [Panel(axis, entries) for axis, entries in groups.items()]


def _axis(line: Line) -> str:
    """What stands at the axis of a figure: one for all from 0 to 1, in percent where the paper has percent."""
    if _several(line):
        return f"{line.name}{' (percent)' if line.percent else ''}"
    if line.metric.partition(" of ")[0] in (*OF_CLASS, SHARES):
        return _share(line)
    if line.metric == ELBOW:
        return "k"
    metric = catalogue.metric(line.metric)
    return _share(line) if metric.unit_share else metric.axis


def _share(line: Line) -> str:
    return "percent (higher is better)" if line.percent else "share (0 to 1, higher is better)"


def _entries(line: Line) -> list["Entry"]:
    """The lines of the picture for a figure: one, or one for each number of a list."""
    from backbench.plots.published import Entry

    scale = 100.0 if line.percent else 1.0
    low, high = (math.nan if end is None else scale * end for end in (line.low, line.high))
    pairs = itertools.zip_longest(_numbers(line.published), _numbers(line.ours), fillvalue=math.nan)
    if _several(line):
        numbered = enumerate(pairs, 1)
        return [Entry(f"number {at}", scale * theirs, scale * ours, low, high) for at, (theirs, ours) in numbered]
    beside = line.difference_text or words.verdict(line)
    return [Entry(line.name, scale * theirs, scale * ours, low, high, beside) for theirs, ours in pairs]


def _several(line: Line) -> bool:
    return max(len(_numbers(line.published)), len(_numbers(line.ours))) > 1


def _numbers(value: Value) -> list[float]:
    """The numbers of a figure; of text there are none."""
    if isinstance(value, tuple):
        return list(value)
    return [] if value is None or isinstance(value, str) else [value]


def _figure(folder: Path, name: str, entry: Mapping[str, Any], run: str) -> Figure:
    texts = {key: entry[key] for key in ("kind", "title", "category", "caption")}
    drawn = Drawn(**texts, order=entry["order"], png=folder / f"{name}.png", csv=folder / f"{name}.csv")
    return Figure(drawn, run, (entry["order"], name))
