"""The question of a sweep and its answers in words: every sentence from numbers, and only where its facts hold."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backbench import hashing
from backbench.evaluate import leaderboard_specs, leaderboards
from backbench.evaluate.estimates import Estimate
from backbench.evaluate.leaderboards import Entry, Leaderboard
from backbench.metrics import catalogue
from backbench.reports._part import Part, listed, number, percent, representation, title
from backbench.wording import counted

NAMED = 3
ACCURACY, AGREEMENT = catalogue.main("classification"), catalogue.main("clustering")
MATCHED = catalogue.metric("cluster_accuracy").name
WITHIN = "Clustering within "
PRECISION = catalogue.metric("precision_at_10").name.removesuffix("10")
# What is said of the best in brackets: the metric, and how.
SCORES = {
    "classification": [(ACCURACY, "{} right"), (leaderboard_specs.CHOOSERS[0], "{} right on validation")],
    "clustering": [(AGREEMENT, f"{catalogue.metric(AGREEMENT).title} {{}}")],
    "retrieval": [(name, "{} right") for name in catalogue.checked(*(f"{PRECISION}{k}" for k in (10, 5, 1)))],
}


@dataclass(frozen=True)
class Answer:
    """`lead` answers `topic`; the sentences say how good, how sure, and against what."""

    topic: str
    lead: str
    sentences: tuple[str, ...]
    run: str = ""


def question(parts: Sequence[Part]) -> str:
    """What the sweep asks, such as ``Which representation, clusterer, k and classifier for mnist (70,000 images)?``"""
    about = listed([part.about for part in parts], 6)
    asked = [name for name, there in _axes(parts) if there]
    if not asked:
        return f"How good is {parts[0].rows[0].name} for {about}?"
    return f"Which {listed(asked, 9)} for {about}?"


def answers(part: Part) -> list[Answer]:
    """The answers that the results of a data set give."""
    found = [_classifier(part), *_clustering(part), _retrieval(part)]
    there = [one for one in found if one]
    if not there:
        said = "Nothing to compare is done yet." if part.count("pending") else "No head was asked for or came through."
        return [Answer("Answer", said, ())]
    return there


def estimate(metric: str, value: Estimate) -> str:
    """``82.3 % (95 % interval 78.6 % to 85.9 %, over images)``."""
    show = percent if catalogue.metric(metric).share else number
    if value.over is None:
        return show(value.mean)
    return f"{show(value.mean)} (95 % interval {show(value.low)} to {show(value.high)}, over {value.over})"


def _axes(parts: Sequence[Part]) -> list[tuple[str, bool]]:
    def several(*names: str) -> bool:
        return any(len({tuple(row.params.get(name) for name in names) for row in part.rows}) > 1 for part in parts)

    spaces = several("backbone.name", "classification.chain", "clustering.chain", "retrieval.chain")
    ks = any(len(part.ks) > 1 for part in parts)
    classifier = several("classifier.name")
    return [
        ("representation", spaces),
        ("clusterer", several("clusterer.name")),
        ("k", ks),
        ("classifier", classifier),
    ]


def _classifier(part: Part) -> Answer | None:
    table = part.table("classification")
    if table is None:
        return None
    best = table.entries[0]
    test, held = best.values.get(ACCURACY), part.info.get("counts", {}).get("test")
    said = []
    if test is not None and not math.isnan(test.mean):
        of = f"of the {held:,} test images" if held else "of the test images"
        said.append(f"It classifies {percent(test.mean)} {of} right{_interval(ACCURACY, test)}.")
    chooser, rank = best.values.get(table.spec.rank), catalogue.metric(table.spec.rank)
    if chooser is not None and rank.name != ACCURACY:
        said.append(f"It was chosen by {rank.words}, {percent(chooser.mean)}, not by the test images.")
    if table.spec.caveat:
        said.append(table.spec.caveat)
    return _answer("Classifier", table, [*said, *_others(table)])


def _clustering(part: Part) -> Iterable[Answer]:
    table = part.table("clustering")
    if table is None:
        return
    if table.spec.space is not None:
        yield from _unlabelled(part)
        return
    best = table.entries[0]
    rank = table.spec.rank
    said = [f"Its {catalogue.metric(rank).words} is {estimate(rank, best.values[rank])}."]
    if (right := best.values.get(MATCHED)) and not math.isnan(right.mean):
        said.append(
            f"With each cluster matched to one class, {percent(right.mean)} of the images are in the right one."
        )
    yield _answer("Clustering", table, [*said, *_k(part, best), *_others(table), *_alone(part, best)])


def _unlabelled(part: Part) -> Iterable[Answer]:
    """Without classes there is one choice for each representation, and nothing that ranks these."""
    several = len(part.chosen) > 1
    for one in part.chosen:
        decision = one["decision"]
        said = [f"Chosen because {decision['reason']}."] if decision["chosen"] else []
        said += ["Another representation's internal metrics cannot be compared with these."] if several else []
        lead = decision["chosen"]["name"] if decision["chosen"] else f"none: {decision['reason']}"
        run = hashing.short(decision["chosen"]["run"]) if decision["chosen"] else ""
        yield Answer(f"{WITHIN}{one['title']}", lead, tuple(said), run)


def _retrieval(part: Part) -> Answer | None:
    table = part.table("retrieval")
    if table is None:
        return None
    metric = table.spec.rank
    value, depth = table.entries[0].values.get(metric), metric.rpartition("_")[2]
    said = []
    if value is not None and metric.startswith(PRECISION):
        what = f"Of the {depth} nearest images" if depth != "1" else "Of the nearest images"
        said.append(f"{what}, {percent(value.mean)} are of the query's class{_interval(metric, value)}.")
    elif value is not None:
        said.append(f"Its {catalogue.metric(metric).words} is {estimate(metric, value)}.")
    return _answer("Retrieval", table, [*said, *_others(table)])


def _answer(topic: str, table: Leaderboard, sentences: Sequence[str]) -> Answer:
    best = table.entries[0]
    return Answer(topic, title(best.row, table.spec.head), tuple(sentences), hashing.short(best.config_hash))


def _interval(metric: str, value: Estimate) -> str:
    found = estimate(metric, value).partition(" (")
    return f" ({found[2]}" if found[2] else ""


def _others(table: Leaderboard) -> Iterable[str]:
    """Who else shares the first rank, and how many are worse."""
    head, others = table.spec.head, [entry for entry in table.entries[1:] if entry.tested]
    if len(table.entries) == 1:
        yield "It is the only one that was tried."
    elif not table.entries[0].tested or not others:
        yield "Whether the others are really worse was not tested: ranks are by value."
    elif tied := [entry for entry in others if entry.rank == table.entries[0].rank]:
        names = listed([title(entry.row, head) for entry in tied], NAMED)
        of = f"{len(tied):,} of the {len(others):,} others" if len(tied) < len(others) else "any other"
        yield f"The {leaderboards.images_of(table.spec)} cannot tell it from {of}: {names}."
    else:
        yield f"None of the other {len(others):,} shares its rank on the {leaderboards.images_of(table.spec)}."


def _k(part: Part, best: Entry) -> Iterable[str]:
    k, classes = best.params.get("k"), len(part.classes)
    if k is None:
        return
    if len(part.ks) > 1 and k == part.ks[-1]:
        yield f"Its k, {k}, is the largest that was tried: larger ones may be better yet."
    elif k == classes:
        yield f"Its k is the number of classes, {classes}."
    elif classes:
        yield f"Its k is {k}; there are {classes} classes."


def _alone(part: Part, best: Entry) -> Iterable[str]:
    """What the policy, which knows no classes, would have chosen in the same representation."""
    matrix = best.row.plan.stages[best.row.run.stages["clustering"]].parents["matrix"][1]
    one = next((found for found in part.chosen if found["matrix"] == matrix), None)
    chosen = one and one["decision"]["chosen"]
    if not chosen or AGREEMENT not in best.values:
        return
    policy = part.selection["policy"]
    blind = not any(catalogue.LABELS in catalogue.metric(name).needs for name in policy["metrics"])
    if chosen["member"] in {row.run.stages["clustering"] for row in best.rows}:
        yield "Internal metrics alone chose the same." if blind else f"The policy {policy['name']} chose the same."
    elif (agrees := chosen["metrics"].get(AGREEMENT)) is not None:
        who = "Internal metrics alone" if blind else f"The policy {policy['name']}"
        name = catalogue.metric(AGREEMENT).title
        space, own = representation(best.row, "clustering"), number(best.values[AGREEMENT].mean)
        yield f"{who} would have chosen {chosen['name']} on {space}: {name} {number(agrees)} instead of {own}."


def short(part: Part, found: Sequence[Answer]) -> str:
    """The answers of a data set in one sentence: ``Classify with svm on pixels (82.3 % right), cluster with ...``"""
    verbs = {"classification": "classify with", "clustering": "cluster with", "retrieval": "retrieve with"}
    firsts = {head: table.entries[0] for head in verbs if (table := part.table(head)) and table.spec.space is None}
    said = [f"{verbs[head]} {title(entry.row, head)}{_score(head, entry)}" for head, entry in firsts.items()]
    chosen = [one for one in found if one.topic.startswith(WITHIN)]
    said += [f"cluster with {one.lead} within {one.topic.removeprefix(WITHIN)}" for one in chosen if len(chosen) == 1]
    text = listed(said)
    first = [f"{text[0].upper()}{text[1:]}."] if text else []
    if len(chosen) > 1:
        first.append(
            f"Nothing ranks {counted(len(chosen), 'representation')} without classes: each has its clustering."
        )
    return " ".join(first) or found[0].lead


def _score(head: str, entry: Entry) -> str:
    """How good it is, in brackets."""
    for metric, form in SCORES[head]:
        value = entry.values.get(metric)
        if value is not None and not math.isnan(value.mean):
            score = form.format(percent(value.mean) if "right" in form else f"{value.mean:.2f}")
            same = (
                f", not told apart from {counted(entry.tied - 1, 'other')}" if entry.tested and entry.tied > 1 else ""
            )
            return f" ({score}{same})"
    return ""
