"""Draw the stages of a sweep, every job once, as an SVG.

python scripts/draw_dag.py                           the default experiment, into docs/dag.svg
python scripts/draw_dag.py --output dag.svg chain=none k=5,10
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import paths, planning
from backbench.engine.grid import HEADS, Stage
from backbench.engine.plan.frozen import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DEFAULT = paths.CHECKOUT / "docs" / "dag.svg"
COLOURS = {
    "data": ("#f1efe8", "#8a8468"),
    "clustering": ("#e0ecf7", "#33689b"),
    "classification": ("#fbe9dc", "#b0602a"),
    "retrieval": ("#e3f1e4", "#3d7d46"),
    "record": ("#efe6f3", "#77508a"),
}
INK, FAINT, GUIDE = "#2a2a2a", "#a5a5a5", "#ececec"
PITCH, BOX = (1.0, 0.78), (0.84, 0.5)
# Left edges of the columns before the grid of fits, and their widths.
COLUMNS = {"dataset": (0.0, 1.5), "images": (2.0, 1.5), "features": (4.0, 1.7), "matrix": (6.2, 1.7)}
NAMES = {"features": "backbone", "matrix": "transforms"}
GRID = 8.5
INCHES = 0.78


@dataclass(frozen=True)
class Drawing:
    """What is drawn: the rows are matrices, the columns families of fits, a cell is a family with that many members."""

    plan: Plan
    rows: list[str]
    families: list[tuple[str, str]]
    cells: Mapping[tuple[str, tuple[str, str]], int]

    def height(self, row: int) -> float:
        """Centre of a row, the first on top."""
        return -PITCH[1] * row

    def middle(self, rows: Sequence[int]) -> float:
        return sum(self.height(row) for row in rows) / len(rows)


def lay_out(plan: Plan) -> Drawing:
    """Rows, columns and cells of a plan."""
    cells: Counter[tuple[str, tuple[str, str]]] = Counter()
    for stage in plan.stages.values():
        if stage.kind in HEADS:
            cells[stage.parents["matrix"][1], (stage.kind, stage.family)] += 1
    ends = {row for row, _ in cells} or {run.stages["features"] for run in plan.runs.values()}
    rows = sorted(ends, key=lambda member: _order(plan, member))
    families = sorted({family for _, family in cells}, key=lambda family: (HEADS.index(family[0]), family[1]))
    return Drawing(plan, rows, families, cells)


def describe(plan: Plan) -> str:
    """The counts that the picture shows, in one line: what a test compares."""
    kinds = Counter(stage.kind for stage in plan.stages.values())
    fits = ", ".join(f"{kinds[kind]} {kind}" for kind in kinds)
    return f"{len(plan.runs)} runs, {len(plan.shards)} jobs, {fits}"


def draw(plan: Plan, target: Path) -> None:
    """Write the picture; equal plans make equal files with the same matplotlib."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    drawing = lay_out(plan)
    width, height = GRID + PITCH[0] * len(drawing.families) + 2.6, PITCH[1] * len(drawing.rows) + 2.6
    with mpl.rc_context({"svg.hashsalt": "backbench", "font.family": "DejaVu Sans", "font.size": 8}):
        figure, axes = plt.subplots(figsize=(width * INCHES, height * INCHES), facecolor="white")
        _draw_chain(axes, drawing)
        _draw_fits(axes, drawing)
        _draw_record(axes, drawing)
        axes.set(xlim=(-0.2, width - 0.1), ylim=(drawing.height(len(drawing.rows)) - 0.1, 2.1), aspect="equal")
        axes.axis("off")
        words = {"Title": "Stages of a sweep", "Description": describe(plan), "Date": None, "Creator": None}
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, format="svg", metadata=words, bbox_inches="tight", pad_inches=0.1)
        plt.close(figure)


