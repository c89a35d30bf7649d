"""The table of a paper as files: one page, Markdown, CSV and JSON, with its pictures.

They are in ``results/papers/NAME/SWEEP``, are made from the table alone, and are the same bytes for the same table; a
file that would not change is not written.
"""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.engine.results import tables
from backbench.files import write_if_changed
from backbench.papers.page import pictures, words
from backbench.papers.page.pictures import Shown
from backbench.papers.table import Line, Table
from backbench.reports import gallery, templates
from backbench.reports.gallery import Figure

__all__ = ["Shown", "attachments", "csv", "folder", "made", "markdown", "read", "render", "write"]

TEMPLATE = "paper.html"
PAGE, RECORD, TABLE, TEXT = "index.html", "paper.json", "paper.csv", "paper.md"
# A figure with more letters is broken over lines.
LONG = 24


def folder(name: str, sweep: str) -> Path:
    """Where the table of a paper that a sweep made is."""
    return paths.results() / "papers" / name / hashing.short(sweep)


def read(name: str, sweep: str) -> Table | None:
    """The stored table of a paper; None where a sweep made none, or the file is damaged or of another version."""
    try:
        return Table.from_record(json.loads((folder(name, sweep) / RECORD).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def made(name: str) -> list[Path]:
    """The folders of the tables of a paper that were made here, the newest last."""
    records = (paths.results() / "papers" / name).glob(f"*/{RECORD}")
    return [path.parent for path in sorted(records, key=lambda path: path.stat().st_mtime)]


def attachments(name: str, sweep: str) -> list[Path]:
    """The files of a paper that MLflow gets."""
    place = folder(name, sweep)
    picture = place / pictures.FOLDER / f"{pictures.PUBLISHED}.png"
    return [path for path in (place / TEXT, place / TABLE, place / PAGE, picture) if path.is_file()]


def write(table: Table, folder: Path, shown: Sequence[Shown] = ()) -> Path:
    """Write the table of a paper, its page and its pictures into `folder`; returns the path of the page."""
    figures = pictures.place(table, folder, shown)
    write_if_changed(folder / TABLE, csv(table))
    write_if_changed(folder / TEXT, markdown(table))
    write_if_changed(folder / PAGE, render(table, figures))
    # Last: whoever finds it finds the others.
    write_if_changed(folder / RECORD, json.dumps(table.record(), indent=1, sort_keys=True) + "\n")
    return folder / PAGE


def csv(table: Table) -> str:
    """The lines as CSV, numbers as they are; several values of a figure are separated by semicolons."""
    return tables.to_csv([_record(line) for line in table.lines], list(_record(table.lines[0])) if table.lines else ())


def _record(line: Line) -> dict[str, Any]:
    plain = dataclasses.asdict(line)
    record = {"figure": plain.pop("name"), **plain, "difference_text": line.difference_text}
    record |= {"verdict": words.verdict(line), "why": " ".join(line.why)}
    return {key: "; ".join(map(str, value)) if isinstance(value, tuple) else value for key, value in record.items()}


def markdown(table: Table) -> str:
    """The table with all that is said of it."""
    outcome = (words.short(table), words.marks(table), words.rows(table))
    return tidy(words.text().one(table, *outcome, words.time(table), words.circumstances(table)))


def tidy(text: str) -> str:
    """A text of a template with single empty lines and one at its end."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def render(table: Table, figures: Sequence[tuple[Figure, str]]) -> str:
    """The page: one HTML text that needs nothing else. `figures` are the pictures with the names of their runs."""
    marks, text = words.marks(table), words.text()
    states = {words.STATES[name] for name in words.counts(table)}
    values = {
        "table": table,
        "sweep": hashing.short(table.sweep),
        "short": words.short(table),
        "marks": marks,
        "setting": words.setting(table),
        # That of its worst line; a table with stand-ins is never more than to be looked at.
        "tone": "fault" if "fault" in states else "look" if "look" in states or table.stand_ins else "fine",
        "counts": words.counts(table),
        "states": words.STATES,
        "meanings": text.meanings,
        "lines": [_line(line, named) for line, named in zip(table.lines, marks.lines, strict=True)],
        "time": words.time(table),
        "circumstances": words.circumstances(table),
        **templates.script(),
    }
    there = {figure.drawn.png: (figure, name) for figure, name in figures if figure.drawn.png.is_file()}

    def page(kept: Sequence[Figure]) -> str:
        """The page with these pictures; the others are named."""
        held = {figure.drawn.png for figure in kept}
        runs: dict[tuple[str, str], list[Figure]] = {}
        for figure, name in there.values():
            if figure.run and figure.drawn.png in held:
                runs.setdefault((hashing.short(figure.run), name), []).append(figure)
        overview = [figure for figure, _ in there.values() if not figure.run and figure.drawn.png in held]
        left_out = [pair for png, pair in there.items() if png not in held]
        drawn = {"overview": overview, "runs": runs, "left_out": left_out}
        return templates.render(TEMPLATE, {**values, **drawn}, words.FOLDER)

    return gallery.fitting([figure for figure, _ in there.values()], page)


def _line(line: Line, marks: Sequence[str]) -> dict[str, Any]:
    """What the template says of one line."""
    value, _, over = line.ours_text.partition(" [") if line.low is not None else (line.ours_text, "", "")
    return {
        "line": line,
        "verdict": words.verdict(line),
        "ours": value,
        "interval": f"[{over}" if over else "",
        "long": max(len(line.published_text), len(value)) > LONG,
        "why": marks,
        "runs": [hashing.short(run) for run in line.runs],
    }
