"""The page of a sweep: its question and answer in words and images, trust, leaderboards, pictures, faults and origin.

One HTML file that needs nothing else, made from stored results alone, below ten megabytes, and the same bytes for the
same results.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbench import hashing
from backbench.answers import naming, words
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import tables
from backbench.evaluate import classes
from backbench.evaluate.answer import SweepAnswer
from backbench.files import write_if_changed
from backbench.reports import _boards, _columns, _origin, _runs, _trust, gallery, showcase, templates
from backbench.reports._part import Part
from backbench.reports.gallery import Figure, Gallery

TEMPLATE = "sweep.html"
PAGE, TABLE = "report.html", "leaderboards.csv"
CLASSES = 20
# Where `backbench app` is, unless it is told otherwise.
APP = "http://127.0.0.1:8501/"


def path_of(plan: Plan) -> Path:
    """The file of a sweep's page."""
    return plan.folder / PAGE


def write(answer: SweepAnswer, to: Path | None = None) -> Path:
    """Write the page of a sweep with its leaderboards beside it as CSV, each only if it has changed.

    A copy of the page is written to `to`. Returns the path of the page.
    """
    plan, parts = answer.plan, _parts(answer)
    records = [record for part in parts for record in _boards.records(part)]
    columns = list(dict.fromkeys(key for record in records for key in record))
    write_if_changed(plan.folder / TABLE, tables.to_csv(records, columns))
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
    names = [group.rows[0].collection for group in groups]
    parts = [
        Part(answer.plan, group, answer.selection, names.count(name) > 1)
        for group, name in zip(groups, names, strict=True)
    ]
    return sorted(parts, key=lambda part: (part.name, part.member))


def _page(plan: Plan, parts: Sequence[Part]) -> str:
    galleries = [gallery.gallery(part) for part in parts]
    figures = [figure for pictures in galleries for figure in pictures.figures]
    values = {
        "plan": plan,
        "sweep": hashing.short(plan.sweep),
        "overrides": shlex.join(plan.request.get("overrides", [])),
        "question": words.question([part.answer for part in parts]),
        "parts": [_section(part, pictures, len(parts)) for part, pictures in zip(parts, galleries, strict=True)],
        "commit": _origin.commit(parts),
        "undrawn": gallery.failed(plan),
        "example": hashing.short(min(plan.runs)),
        "app": APP,
        **templates.script(),
    }

    def page(kept: Sequence[Figure]) -> str:
        embedded = {figure.path: {"uri": figure.uri, "size": figure.size} for figure in kept}
        left_out = [figure for figure in figures if figure.path not in embedded]
        return templates.render(TEMPLATE, {**values, "embedded": embedded, "left_out": left_out})

    return gallery.fitting(figures, page)


def _section(part: Part, pictures: Gallery, count: int) -> dict[str, Any]:
    """What the template says of one of `count` data sets."""
    judgement = part.answer.judgement
    boards = [(_boards.view(part, table, place), table) for place, table in enumerate(part.boards)]
    return {
        "key": part.key,
        "part": part,
        "answer": words.answer(part.answer),
        "warning": words.warning(part.answer, words.HTML),
        "showcase": showcase.showcase(part, judgement, showcase.LIMIT // count),
        "cards": _trust.cards(part),
        "gate": _trust.gate(part),
        "boards": [
            {"view": board, "filters": _boards.filters(board), "roles": _columns.roles(board, table)}
            for board, table in boards
        ],
        "runs": _runs.table(part),
        "gallery": pictures,
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
    verdict = part.verdict("classification")
    if verdict is None or verdict.row is None:
        return None
    row = verdict.row
    lines = _origin.classes(row)
    if not lines:
        return None
    summary = classes.audit(row, part.store)
    return {
        "title": naming.named(row, "classification").whole,
        "text": summary.text if summary else "",
        "top": lines[:CLASSES],
        "rest": lines[CLASSES:],
    }
