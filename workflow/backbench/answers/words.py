"""The sentences of an answer for the terminal, the report and MLflow: the same words with other marks."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from backbench import hashing, templates
from backbench.answers import naming
from backbench.answers.figures import figures, points
from backbench.engine.results.joined_run import Row
from backbench.evaluate import agreement, configurations
from backbench.evaluate.answer import DatasetAnswer
from backbench.evaluate.learning_curves import Curve
from backbench.evaluate.untried import Untried
from backbench.evaluate.verdicts import Reading, Verdict
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, RETRIEVAL

TEMPLATE = "answer.jinja"
FOLDER = Path(__file__).parent
TEXT, HTML, MARKDOWN = "text", "html", "markdown"
# What Markdown would take for marks.
_MARKS = re.compile(r"([\\`*_\[\]<>|#])")
# What a person does with the run of a task that has image files: use it, by the command and what it takes.
USES = {
    CLASSIFICATION: ("predict", "IMAGE"),
    CLUSTERING: ("organise", "FOLDER"),
    RETRIEVAL: ("search", "IMAGE"),
}
# Without image files the run is used elsewhere. Either way a person looks at it and checks it.
ELSEWHERE, ALWAYS = "export", ("show", "reproduce")


@dataclass(frozen=True)
class Sentences:
    """`headline` says what to use and how sure that is; each of `details` is a sentence."""

    headline: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """A verdict in words, without what was not tried for other verdicts either: `shared` is said once for all.

    `curve` is how good its classifier is by the number of labels, where several were tried.
    """

    verdict: Verdict
    shared: tuple[Untried, ...] = ()
    curve: Curve | None = None

    @property
    def run(self) -> str:
        """Short hash of the run to use, "" where nothing can be recommended."""
        return hashing.short(self.verdict.run) if self.verdict.run else ""

    @property
    def row(self) -> Row | None:
        return self.verdict.row

    @property
    def commands(self) -> dict[str, str]:
        """What to type to use the run, to look at it and to check it, by the name of the command."""
        if self.row is None:
            return {}
        name, given = USES[self.verdict.task] if _has_files(self.row) else (ELSEWHERE, "")
        use = {name: f"backbench {name} {self.run} {given}".rstrip()}
        return use | {each: f"backbench {each} {self.run}" for each in ALWAYS}

    @cached_property
    def topic(self) -> str:
        return str(_module(TEXT).topic(self.verdict.task))

    @cached_property
    def text(self) -> Sentences:
        return self._sentences(TEXT)

    @cached_property
    def html(self) -> Sentences:
        """Escaped, for a page."""
        return self._sentences(HTML)

    @cached_property
    def markdown(self) -> Sentences:
        return self._sentences(MARKDOWN)

    def _sentences(self, style: str) -> Sentences:
        called = partial(naming.named, task=self.verdict.task, varying=self.verdict.varying)
        module = _module(style)
        details = _lines(module.details(self.verdict, called, self.shared))
        details += _lines(module.labels(self.curve)) if self.curve else []
        return Sentences(_whole(module.headline(self.verdict, called), style), tuple(_whole(d, style) for d in details))


@dataclass(frozen=True)
class Answer:
    """What is asked of data sets, and the verdicts of one of them."""

    of: DatasetAnswer

    @cached_property
    def verdicts(self) -> list[Words]:
        """The verdicts, by task."""
        return [Words(verdict, self.shared, self._curve(verdict)) for verdict in self.of.verdicts]

    def _curve(self, verdict: Verdict) -> Curve | None:
        """The learning curve of the classifier that a verdict recommends."""
        if verdict.task != CLASSIFICATION or verdict.row is None:
            return None
        key = configurations.beyond_shots(verdict.row, CLASSIFICATION)
        return next((curve for curve in self.of.learning_curves if curve.key == key), None)

    @cached_property
    def shared(self) -> tuple[Untried, ...]:
        """What was not tried for any of several verdicts."""
        verdicts = self.of.verdicts
        if len(verdicts) < 2:
            return ()
        return tuple(each for each in verdicts[0].untried if all(each in other.untried for other in verdicts))

    @property
    def question(self) -> str:
        """What the results answer, as plain text."""
        return self.asked()

    def asked(self, style: str = TEXT) -> str:
        """What the results answer."""
        return question([self.of], style)

    def notes(self, style: str = TEXT) -> list[str]:
        """What is to be known of all verdicts: runs that are missing, and what ranges are."""
        readings = [verdict.reported for verdict in self.of.verdicts]
        ranges = any(reading is not None and reading.estimate.over for reading in readings)
        module = _module(style)
        lines = (
            _lines(module.notes(self.of.counts, ranges, self.shared))
            if self.verdicts
            else [module.nothing(self.of.counts)]
        )
        return [_whole(line, style) for line in lines]


def _has_files(row: Row) -> bool:
    """Whether the images of a run's collection are files, so that others can be given in the same way."""
    return "files" in row.records.get(row.stages["dataset"], {}).get("info", {})


