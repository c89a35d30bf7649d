"""Why a figure of ours is what it is beside the published one, in sentences."""

from collections.abc import Sequence
from dataclasses import replace

from backbench.papers.derived import OPEN
from backbench.papers.described import Options
from backbench.papers.figures import Taken
from backbench.papers.line import SEEDS, TRAININGS, Line, counted, listed
from backbench.papers.published import CHOSEN, ELBOW, Answer, Figure
from backbench.papers.results import head_of
from backbench.papers.stand_ins import PHOTOGRAPHS, PLUGINS, Deviation, StandIn, shown

# Of fewer seeds a bootstrap interval is clearly too narrow (`statistics.intervals.over_seeds`).
FEW = 10
# Options that a head depends on whatever it is, and its own.
BEFORE = (PHOTOGRAPHS, "dataset", "backbone")
OWN = {
    "clustering": ("clusterer", "clustering", "k", "chain"),
    "classification": ("classifier", "classification", "chain"),
    "retrieval": ("retrieval", "chain"),
}
# Of a sweep that has less than the preset: what changes a figure that is there all the same.
NARROWED = {ELBOW: ("k",), CHOSEN: ("k", "clusterer")}


def why(figure: Figure, line: Line, taken: Taken, deviation: Deviation, options: Options | None) -> tuple[str, ...]:
    """The sentences of a line, in this order: chance, stand-ins, the paper's own, and what is missing.

    `options` are those of a run behind it, None where there is none.
    """
    if line.ours is None:
        return (*_sentence(taken.reason), *_sentence(figure.differs))
    before = [*_chance(line), *_digits(line)]
    found = options or {}
    instead = [one for one in deviation.stand_ins if _concerns(one, figure, taken, deviation, found)]
    said = [stand_in(_its_own(one, figure, deviation, found)) for one in instead]
    return (*before, *said, *_sentence(figure.differs), *taken.notes)


def stand_in(one: StandIn) -> str:
    """A stand-in as a sentence."""
    if one.key == PHOTOGRAPHS:
        return f"Other photographs: {one.ours}."
    if one.narrowed:
        return f"Narrowed to {one.key} {one.ours} of {one.published}."
    return f"Stand-in: {one.words}."


def answer(asked: Answer, lines: Sequence[Line], stand_ins: Sequence[StandIn]) -> str:
    """A question of the paper answered by the lines that it names, each by whether the published figure lies inside its
    interval, else by how near it is."""
    here = " here, with stand-ins" if stand_ins else ""
    own = [line for line in lines if line.difference is not None and not isinstance(line.published, tuple)]
    if len(own) < len(asked.figures):
        there = listed([line.name for line in own]) if own else "none of them"
        return f"{asked.question} Not decided{here}: there is a figure of ours for {there} alone."
    nearest = sorted(own, key=lambda line: abs(line.difference))
    off = [f"{line.name} is off by {line.difference_text}" for line in nearest]
    inside = [line for line in own if line.inside]
    if any(line.inside is None for line in own):
        return f"{asked.question} Nearest{here}, though without an interval over seeds: {'; '.join(off)}."
    if not inside:
        return f"{asked.question} No interval holds it{here}; {'; '.join(off)}."
    if len(inside) > 1:
        held = listed([line.name for line in inside])
        return f"{asked.question} Not decided{here}: the intervals of {held} hold it; {'; '.join(off)}."
    rest = [text for line, text in zip(nearest, off, strict=True) if not line.inside]
    return f"{asked.question} {_capital(inside[0].name)}{here}: its interval holds it; {'; '.join(rest)}."


def _chance(line: Line) -> list[str]:
    """What chance has to do with it."""
    if line.published is None or not isinstance(line.published, float):
        return []
    if line.inside is not None:
        few = 1 < line.samples < FEW
        side = "inside" if line.inside else "outside"
        narrow = ", which is too narrow for so few" if few else ""
        return [f"The published figure lies {side} the 95 % interval over {_over(line)}{narrow}."]
    return ["One fit says nothing of chance."] if line.chance else ["No seed changes the fit: there is no interval."]


def _over(line: Line) -> str:
    images = counted(line.images, "images") if line.images else ""
    seeds = counted(line.samples, TRAININGS if line.over == TRAININGS else SEEDS) if line.samples > 1 else ""
    return " and ".join(filter(None, (images, seeds)))


def _digits(line: Line) -> list[str]:
    if isinstance(line.published, tuple):
        return ["Compared place by place, the largest first; the difference is the mean of the absolute differences."]
    return ["Ours, rounded as it is, has the published digits."] if line.same_digits else []


def _concerns(one: StandIn, figure: Figure, taken: Taken, deviation: Deviation, options: Options) -> bool:
    """Whether a stand-in has to do with a figure."""
    head = head_of(figure.metric)
    root = one.key.partition(".")[0]
    if one.key == "seed":
        return taken.chance
    if root not in (*BEFORE, *OWN[head]) or (one.key.startswith("retrieval.chain") and head != "retrieval"):
        return False
    if one.narrowed:
        return one.key in NARROWED.get(figure.metric, ())
    name = _option(one.key, head)
    if one.of is not None:
        return one.of in options.values()
    return name not in options or name not in deviation.replaced or deviation.stands_in(name, options[name])


def _its_own(one: StandIn, figure: Figure, deviation: Deviation, options: Options) -> StandIn:
    """A stand-in with the value of this run alone, where the sweep has several and the figure is not over them."""
    name = _option(one.key, head_of(figure.metric))
    if one.narrowed or name.startswith(OPEN.get(figure.metric, ("seed",))) or name not in options:
        return one
    return replace(one, ours=shown(options[name])) if deviation.stands_in(name, options[name]) else one


def _option(key: str, head: str) -> str:
    """The option behind the word that a stand-in has for it."""
    words = {**{name: f"{name}.name" for name in ("dataset", *PLUGINS)}, "retrieval": "retrieval.metric"}
    return {**words, "chain": f"{head}.chain"}.get(key, key)


def _sentence(text: str | None) -> list[str]:
    return [f"{_capital(text.rstrip('.'))}."] if text else []


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
