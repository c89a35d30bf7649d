"""The note of a summary run: what the sweep is, its answer, and what to look at in MLflow's pages (no mlflow)."""

import shlex
from collections.abc import Iterator

from backbench import hashing
from backbench.answers import words
from backbench.answers.words import MARKDOWN
from backbench.engine.plan.frozen import Plan
from backbench.engine.results.joined_run import FINISHED
from backbench.evaluate.answer import SweepAnswer
from backbench.papers.table import Table
from backbench.store import FAILED
from backbench.tracking import published

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
    answers = [words.answer(each) for each in answer.named(dataset)]
    beside = published.section(paper) if paper else ""
    parts = [title, beside, *("\n\n".join(_answer(each)) for each in answers), LOOK, _again(plan)]
    return "\n\n".join(part for part in parts if part)


def _answer(answer: words.Answer) -> Iterator[str]:
    """A heading with the question, and a paragraph for each verdict."""
    yield f"### {answer.asked(MARKDOWN)}"
    for verdict in answer.verdicts:
        sentences = verdict.markdown
        commands = ", ".join(f"`{command}`" for command in verdict.commands.values())
        yield " ".join(filter(None, (f"**{sentences.headline}**", *sentences.details, commands)))
    yield from answer.notes(MARKDOWN)


def _again(plan: Plan) -> str:
    words = shlex.join([*plan.request.get("overrides", [])])
    return f"### Run it again\n\n`backbench sweep {words}`; any run: `backbench reproduce HASH`.".replace(" `;", "`;")