def answer(of: DatasetAnswer) -> Answer:
    """The answer on a data set in words."""
    return Answer(of)


def question(answers: Sequence[DatasetAnswer], style: str = TEXT) -> str:
    """What the results on data sets answer: what was varied, and for which collections."""
    example = answers[0].rows[0].name
    return _whole(_module(style).question(varied(answers), example, answers), style)


def warning(of: DatasetAnswer, style: str = TEXT) -> str:
    """Where internal metrics would choose a clustering that the classes do not support, in a sentence; "" nowhere."""
    misled = agreement.disagreements(of.agreements)
    others = {(each.matrix, each.space) for each in misled[1:]} - {(each.matrix, each.space) for each in misled[:1]}
    return _whole(_module(style).warning(misled[0], len(others)), style) if misled else ""


def varied(answers: Sequence[DatasetAnswer]) -> list[str]:
    """What there are several of: ``representation``, ``clusterer``, ``k``, ``classifier``."""

    def several(*names: str) -> bool:
        return any(len({tuple(row.params.get(name) for name in names) for row in each.rows}) > 1 for each in answers)

    def choices(name: str) -> bool:
        return any(len({row.params[name] for row in each.rows if name in row.params}) > 1 for each in answers)

    asked = {
        "representation": several("backbone.name", "classification.chain", "clustering.chain", "retrieval.chain"),
        "clusterer": several("clusterer.name"),
        "k": choices("k"),
        "classifier": several("classifier.name"),
    }
    return [name for name, there in asked.items() if there]


def _lines(text: Any) -> list[Any]:
    return [line for line in (line.strip() for line in text.split("\n")) if line]


def _whole(text: Any, style: str) -> str:
    """A sentence; on a page no line breaks between a number and its unit."""
    kept = text.strip()
    return kept.replace(" %", "\N{NO-BREAK SPACE}%") if style == HTML else str(kept)


@cache
def _module(style: str) -> Any:
    """The macros of the template with the marks of a style."""
    made = templates.environment([FOLDER], style == HTML)
    made.globals |= {"figures": figures, "points": points, "space": naming.space, "short": _short, "reading": Reading}
    made.globals |= _marks(style)
    return made.get_template(TEMPLATE).module


def _short(row: Row) -> str:
    return hashing.short(row.config_hash)


def _marks(style: str) -> dict[str, Callable[[str], str]]:
    """How names and what is typed are marked."""
    if style == HTML:
        from markupsafe import Markup

        return {"name": Markup("<bdi>{}</bdi>").format, "code": Markup("<code>{}</code>").format}
    if style == MARKDOWN:
        return {"name": lambda text: _MARKS.sub(r"\\\1", text), "code": "`{}`".format}
    return {"name": str, "code": str}
