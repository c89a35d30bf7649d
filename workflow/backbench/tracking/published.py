"""What the summary run of a sweep says of the paper that it reproduces: metrics, files, a section (no mlflow)."""

import math
import re
from collections.abc import Mapping

from backbench.engine.plan.frozen import Plan
from backbench.papers.page import paper
from backbench.papers.table import Line, Table
from backbench.tracking.rows import Attached, Curve

FOLDER = "paper"
# What MLflow takes in the name of a metric.
NOT_IN_NAMES = re.compile(r"[^\w\-. :/]+", re.ASCII)
NAME_CHARACTERS = 240
OURS, THEIRS, DIFFERENCE = "", " published", " difference"


def table_of(plan: Plan) -> Table | None:
    """The stored table of the paper whose preset a sweep is of; None where there is none."""
    return paper.read(str(plan.request.get("experiment", "")), plan.sweep)


def files(table: Table) -> list[Attached]:
    """The table, its page and its picture."""
    return [Attached(path, FOLDER) for path in paper.attachments(table.name, table.sweep)]


def metrics(table: Table) -> dict[str, float]:
    """Each figure that is a number: ours, the published one, and the difference."""
    values = ((line, part, value) for line in table.lines for part, value in _values(line).items())
    return {
        _name(line, part): float(value)
        for line, part, value in values
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }


def curves(table: Table) -> dict[str, Curve]:
    """Each figure that is several numbers, the place in the list as the step."""
    values = ((line, part, value) for line in table.lines for part, value in _values(line).items())
    return {
        _name(line, part): dict(enumerate(map(float, value), 1))
        for line, part, value in values
        if isinstance(value, tuple) and value
    }


def section(table: Table) -> str:
    """The published figures and ours in the note."""
    head = "| figure | published | ours | difference |\n| - | -: | -: | -: |"
    lines = [f"### {table.title}: published and ours", "", head]
    known = [line for line in table.lines if line.published is not None]
    for line in known or table.lines:
        cells = (line.name, line.published_text, line.ours_text, line.difference_text)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    stand_ins = "; ".join(stand_in.words for stand_in in table.stand_ins)
    if stand_ins:
        lines += ["", f"Stand-ins: {stand_ins}."]
    return "\n".join([*lines, "", f"Why: **Artifacts**, `{FOLDER}/{paper.PAGE}`. Again: `{table.command}`."])


def _values(line: Line) -> Mapping[str, object]:
    return {OURS: line.ours, THEIRS: line.published, DIFFERENCE: line.difference}


def _name(line: Line, part: str) -> str:
    room = NAME_CHARACTERS - len(part)
    return NOT_IN_NAMES.sub("_", f"paper/{line.name}")[:room] + part
