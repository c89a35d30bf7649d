"""``backbench select``: which k, and which clustering, from the results that are there."""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from backbench import hashing, paths
from backbench.cli.answer import headlines
from backbench.cli.leaderboard import cell, screen, warn
from backbench.engine.results import ledger, tables
from backbench.evaluate import answer as results
from backbench.evaluate import recommendations, selection
from backbench.evaluate.answer import DatasetAnswer
from backbench.evaluate.best_k import CRITERIA, Choice, Family
from backbench.evaluate.candidates import HEAD
from backbench.evaluate.how_many import Estimate
from backbench.evaluate.recommendations import Recommendation
from backbench.evaluate.selection import Decision, Policy
from backbench.metrics import catalogue
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel
from backbench.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

SHOWN_METRICS = catalogue.checked(
    "silhouette", "silhouette_sampled", "davies_bouldin", "calinski_harabasz", "noise_fraction", "ami"
)
LISTED_KS = 6

Groups = Mapping[str, list[tuple[Recommendation, Policy]]]


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    rows = ledger.all_rows(store)
    rows = tables.meeting(rows, args.filter)
    answers = results.by_dataset(rows, store, panel.counting("judging clusterings"))
    groups = _answers(answers, _asked(args.policy), args.metric)
    if not any(groups.values()):
        raise ConfigError("no recorded clustering matches; run `backbench sweep` first.")
    if args.format == "table":
        _show(groups)
        if not (args.policy or args.metric):
            print(*headlines(answers.values(), (HEAD,)), "more: backbench answer", sep="\n")
        warn(rows)
    else:
        print((_csv if args.format == "csv" else _json)(groups), end="")
    return 0


def _asked(name: str | None) -> Policy | None:
    """The policy of that name in ``conf/selection``."""
    if name is None:
        return None
    from backbench import compose

    return selection.parse(compose.expand(["experiment=none", f"selection={name}"]).settings["selection"])


def _answers(datasets: Mapping[str, DatasetAnswer], asked: Policy | None, metrics: Sequence[str]) -> Groups:
    """Recommendations with their policies by dataset; if none is requested, that of a representation's newest sweep."""
    groups = {}
    for title, answer in datasets.items():
        plans = {row.run.stages[HEAD]: row.plan for row in answer.rows if HEAD in row.run.stages}
        answers = []
        for representation in answer.representations:
            newest = recommendations.newest(plans[member] for member in representation.members)
            policy = asked or recommendations.policy_of(newest)
            policy = selection.with_metrics(policy, metrics) if metrics else policy
            judgement = answer.judgement if policy.judged else None
            answers.append((recommendations.recommend(representation, policy, judgement), policy))
        groups[title] = answers
    return groups


def _show(groups: Groups) -> None:
    console = screen(sys.stdout)
    for title, answers in groups.items():
        if not answers:
            continue
        console.print(f"[bold]{title}[/bold]")
        policies = list(dict.fromkeys(str(policy) for _, policy in answers))
        if len(policies) == 1:
            console.print(f"by {policies[0]}", markup=False, soft_wrap=True)
        for answer, policy in answers:
            console.print()
            console.print(_table(answer))
            console.print(_how_many(answer))
            for line in [*_decided(answer.decision), *([f"by {policy}"] if len(policies) > 1 else [])]:
                console.print(f"  {line}", markup=False, soft_wrap=True)
        console.print()


def _table(answer: Recommendation) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    there = {choice.criterion for family in answer.families for choice in family.choices}
    criteria = [name for name in CRITERIA if name in there]
    table = Table(title=escape(f"{answer.representation.title}: best k"), title_justify="left", box=None)
    table.add_column("clusterer", no_wrap=True)
    table.add_column("searched", no_wrap=True)
    for name in criteria:
        title = catalogue.metric(name).short if catalogue.known(name) else name
        table.add_column(title, justify="right", no_wrap=True)
    for family in answer.families:
        cells = [_cell(family.choice(name)) for name in criteria]
        table.add_row(escape(family.name), _searched(family), *cells)
    return table


