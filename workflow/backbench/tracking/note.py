"""The note of a summary run: what the sweep is, and what to look at in MLflow's pages (no mlflow)."""

import math
import shlex
from collections.abc import Iterator, Sequence

from backbench import hashing
from backbench.evaluate import leaderboard_specs
from backbench.evaluate.answer import SweepAnswer
from backbench.metrics import catalogue
from backbench.papers.table import Table
from backbench.store import FAILED
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results import tables
from backbench.sweep.results.joined_run import FINISHED, Row
from backbench.tracking import published

# What the best of each task is called; the task's main metric ranks it, classifiers the metric of their leaderboard.
BEST = (("Classifier", "classification"), ("Clustering", "clustering"), ("Retrieval", "retrieval"))
LOOK = """\
### What to look at

1. **Table**: *Group by* `backbone.name` (or `chain`, `clusterer.name`, `classifier.name`); sort by `val_accuracy` to \
choose, read `accuracy` (test) to report. Runs that share a fit have the same value: count each once.
2. **Chart view / Compare**: tick a few runs, *Compare*, then *Parallel coordinates* over `backbone.name`, `chain`, \
`clusterer.name`, `k` and a metric.
3. **This run, Model metrics**: `silhouette/...`, `ami/...` and the others are curves over k: the step is k.
4. **This run, Artifacts**: `pictures/` and `report.html`, the whole answer on one page. Runs that were drawn have \
`pictures/` of their own.

Silhouette, Davies-Bouldin and Calinski-Harabasz compare clusterings of one representation only: never rank different \
backbones or chains by them."""


def note(answer: SweepAnswer, dataset: str, paper: Table | None = None) -> str:
    """Markdown for the summary run of a sweep on one data set, with the table of the `paper` that it reproduces."""
    plan, rows = answer.plan, answer.of_dataset(dataset)
    counts = {status: sum(row.status == status for row in rows) for status in (FINISHED, FAILED)}
    failed = f", {counts[FAILED]} failed" if counts[FAILED] else ""
    title = f"## Sweep {hashing.short(plan.sweep)} on {dataset}\n\n{counts[FINISHED]} runs finished{failed}."
    best = "\n".join(_best(rows))
    chosen = "\n".join(f"- {line}" for line in answer.chosen(dataset))
    beside = published.section(paper) if paper else ""
    parts = [title, beside, f"### Best, each result once\n\n{best}" if best else "", _section(answer, chosen)]
    parts += [LOOK, _again(plan)]
    return "\n\n".join(part for part in parts if part)


def _best(rows: Sequence[Row]) -> Iterator[str]:
    spec = leaderboard_specs.classifiers(rows)
    for title, head in BEST:
        rank, caveat = (spec.rank, spec.caveat) if head == spec.head else (catalogue.main(head), "")
        known = [row for row in tables.distinct(rows, head) if not math.isnan(row.metrics.get(rank, math.nan))]
        if known:
            best = max(known, key=lambda row: (row.metrics[rank], row.config_hash))
            run = f"{best.name}{_values(best, catalogue.REPORTED[head])}, run `{_short(best)}`"
            yield f"- **{title}** by {rank} {best.metrics[rank]:.4f}: {'. '.join(filter(None, (run, caveat)))}"


def _values(row: Row, names: Sequence[str]) -> str:
    """The metrics of these names that a run has, in brackets."""
    values = [f"{name} {row.metrics[name]:.4f}" for name in names if not math.isnan(row.metrics.get(name, math.nan))]
    return f" ({', '.join(values)})" if values else ""


def _short(row: Row) -> str:
    return hashing.short(row.config_hash)


def _section(answer: SweepAnswer, chosen: str) -> str:
    policy = answer.selection["policy"]["name"]
    return f"### Clusterings chosen by the policy `{policy}`\n\n{chosen}" if chosen else ""


def _again(plan: Plan) -> str:
    words = shlex.join([*plan.request.get("overrides", [])])
    return f"### Again\n\n`backbench sweep {words}`; any run: `backbench reproduce HASH`.".replace(" `;", "`;")
