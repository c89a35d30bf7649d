"""The table of a paper as files: one page, Markdown, CSV and JSON, with its pictures (layer 2).

They lie in ``results/papers/NAME/SWEEP``, are made from the table alone, and are the same bytes for the same table; a
file that would not change is not written.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.files import write_if_changed
from backbench.papers.table import Line, Table
from backbench.reports import _gallery, _paper_pictures, _templates
from backbench.reports import _paper_words as words
from backbench.reports._gallery import Figure
from backbench.reports._paper_pictures import Shown
from backbench.sweep.results import tables

__all__ = ["Shown", "attachments", "body", "csv", "folder", "made", "markdown", "read", "render", "write"]

TEMPLATE, SCRIPT = "paper.html", "_sweep.js"
PAGE, RECORD, TABLE, TEXT = "index.html", "paper.json", "paper.csv", "paper.md"
LIMIT = 9_800_000
# What stands around a picture: its caption twice, its markup.
AROUND = 1_500
# A figure with more letters is broken over lines.
LONG = 24
COLUMNS = ("figure", "published", "ours", "difference", "verdict")


def folder(name: str, sweep: str) -> Path:
    """Where the table of a paper that a sweep made lies."""
    return paths.results() / "papers" / name / hashing.short(sweep)


def read(name: str, sweep: str) -> Table | None:
    """The stored table of a paper; None where a sweep made none, or the file is damaged or of another version."""
    try:
        return Table.from_record(json.loads((folder(name, sweep) / RECORD).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def made(name: str) -> list[Path]:
    """The folders of the tables of a paper that were made here, the newest last."""
    found = (paths.results() / "papers" / name).glob(f"*/{RECORD}")
    return [path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime)]


def attachments(name: str, sweep: str) -> list[Path]:
    """The files of a paper that MLflow gets."""
    own = folder(name, sweep)
    picture = own / _paper_pictures.FOLDER / f"{_paper_pictures.PUBLISHED}.png"
    return [path for path in (own / TEXT, own / TABLE, own / PAGE, picture) if path.is_file()]


def write(table: Table, folder: Path, pictures: Sequence[Shown] = ()) -> Path:
    """Write the table of a paper, its page and its pictures into `folder`; returns the path of the page."""
    figures = _paper_pictures.place(table, folder, pictures)
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
    found = {"figure": line.name, **{key: value for key, value in line.record().items() if key != "name"}}
    found |= {"difference_text": line.difference_text, "verdict": words.verdict(line), "why": line.why_text}
    return {key: "; ".join(map(str, value)) if isinstance(value, list) else value for key, value in found.items()}


def markdown(table: Table) -> str:
    """The table with all that is said of it."""
    measures = f"**What the published figures measure.** {' '.join(table.measures.split())}"
    parts = [f"# {table.title}", " ".join(table.system.split()), measures, *body(table), *_again(table)]
    return "\n\n".join(parts) + "\n"


def body(table: Table) -> list[str]:
    """The parts of a text on what came out: verdict, stand-ins, the lines, the reasons and the answers."""
    said = f"**{words.short(table)}** {words.sentence(table.images)} {words.sentence(table.state)}"
    marks = words.marks(table)
    listed = "\n".join(f"- ({mark}) {text}" for mark, text in marks.stand_ins.items())
    preset = f"Not as in the preset `conf/experiment/{table.name}.yaml`:"
    numbered = "\n".join(f"{mark}. {text}" for mark, text in marks.reasons.items())
    parts = [said, f"{preset}\n\n{listed}" if listed else "", grid(table), numbered, *table.answers]
    return [part for part in parts if part]


def grid(table: Table) -> str:
    """The lines as a table in Markdown; the reasons have numbers, the stand-ins letters."""
    head = [*COLUMNS, "why"]
    marks = words.marks(table).lines
    rows = [[*cells(line), ", ".join(own) or "–"] for line, own in zip(table.lines, marks, strict=True)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in lines)


def cells(line: Line) -> list[str]:
    """What the columns of a line say."""
    return [
        *(words.name(line), line.published_text, line.ours_text),
        *(line.difference_text or "–", words.verdict(line)),
    ]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _again(table: Table) -> list[str]:
    found = "\n".join(f"- {name}: {said}" for name, said in words.circumstances(table))
    return list(filter(None, [f"```bash\n{table.command}\n```", words.time(table), found]))


def render(table: Table, figures: Sequence[tuple[Figure, str]]) -> str:
    """The page: one HTML text that needs nothing else. `figures` are the pictures with the names of their runs."""
    marks = words.marks(table)
    script = _templates.source(SCRIPT)
    values = {
        "table": table,
        "sweep": hashing.short(table.sweep),
        "short": words.short(table),
        "marks": marks,
        "setting": words.setting(table),
        "tone": _tone(table),
        "counts": [(name, count, words.STATES[name], words.MEANINGS[name]) for name, count in _counts(table)],
        "lines": [_line(line, own) for line, own in zip(table.lines, marks.lines, strict=True)],
        "time": words.time(table),
        "circumstances": words.circumstances(table),
        "script": script,
        "integrity": "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    }
    return _within(values, figures)


def _within(values: dict[str, Any], figures: Sequence[tuple[Figure, str]]) -> str:
    """The page with as many pictures as it has room for."""
    found = [(one, name) for one, name in figures if one.drawn.png.is_file()]
    bare = _templates.render(TEMPLATE, {**values, "overview": [], "runs": {}, "left_out": found})
    room = LIMIT - len(bare.encode("utf-8")) - AROUND * len(found)
    kept = {one.drawn.png for one in _gallery.within([one for one, _ in found], room)}
    runs: dict[tuple[str, str], list[Figure]] = {}
    for one, name in found:
        if one.run and one.drawn.png in kept:
            runs.setdefault((hashing.short(one.run), name), []).append(one)
    overview = [one for one, _ in found if not one.run and one.drawn.png in kept]
    left_out = [(one, name) for one, name in found if one.drawn.png not in kept]
    return _templates.render(TEMPLATE, {**values, "overview": overview, "runs": runs, "left_out": left_out})


def _counts(table: Table) -> list[tuple[str, int]]:
    return list(words.counts(table).items())


def _tone(table: Table) -> str:
    """The colour of the whole: that of its worst line; a table with stand-ins is never more than to be looked at."""
    states = {words.STATES[name] for name in words.counts(table)}
    if "fault" in states:
        return "fault"
    return "look" if "look" in states or table.stand_ins else "fine"


def _line(line: Line, marks: Sequence[str]) -> dict[str, Any]:
    """What the template says of one line."""
    said = words.verdict(line)
    value, _, over = line.ours_text.partition(" [") if line.low is not None else (line.ours_text, "", "")
    return {
        "line": line,
        "verdict": said,
        "state": words.STATES[said],
        "meaning": words.MEANINGS[said],
        "ours": value,
        "interval": f"[{over}" if over else "",
        "long": max(len(line.published_text), len(value)) > LONG,
        "why": marks,
        "runs": [hashing.short(run) for run in line.runs],
    }