def _how_many(answer: Recommendation) -> "Table":
    """What each criterion answers, and from which families; why one does not."""
    from rich.markup import escape
    from rich.table import Table

    classes = answer.representation.classes
    known = f" ({counted(classes, 'class')})" if classes else ""
    table = Table(title=f"how many clusters?{known}", title_justify="left", box=None)
    table.add_column("criterion", no_wrap=True)
    table.add_column("clusters")
    table.add_column("note")
    for estimate in answer.estimates:
        name = estimate.criterion
        title = catalogue.metric(name).title if catalogue.known(name) else name
        table.add_row(title, escape(_numbers(estimate)), escape(estimate.note))
    return table


def _numbers(estimate: Estimate) -> str:
    """Numbers of clusters with the families that come to each, or numbers alone where all are of one."""
    names = {name for answer in estimate.answers for name in answer.families}
    if len(names) == 1 and len(estimate.answers) > 1:
        return ", ".join(str(answer.k) for answer in estimate.answers)
    return ", ".join(f"{answer.k} ({', '.join(answer.families)})" for answer in estimate.answers) or "-"


def _cell(choice: Choice | None) -> str:
    if choice is None or choice.k is None:
        return "-"
    return f"{choice.k}+" if choice.edge else str(choice.k)


def _searched(family: Family) -> str:
    """The values of k that were tried, or what a clusterer that finds k itself came to."""
    if not family.ks:
        first = family.members[0]
        clusters = "" if math.isnan(first.clusters) else f": {counted(int(first.clusters), 'cluster')}"
        return f"finds k{clusters}, {100 * first.noise:.1f} % noise"
    seeds = f", {len(family.seeds)} seeds" if len(family.seeds) > 1 else ""
    return f"k {grid(family.ks)}{seeds}"


def grid(ks: Sequence[int]) -> str:
    """Values of k in few words: ``2..15``, ``2, 5, 10`` or ``2..40 (12 values)``."""
    if len(ks) > 2 and ks[-1] - ks[0] == len(ks) - 1:
        return f"{ks[0]}..{ks[-1]}"
    return ", ".join(map(str, ks)) if len(ks) <= LISTED_KS else f"{ks[0]}..{ks[-1]} ({len(ks)} values)"


def _decided(decision: Decision) -> Iterable[str]:
    chosen = decision.chosen
    if chosen is None:
        yield f"chosen: none; {decision.reason}"
    else:
        metrics = "  ".join(f"{name} {cell(chosen.metrics[name])}" for name in SHOWN_METRICS if name in chosen.metrics)
        yield f"chosen: {chosen.label}   run {hashing.short(chosen.run)}   {metrics}"
        yield f"reason: {decision.reason}"
    if decision.left_out:
        yield f"left out: {_counted([fault.reason for fault in decision.left_out])}"
    if decision.pending:
        yield f"provisional: {counted(decision.pending, 'clustering')} pending"


def _counted(reasons: Sequence[str]) -> str:
    kinds = [("too much noise" if "noise, more than" in reason else reason) for reason in reasons]
    return ", ".join(f"{kinds.count(kind)} ({kind})" for kind in dict.fromkeys(kinds))


def _json(groups: Groups) -> str:
    records = [
        {"policy": recommendations.policy_json(policy), **recommendations.plain(answer)}
        for answers in groups.values()
        for answer, policy in answers
    ]
    return json.dumps(records, indent=1, allow_nan=False) + "\n"


def _csv(groups: Groups) -> str:
    """A line for each family; the decision of its representation is in each."""
    records = [
        {**_named(answer), **_family(family), **_choice(answer.decision, policy)}
        for answers in groups.values()
        for answer, policy in answers
        for family in answer.families
    ]
    return tables.to_csv(records, list(dict.fromkeys(key for record in records for key in record)))


def _named(answer: Recommendation) -> tables.Record:
    names = ("dataset", "dataset_hash", "backbone", "chain", "scope", "matrix")
    return {name: getattr(answer.representation, name) for name in names}


def _family(family: Family) -> tables.Record:
    named = {
        "family": family.name,
        "k_searched": " ".join(map(str, family.ks)),
        "seeds": " ".join(map(str, family.seeds)),
    }
    chosen = {name: family.choice(name) for name in CRITERIA}
    return {**named, **{f"k_{name}": choice.k if choice else None for name, choice in chosen.items()}}


def _choice(decision: Decision, policy: Policy) -> tables.Record:
    chosen = decision.chosen
    named = {"policy": policy.name, "chosen": chosen and chosen.label, "chosen_run": chosen and chosen.run}
    return {**named, "reason": decision.reason, "pending": decision.pending}
