"""The table of a paper: published and ours side by side, with what stands in for what and why they differ."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench.engine.plan.frozen import Plan
from backbench.engine.results.joined_run import PENDING, Row
from backbench.papers import circumstances, described, figures, reasons, stand_ins
from backbench.papers.line import Line
from backbench.papers.matching import Matching
from backbench.papers.published import Figure, Published, Value, Where
from backbench.papers.results import Taken
from backbench.papers.stand_ins import StandIn
from backbench.store import FAILED, Store
from backbench.wording import counted

__all__ = ["Line", "StandIn", "Table", "make", "matching"]

Preset = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """What was published beside what came out here.

    `images` says what images these were; `sweep` is the full id; `command` reproduces the table, places on this
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
        lacking = ((self.failed, "failed"), (self.pending, "not computed yet"))
        return ", ".join([counted(self.runs, "run"), *(f"{count:,} {word}" for count, word in lacking if count)])

    def record(self) -> dict[str, Any]:
        """The table as plain JSON; `from_record` reads it."""
        return {**dataclasses.asdict(self), "finished": self.finished}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Table":
        """The table of a record."""
        plain = {name: value for name, value in record.items() if name != "finished"}
        plain["stand_ins"] = tuple(StandIn(**stand_in) for stand_in in record["stand_ins"])
        plain["lines"] = tuple(Line(**_tuples(line)) for line in record["lines"])
        return cls(**_tuples(plain))


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


def make(published: Published, plan: Plan, rows: Sequence[Row], store: Store, preset: Preset) -> Table:
    """The table of a paper from the runs of a sweep, be they finished, failed or not computed yet.

    Parameters
    ----------
    rows : the runs of `plan`
    preset : the configuration of each cell of the preset without the user's overrides

    Raises
    ------
    ConfigError
        If a figure names a parameter that there is not, or leaves open what the preset has several values of.
    """
    images, known = _matching(published, rows, preset)
    lines = [
        _line(figure, taken, known)
        for figure in published.figures
        for taken in figures.take(figure, published.name, known, store)
    ]
    instead = tuple(known.deviation.stand_ins)
    states = [row.status for row in rows]
    return Table(
        **{key: getattr(published, key) for key in ("name", "title", "system", "measures")},
        images=images,
        sweep=plan.sweep,
        command=circumstances.command(published.name, plan),
        stand_ins=instead,
        lines=tuple(lines),
        answers=tuple(reasons.answer(asked, _named(lines, asked.figures), instead) for asked in published.answers),
        circumstances=circumstances.of_rows(rows),
        runs=len(rows),
        failed=states.count(FAILED),
        pending=states.count(PENDING),
    )


def matching(published: Published, rows: Sequence[Row], preset: Preset, where: Where) -> list[Row]:
    """The runs that match a `where` of a paper as its figures do (stand-ins counted), finished ones first: of which
    its pictures are drawn and its artefacts exported.

    Raises
    ------
    ConfigError
        If `where` names a parameter that there is not.
    """
    _, known = _matching(published, rows, preset)
    matches = known.matches(where, f"papers/{published.name}.yaml: where")
    return sorted(matches, key=lambda row: (row.status == PENDING, row.status == FAILED))


def _matching(published: Published, rows: Sequence[Row], preset: Preset) -> tuple[str, Matching]:
    """What images the runs are of, and the runs beside the preset."""
    words, same, other = _images(published, rows)
    return words, Matching(rows, stand_ins.compare(described.of_cells(preset), described.of_rows(rows), other, same))


def _images(published: Published, rows: Sequence[Row]) -> tuple[str, bool, StandIn | None]:
    """What the data sets are, whether they are known to be the paper's, and what stands in for its images."""
    infos = {row.stages["dataset"]: row.records.get(row.stages["dataset"], {}).get("info") for row in rows}
    seen = [stand_ins.photographs(published.images, info) for info in infos.values() if info]
    if not seen:
        return "not read yet", False, None
    words = "; ".join(dict.fromkeys(text for text, _ in seen))
    others = dict.fromkeys(text.removeprefix(stand_ins.OTHER) for text, same in seen if same is False)
    other = StandIn(stand_ins.PHOTOGRAPHS, published.images.words, "; ".join(others)) if others else None
    return words, all(same for _, same in seen), other


def _line(figure: Figure, taken: Taken, known: Matching) -> Line:
    estimate = taken.estimate
    low, high, over = (estimate.low, estimate.high, estimate.over) if estimate else (None, None, None)
    line = Line(
        name=f"{figure.name} ({taken.apart})" if taken.apart else figure.name,
        metric=figure.metric if figure.category is None else f"{figure.metric} of {figure.category}",
        ours=taken.value,
        low=low,
        high=high,
        samples=taken.samples,
        difference=_difference(figure.published, taken.value),
        inside=_inside(figure, low, high),
        runs=tuple(row.config_hash for row in taken.rows),
        values=tuple(taken.values),
        over=over,
        images=estimate.n if estimate and "images" in (over or "") else None,
        fits=len(taken.rows),
        chance=taken.chance,
        **{key: getattr(figure, key) for key in ("called", "published", "percent", "decimals")},
    )
    options = known.options[taken.rows[0].config_hash] if taken.rows else {}
    return dataclasses.replace(line, why=reasons.why(figure, line, taken, known.deviation, options))


def _difference(published: Value, ours: Value) -> float | None:
    """Ours less published; of lists of one length, largest first, the mean of the absolute differences."""
    if isinstance(published, tuple) and isinstance(ours, tuple):
        if not ours or len(published) != len(ours):
            return None
        pairs = zip(sorted(published), sorted(ours), strict=True)
        return sum(abs(mine - theirs) for theirs, mine in pairs) / len(ours)
    return ours - published if isinstance(published, float) and isinstance(ours, float) else None


def _inside(figure: Figure, low: float | None, high: float | None) -> bool | None:
    """Whether the published figure, with the half digit that its rounding hides, lies in the range."""
    if low is None or high is None or not isinstance(figure.published, float):
        return None
    half = 0.5 * 10.0**-figure.decimals / (100 if figure.percent else 1)
    return low <= figure.published + half and high >= figure.published - half


def _named(lines: Sequence[Line], names: Sequence[str]) -> list[Line]:
    """The lines of the figures of these names, those apart from one another too."""
    return [line for line in lines if any(line.name == name or line.name.startswith(f"{name} (") for name in names)]
