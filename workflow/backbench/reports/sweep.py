"""The page of a sweep: its question and answer in words, leaderboards, pictures, faults and origin (layer 2).

One HTML file that needs nothing else, made from stored results alone, below `LIMIT` bytes, and the same bytes for the
same results.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbench import hashing, wording
from backbench.evaluate import classes
from backbench.evaluate.answer import SweepAnswer
from backbench.files import write_if_changed
from backbench.metrics import catalogue
from backbench.reports import _answers, _boards, _gallery, _origin, _part, _runs, _templates, _trust
from backbench.reports._gallery import Figure, Gallery
from backbench.reports._part import Part
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results import tables

TEMPLATE, SCRIPT = "sweep.html", "_sweep.js"
PAGE, TABLE = "report.html", "leaderboards.csv"
LIMIT = 9_800_000
# What stands around a picture: its caption twice, its markup.
AROUND = 1_500
CLASSES = 20


def path_of(plan: Plan) -> Path:
    """The file of a sweep's page."""
    return plan.folder / PAGE


def write(answer: SweepAnswer, to: Path | None = None) -> Path:
    """Write the page of a sweep with its leaderboards beside it as CSV, each only if it has changed.

    A copy of the page is written to `to`. Returns the path of the page.
    """
    plan, parts = answer.plan, _parts(answer)
    found = [record for part in parts for record in _boards.records(part)]
    write_if_changed(
        plan.folder / TABLE, tables.to_csv(found, list(dict.fromkeys(key for one in found for key in one)))
    )
    text = _page(plan, parts)
    for target in (path_of(plan), *([to] if to else [])):
        write_if_changed(target, text)
    return path_of(plan)


def render(answer: SweepAnswer) -> str:
    """The page: one HTML text that needs nothing else."""
    return _page(answer.plan, _parts(answer))


def _parts(answer: SweepAnswer) -> list[Part]:
    """The data sets of a sweep, by name."""
    groups = list(answer.datasets.values())
    names = [str(group.rows[0].params["dataset.name"]) for group in groups]
    parts = [
        Part(answer.plan, group, answer.selection, names.count(name) > 1)
        for group, name in zip(groups, names, strict=True)
    ]
    return sorted(parts, key=lambda part: (part.name, part.member))


def _page(plan: Plan, parts: Sequence[Part]) -> str:
    galleries = [_gallery.gallery(part) for part in parts]
    script = _templates.source(SCRIPT)
    values = {
        "plan": plan,
        "sweep": hashing.short(plan.sweep),
        "question": _answers.question(parts),
        "parts": [_section(part, gallery) for part, gallery in zip(parts, galleries, strict=True)],
        "request": _origin.request(plan),
        "commands": _origin.commands(plan, {commit for part in parts for commit in _trust.circumstances(part, "git")}),
        "undrawn": _gallery.failed(plan),
        "example": hashing.short(min(plan.runs)),
        "script": script,
        "integrity": _digest(script),
        "counted": wording.counted,
        "number": _part.number,
        "metric": catalogue.metric,
    }
    return _within(values, galleries)


def _within(values: dict[str, Any], galleries: Sequence[Gallery]) -> str:
    """The page with as many pictures as it has room for, the most important first."""
    figures = [one for gallery in galleries for one in gallery.figures]
    bare = _templates.render(TEMPLATE, {**values, "embedded": {}, "left_out": figures})
    room = LIMIT - len(bare.encode("utf-8")) - AROUND * len(figures)
    kept: list[Figure] = _gallery.within(figures, room)
    embedded = {one.path: {"uri": one.uri, "size": one.size} for one in kept}
    left_out = [one for one in figures if one.path not in embedded]
    return _templates.render(TEMPLATE, {**values, "embedded": embedded, "left_out": left_out})


def _section(part: Part, gallery: Gallery) -> dict[str, Any]:
    """What the template says of one data set."""
    found = _answers.answers(part)
    boards = [_boards.view(part, table, place) for place, table in enumerate(part.tables)]
    return {
        "key": part.key,
        "part": part,
        "answers": found,
        "short": _answers.short(part, found),
        "checks": _trust.checks(part),
        "gate": _trust.gate(part),
        "boards": [{"view": board, "filters": _boards.filters(board)} for board in boards],
        "runs": _runs.table(part),
        "gallery": gallery,
        "classes": _classes(part),
        "failures": _origin.failures(part),
        "excluded": _origin.excluded(part),
        "passed_over": _origin.passed_over(part),
        "undefined": _origin.undefined(part),
        "resolved": _origin.resolved(part.rows),
        "circumstances": _origin.circumstances(part),
        "seconds": _origin.seconds(part),
        "versions": _origin.versions(part),
    }


def _classes(part: Part) -> dict[str, Any] | None:
    """How the best classifier does on each class."""
    table = part.table("classification")
    if table is None:
        return None
    row = table.entries[0].row
    lines = _origin.classes(row)
    if not lines:
        return None
    found = classes.audit(row, part.store)
    return {
        "title": _part.title(row, "classification"),
        "text": found.text if found else "",
        "top": lines[:CLASSES],
        "rest": lines[CLASSES:],
    }


def _digest(script: str) -> str:
    """What the page's policy allows to run: this script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