def _order(plan: Plan, member: str) -> tuple:
    stage, features = plan.stages[member], _features(plan, member)
    return (
        features.family,
        features.hash,
        stage.kind == "matrix",
        stage.about.get("label", ""),
        stage.config.get("fit", ""),
    )


def _features(plan: Plan, member: str) -> Stage:
    stage = plan.stages[member]
    return stage if stage.kind == "features" else plan.stages[stage.parents["features"][1]]


def _draw_chain(axes: "Axes", drawing: Drawing) -> None:
    """Dataset, images, features and matrices, each beside the rows that come from it."""
    plan = drawing.plan
    for kind, (left, width) in COLUMNS.items():
        name = NAMES.get(kind, kind)
        axes.text(left + width / 2, 0.42, name, ha="center", va="bottom", color=COLOURS["data"][1], fontsize=6.5)
    for row, member in enumerate(drawing.rows):
        stage, y = plan.stages[member], drawing.height(row)
        if stage.kind == "matrix":
            _box(axes, "matrix", y, f"{stage.about['label']}\nfitted on {stage.config['fit']}", "data")
        else:
            _line(axes, _right("features"), drawing.middle(_rows_of(drawing, "features", member)), GRID - 0.1, y)
    for kind, label in (("features", _backbone), ("images", _image), ("dataset", _dataset)):
        for member in _members(drawing, kind):
            y = drawing.middle(_rows_of(drawing, kind, member))
            _box(axes, kind, y, label(drawing.plan.stages[member]), "data")
            for role, (_, parent) in plan.stages[member].parents.items():
                if role == _before(kind, plan.stages[member]):
                    _line(axes, _right(role), drawing.middle(_rows_of(drawing, role, parent)), COLUMNS[kind][0], y)
    _draw_audits(axes, drawing)
    for row, member in enumerate(drawing.rows):
        if plan.stages[member].kind == "matrix":
            start = drawing.middle(_rows_of(drawing, "features", _features(plan, member).hash))
            _line(axes, _right("features"), start, COLUMNS["matrix"][0], drawing.height(row))
            _line(axes, _right("matrix"), drawing.height(row), GRID - 0.1, drawing.height(row))


def _draw_audits(axes: "Axes", drawing: Drawing) -> None:
    """The gate below each dataset: its images are decoded once it has been audited."""
    left, width = COLUMNS["dataset"]
    audited = {stage.parents["dataset"][1] for stage in drawing.plan.stages.values() if stage.kind == "audit"}
    for member in _members(drawing, "dataset"):
        if member in audited:
            y = drawing.middle(_rows_of(drawing, "dataset", member))
            axes.plot([left + width / 2] * 2, [y - BOX[1] / 2, y - PITCH[1]], color=FAINT, lw=1, zorder=1)
            _box(axes, "dataset", y - PITCH[1], "audit", "data")


def _before(kind: str, stage: Stage) -> str | None:
    """The stage that a line comes from; features that were made elsewhere have no images."""
    return {"images": "dataset", "features": "images" if "images" in stage.parents else "dataset"}.get(kind)


def _draw_fits(axes: "Axes", drawing: Drawing) -> None:
    for row in range(len(drawing.rows)):
        axes.plot(
            [GRID, GRID + PITCH[0] * len(drawing.families)], [drawing.height(row)] * 2, color=GUIDE, lw=1, zorder=0
        )
    for column, family in enumerate(drawing.families):
        x = GRID + PITCH[0] * column
        ink = COLOURS[family[0]][1]
        words = family[1].replace("_", "\n")
        axes.text(x + BOX[0] / 2, 0.42, words, ha="center", va="bottom", color=ink, fontsize=6.5)
        for row, member in enumerate(drawing.rows):
            if (member, family) in drawing.cells:
                _rectangle(axes, x, drawing.height(row), BOX[0], str(drawing.cells[member, family]), family[0])
    for kind in dict.fromkeys(kind for kind, _ in drawing.families):
        columns = [i for i, family in enumerate(drawing.families) if family[0] == kind]
        left, right = GRID + PITCH[0] * columns[0], GRID + PITCH[0] * columns[-1] + BOX[0]
        fits = sum(count for (_, family), count in drawing.cells.items() if family[0] == kind)
        axes.plot([left, right], [1.12, 1.12], color=COLOURS[kind][1], lw=1.2, solid_capstyle="butt")
        title = f"{kind}\n{fits}" if len(columns) == 1 else f"{kind}: {fits} fits"
        axes.text((left + right) / 2, 1.2, title, ha="center", va="bottom", color=COLOURS[kind][1], fontweight="bold")


