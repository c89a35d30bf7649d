"""Why a figure of ours is what it is beside the published instead: which sentences of the template hold."""

from collections.abc import Sequence
from dataclasses import replace

from backbench.papers import sentences
from backbench.papers.derived import OPEN
from backbench.papers.described import Options
from backbench.papers.line import Line
from backbench.papers.published import CHOSEN, ELBOW, Answer, Figure
from backbench.papers.results import Taken, task_of
from backbench.papers.stand_ins import PHOTOGRAPHS, PLUGINS, Deviation, StandIn, shown

# Options that a task depends on whatever it is, and its own.
BEFORE = (PHOTOGRAPHS, "dataset", "backbone")
OWN = {
    "clustering": ("clusterer", "clustering", "k", "chain"),
    "classification": ("classifier", "classification", "chain"),
    "retrieval": ("retrieval", "chain"),
}
# Of a sweep that has less than the preset: what changes a figure that is there all the same.
NARROWED = {ELBOW: ("k",), CHOSEN: ("k", "clusterer")}


def why(figure: Figure, line: Line, taken: Taken, deviation: Deviation, options: Options) -> tuple[str, ...]:
    """The sentences of a line, in this order: chance, stand-ins, the paper's own, and what is missing.

    `options` are those of a run behind it.
    """
    if line.ours is None:
        return tuple(map(_sentence, filter(None, (taken.reason, figure.differs))))
    concerned = [instead for instead in deviation.stand_ins if _concerns(instead, figure, taken, deviation, options)]
    replaced = [stand_in(_narrowed(instead, figure, deviation, options)) for instead in concerned]
    return (*_chance(line), *replaced, *([_sentence(figure.differs)] if figure.differs else []), *taken.notes)


def stand_in(instead: StandIn) -> str:
    """A stand-in as a sentence."""
    if instead.key == PHOTOGRAPHS:
        return sentences.other_images(instead.ours)
    return (
        sentences.narrowed(instead.key, instead.ours, instead.published)
        if instead.narrowed
        else sentences.stand_in(instead.words)
    )


def answer(asked: Answer, lines: Sequence[Line], stand_ins: Sequence[StandIn]) -> str:
    """A question of the paper answered by the lines that it names, each by whether the published figure lies inside its
    range, else by how near it is."""
    numbers = [line for line in lines if line.difference is not None and not isinstance(line.published, tuple)]
    nearest = sorted(numbers, key=lambda line: abs(line.difference or 0.0))
    return sentences.answer(asked.question, len(asked.figures), numbers, nearest, stand_ins)


def _chance(line: Line) -> list[str]:
    """What chance has to do with it, and how its digits compare."""
    if isinstance(line.published, tuple):
        return [sentences.by_place()]
    digits = [sentences.digits()] if line.same_digits else []
    if not isinstance(line.published, float):
        return digits
    if line.inside is None:
        return [sentences.single(line.chance), *digits]
    return [sentences.interval(line), *digits]


def _concerns(instead: StandIn, figure: Figure, taken: Taken, deviation: Deviation, options: Options) -> bool:
    """Whether a stand-in has to do with a figure."""
    task = task_of(figure.metric)
    root = instead.key.partition(".")[0]
    if instead.key == "seed":
        return taken.chance
    if root not in (*BEFORE, *OWN[task]) or (instead.key.startswith("retrieval.chain") and task != "retrieval"):
        return False
    if instead.narrowed:
        return instead.key in NARROWED.get(figure.metric, ())
    name = _option(instead.key, task)
    if instead.of is not None:
        return instead.of in options.values()
    return name not in options or name not in deviation.replaced or deviation.stands_in(name, options[name])


def _narrowed(instead: StandIn, figure: Figure, deviation: Deviation, options: Options) -> StandIn:
    """A stand-in with the value of this run alone, where the sweep has several and the figure is not over them."""
    name = _option(instead.key, task_of(figure.metric))
    if instead.narrowed or name.startswith(OPEN.get(figure.metric, ("seed",))) or name not in options:
        return instead
    return replace(instead, ours=shown(options[name])) if deviation.stands_in(name, options[name]) else instead


def _option(key: str, task: str) -> str:
    """The option behind the word that a stand-in has for it."""
    words = {**PLUGINS, "dataset": "dataset.name", "retrieval": "retrieval.metric", "chain": f"{task}.chain"}
    return words.get(key, key)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
