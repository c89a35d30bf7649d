"""The table of a paper: published and ours side by side, with what stands in for what and why they differ."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from backbench.papers import circumstances, described, figures, reasons, stand_ins
from backbench.papers.figures import Sought, Taken
from backbench.papers.line import Line
from backbench.papers.matching import Matching
from backbench.papers.published import Figure, Published, Value
from backbench.papers.stand_ins import Deviation, StandIn
from backbench.store import Store
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results.ledger import FAILED, PENDING, Row

__all__ = ["Line", "StandIn", "Table", "make", "matching"]

Preset = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """What was published beside what came out here.

    `images` says what images these were; `sweep` is the full id; `command` makes the table again, places on this
    machine left out; `answers` are sentences that several lines give together. `circumstances` are those of `of_rows`.
    `runs` counts the runs of the sweep, `failed` and `pending` those without a result.
    """

    name: str
    title: str
    system: str
    measures: str
    images: str
    sweep: str
    command: str
    stand_ins: tuple[StandIn, ...]
    lines: tuple[Line, ...]
    answers: tuple[str, ...]
    circumstances: Mapping[str, Any]
    runs: int
    failed: int = 0
    pending: int = 0

    @property
    def finished(self) -> bool:
        """Whether every run has its results."""
        return not self.failed and not self.pending

    @property
    def state(self) -> str:
        """``20 runs``, ``20 runs, 2 failed, 1 not computed yet``."""
        odd = ((self.failed, "failed"), (self.pending, "not computed yet"))
        said = [f"{count:,} {word}" for count, word in odd if count]
        return ", ".join([f"{self.runs:,} run{'' if self.runs == 1 else 's'}", *said])

    def record(self) -> dict[str, Any]:
        """The table as plain JSON; `from_record` reads it."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain |= {"stand_ins": [asdict(one) for one in self.stand_ins], "answers": list(self.answers)}
        plain |= {"lines": [line.record() for line in self.lines], "circumstances": dict(self.circumstances)}
        return plain | {"finished": self.finished}

    @classmethod
    def from_record(cls, found: Mapping[str, Any]) -> "Table":
        """The table of a record."""
        plain = {name: value for name, value in found.items() if name != "finished"}
        plain |= {"stand_ins": tuple(StandIn(**one) for one in found["stand_ins"]), "answers": tuple(found["answers"])}
        return cls(**plain | {"lines": tuple(map(Line.from_record, found["lines"]))})


def make(published: Published, plan: Plan, rows: Sequence[Row], store: Store, preset: Preset) -> Table:
    """The table of a paper from the runs of a sweep, be they finished, failed or not computed yet.

    Parameters
    ----------
    rows : the runs of `plan`
    preset : the configuration of each cell of the preset without the user's overrides, as trees or flat

    Raises
    ------
    ConfigError
        If a figure names a parameter that there is not, or leaves open what the preset has several values of.
    """
    images, found = _matching(published, rows, preset)
    sought = Sought(published.name, found, store)
    lines = [_line(figure, taken, found) for figure in published.figures for taken in figures.take(figure, sought)]
    named = {answer.question: [line for line in lines if _of(line, answer.figures)] for answer in published.answers}
    deviation = found.deviation
    said = [reasons.answer(answer, named[answer.question], deviation.stand_ins) for answer in published.answers]
    states = [row.status for row in rows]
    return Table(
        **{key: getattr(published, key) for key in ("name", "title", "system", "measures")},
        images=images,
        sweep=plan.sweep,
        command=circumstances.command(published.name, plan),
        stand_ins=deviation.stand_ins,
        lines=tuple(lines),
        answers=tuple(said),
        circumstances=circumstances.of_rows(rows),
        runs=len(rows),
        failed=states.count(FAILED),
        pending=states.count(PENDING),
    )


