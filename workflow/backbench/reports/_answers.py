"""What the results of a data set answer: the best of each task with the facts; the sentences are the template's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from backbench import hashing
from backbench.evaluate import leaderboard_specs
from backbench.evaluate.estimates import Estimate
from backbench.evaluate.leaderboards import Entry, Leaderboard
from backbench.metrics import catalogue
from backbench.reports._part import Part, representation, title

TASKS = CLASSIFICATION, CLUSTERING, RETRIEVAL = "classification", "clustering", "retrieval"
ACCURACY, AGREEMENT = catalogue.main(CLASSIFICATION), catalogue.main(CLUSTERING)
MATCHED = catalogue.metric("cluster_accuracy").name
PRECISION = catalogue.metric("precision_at_10").name.removesuffix("10")
# What the summary says of the best of a task: the first of these that it has.
SCORES = {
    CLASSIFICATION: (ACCURACY, leaderboard_specs.CHOOSERS[0]),
    CLUSTERING: (AGREEMENT,),
    RETRIEVAL: catalogue.checked(*(f"{PRECISION}{k}" for k in (10, 5, 1))),
}


@dataclass(frozen=True)
class Answer:
    """The best of a task, or what the policy chose in one `space`, with the run to look at; `lead` names it.

    `rank` is the metric of the ranking and `value` its estimate, None where the best has none; `score` is what the
    summary says. `tied` are the others that share the first rank. `facts` are of this task alone.
    """

    task: str
    lead: str
    run: str = ""
    space: str = ""
    rank: str = ""
    value: Estimate | None = None
    score: tuple[str, Estimate] | None = None
    caveat: str = ""
    images: str = ""
    others: int = 0
    tested: bool = False
    tied: Sequence[str] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def varied(parts: Sequence[Part]) -> list[str]:
    """What the sweep has several of: ``representation``, ``clusterer``, ``k``, ``classifier``."""

    def several(*names: str) -> bool:
        return any(len({tuple(row.params.get(name) for name in names) for row in part.rows}) > 1 for part in parts)

    asked = {
        "representation": several("backbone.name", "classification.chain", "clustering.chain", "retrieval.chain"),
        "clusterer": several("clusterer.name"),
        "k": any(len(part.ks) > 1 for part in parts),
        "classifier": several("classifier.name"),
    }
    return [name for name, there in asked.items() if there]


def answers(part: Part) -> list[Answer]:
    """The answers that the results of a data set give, by task."""
    return list(_answers(part))


def _answers(part: Part) -> Iterator[Answer]:
    for task in TASKS:
        table = part.table(task)
        if table is not None and table.spec.space is not None:
            yield from _choices(part)
        elif table is not None:
            yield _best(part, task, table)


def _best(part: Part, task: str, table: Leaderboard) -> Answer:
    first, *others = table.entries
    score = next(((name, value) for name in SCORES[task] if (value := defined(first, name))), None)
    compared = [entry for entry in others if entry.tested]
    return Answer(
        task=task,
        lead=title(first.row, task),
        run=hashing.short(first.config_hash),
        rank=table.spec.rank,
        value=first.values.get(table.spec.rank),
        score=score,
        caveat=table.spec.caveat,
        images=catalogue.metric(table.spec.rank).images,
        others=len(compared) if compared and first.tested else len(others),
        tested=first.tested and bool(compared),
        tied=[title(entry.row, task) for entry in compared if entry.rank == first.rank],
        facts=_FACTS[task](part, first),
    )


def defined(entry: Entry, name: str) -> Estimate | None:
    """The estimate of a metric, None where there is none or it is undefined."""
    value = entry.values.get(name)
    return None if value is None or value.mean != value.mean else value


def _classifier(part: Part, first: Entry) -> dict[str, Any]:
    return {"accuracy": defined(first, ACCURACY), "held": part.info.get("counts", {}).get("test")}


def _clustering(part: Part, first: Entry) -> dict[str, Any]:
    k = first.params.get("k")
    largest = len(part.ks) > 1 and k == part.ks[-1]
    known = {"k": k, "largest": largest, "classes": len(part.classes)}
    return {**known, "matched": defined(first, MATCHED), "blind": _blind(part, first)}


def _search(part: Part, first: Entry) -> dict[str, Any]:
    return {}


_FACTS = {CLASSIFICATION: _classifier, CLUSTERING: _clustering, RETRIEVAL: _search}


def _blind(part: Part, first: Entry) -> dict[str, Any] | None:
    """What the policy would have chosen in the same representation; `policy` is empty where it sees no classes."""
    matrix = first.row.plan.stages[first.row.run.stages[CLUSTERING]].parents["matrix"][1]
    choice = next((space["decision"]["chosen"] for space in part.chosen if space["matrix"] == matrix), None)
    if not choice or AGREEMENT not in first.values:
        return None
    same = choice["member"] in {row.run.stages[CLUSTERING] for row in first.rows}
    agreement = choice["metrics"].get(AGREEMENT)
    if not same and agreement is None:
        return None
    policy = part.selection["policy"]
    sees = any("labels" in catalogue.metric(name).needs for name in policy["metrics"])
    values = {"agreement": agreement, "best": first.values[AGREEMENT].mean, "metric": AGREEMENT}
    space = representation(first.row, CLUSTERING)
    return {"policy": policy["name"] if sees else "", "same": same, "name": choice["name"], "space": space, **values}


def _choices(part: Part) -> Iterator[Answer]:
    """Without classes there is one choice for each representation, and nothing that ranks these."""
    for choice in part.chosen:
        decision = choice["decision"]
        chosen = decision["chosen"]
        facts = {"reason": decision["reason"], "several": len(part.chosen) > 1}
        name, run = (chosen["name"], hashing.short(chosen["run"])) if chosen else ("", "")
        yield Answer("choice", name, run, choice["title"], facts=facts)