def _draw_record(axes: "Axes", drawing: Drawing) -> None:
    """The join into runs, and MLflow."""
    right = GRID + PITCH[0] * len(drawing.families)
    y = drawing.middle(range(len(drawing.rows)))
    bottom = drawing.height(len(drawing.rows) - 1)
    axes.plot([right, right + 0.12, right + 0.12, right], [0.2, 0.2, bottom - 0.2, bottom - 0.2], color=FAINT, lw=1)
    _line(axes, right + 0.12, y, right + 0.5, y)
    _rectangle(axes, right + 0.5, y, 1.5, f"{len(drawing.plan.runs)} runs\njoined by hash", "record")
    axes.plot([right + 1.25] * 2, [y - BOX[1] / 2, y - 0.72], color=FAINT, lw=1, zorder=1)
    _rectangle(axes, right + 0.5, y - 0.95, 1.5, "MLflow\nleaderboard", "record")
    said = "A box with a number is a family of that many fits, which share their work; each is stored by its own hash."
    axes.text(GRID, bottom - 0.62, said, va="center", color=INK, fontsize=7.5)


def _box(axes: "Axes", kind: str, y: float, text: str, colour: str) -> None:
    left, width = COLUMNS[kind]
    _rectangle(axes, left, y, width, text, colour)


def _rectangle(axes: "Axes", left: float, y: float, width: float, text: str, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    face, edge = COLOURS[colour]
    lower = y - BOX[1] / 2
    axes.add_patch(
        FancyBboxPatch(
            (left, lower), width, BOX[1], boxstyle="round,pad=0,rounding_size=0.08", fc=face, ec=edge, lw=0.9, zorder=2
        )
    )
    axes.text(left + width / 2, y, text, ha="center", va="center", color=INK, fontsize=6.5, zorder=3)


def _line(axes: "Axes", x: float, y: float, to_x: float, to_y: float) -> None:
    bend = x + 0.25
    axes.plot([x, bend, bend, to_x], [y, y, to_y, to_y], color=FAINT, lw=1, zorder=1, solid_joinstyle="round")


def _right(kind: str) -> float:
    return sum(COLUMNS[kind])


def _members(drawing: Drawing, kind: str) -> list[str]:
    found = (_ancestor(drawing.plan, row, kind) for row in drawing.rows)
    return [member for member in dict.fromkeys(found) if member]


def _rows_of(drawing: Drawing, kind: str, member: str) -> list[int]:
    return [i for i, row in enumerate(drawing.rows) if _ancestor(drawing.plan, row, kind) == member]


def _ancestor(plan: Plan, member: str, kind: str) -> str | None:
    features = _features(plan, member)
    return features.hash if kind == "features" else features.parents.get(kind, (kind, None))[1]


def _dataset(stage: Stage) -> str:
    return stage.family.replace("_", " ", 1)


def _image(stage: Stage) -> str:
    return f"{stage.config['size']} x {stage.config['size']} {stage.config['mode']}"


def _backbone(stage: Stage) -> str:
    return stage.family


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overrides", nargs="*", help="overrides of the grid, as for `backbench plan`")
    parser.add_argument("--output", type=Path, default=DEFAULT, help="the SVG file (default: docs/dag.svg)")
    args = parser.parse_args()
    draw(planning.make(args.overrides, fingerprint=False).plan, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