def matching(published: Published, rows: Sequence[Row], preset: Preset, where: Mapping[str, Any]) -> list[Row]:
    """The runs that match a `where` of a paper as its figures do (stand-ins counted), finished ones first: of which
    its pictures are drawn and its artefacts exported.

    Raises
    ------
    ConfigError
        If `where` names a parameter that there is not.
    """
    _, found = _matching(published, rows, preset)
    own = found.found(where, f"papers/{published.name}.yaml: where")
    return sorted(own, key=lambda row: (row.status == PENDING, row.status == FAILED))


def _matching(published: Published, rows: Sequence[Row], preset: Preset) -> tuple[str, Matching]:
    """What images the runs are of, and the runs beside the preset."""
    words, same, other = _images(published, rows)
    deviation = stand_ins.compare(described.of_cells(preset), described.of_rows(rows), other, same)
    return words, Matching(rows, _given(deviation, published))


def _images(published: Published, rows: Sequence[Row]) -> tuple[str, bool, StandIn | None]:
    """What the data sets are, whether they are known to be the paper's, and what stands in for its images."""
    infos = {row.stages["dataset"]: row.records.get(row.stages["dataset"], {}).get("info") for row in rows}
    found = [stand_ins.photographs(published.images, info) for info in infos.values() if info]
    if not found:
        return "not read yet", False, None
    words = "; ".join(dict.fromkeys(text for text, _ in found))
    others = [text.removeprefix(stand_ins.OTHER) for text, same in found if same is False]
    other = StandIn(stand_ins.PHOTOGRAPHS, published.images.words, "; ".join(dict.fromkeys(others))) if others else None
    return words, all(same for _, same in found), other


def _given(deviation: Deviation, published: Published) -> Deviation:
    """`deviation` without the options that the preset leaves empty for the user to give."""
    inputs = {one.option for one in published.inputs}
    kept = tuple(one for one in deviation.stand_ins if one.key not in inputs or one.published != stand_ins.EMPTY)
    return dataclasses.replace(deviation, stand_ins=kept)


def _line(figure: Figure, taken: Taken, found: Matching) -> Line:
    estimate = taken.estimate
    interval = (estimate.low, estimate.high) if estimate else (None, None)
    over = estimate.over if estimate else None
    line = Line(
        name=f"{figure.name} ({taken.apart})" if taken.apart else figure.name,
        called=figure.called,
        metric=figure.metric if figure.category is None else f"{figure.metric} of {figure.category}",
        published=figure.published,
        ours=taken.value,
        low=interval[0],
        high=interval[1],
        samples=taken.samples,
        difference=_difference(figure.published, taken.value),
        inside=_inside(figure, *interval),
        runs=tuple(row.config_hash for row in taken.rows),
        over=over,
        images=estimate.n if estimate and "images" in (over or "") else None,
        fits=len(taken.rows),
        chance=taken.chance,
        percent=figure.percent,
        decimals=figure.decimals,
    )
    options = found.options[taken.rows[0].config_hash] if taken.rows else None
    return dataclasses.replace(line, why=reasons.why(figure, line, taken, found.deviation, options))


def _difference(published: Value, ours: Value) -> float | None:
    """Ours less published; of lists of one length, largest first, the mean of the absolute differences."""
    if isinstance(published, tuple) and isinstance(ours, tuple):
        pairs = list(zip(sorted(published), sorted(ours), strict=False))
        same = len(published) == len(ours)
        return sum(abs(own - theirs) for theirs, own in pairs) / len(pairs) if same and pairs else None
    numbers = isinstance(published, float) and isinstance(ours, float)
    return ours - published if numbers else None


def _inside(figure: Figure, low: float | None, high: float | None) -> bool | None:
    """Whether the published figure, with the half digit that its rounding hides, lies in the interval."""
    if low is None or not isinstance(figure.published, float):
        return None
    half = 0.5 * 10.0**-figure.decimals / (100 if figure.percent else 1)
    return low <= figure.published + half and high >= figure.published - half


def _of(line: Line, names: Sequence[str]) -> bool:
    return any(line.name == name or line.name.startswith(f"{name} (") for name in names)
