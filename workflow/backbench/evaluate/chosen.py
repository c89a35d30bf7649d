"""The run that a person means: by a prefix of its config hash, or ``best``, which the newest sweep recommends."""

from collections.abc import Iterable, Sequence

from backbench import hashing
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger, prefixes
from backbench.engine.results.joined_run import FINISHED, PENDING, Row
from backbench.evaluate import answer
from backbench.evaluate.leaderboards import Progress, quiet
from backbench.evaluate.verdicts import TASKS, Verdict
from backbench.schema import ConfigError
from backbench.store import Store

BEST = "best"


def row(word: str, store: Store, tasks: Sequence[str] = TASKS, progress: Progress = quiet) -> Row:
    """The recorded run that `word` names: a config hash, a unique prefix of it, or ``best``.

    ``best`` is what the newest sweep with results recommends for the first of `tasks` that it has an answer for.

    Raises
    ------
    ConfigError
        If there is none, or several; says what to type.
    """
    if word.lower() == BEST:
        return _best(store, tasks, progress)
    by_hash = {each.config_hash: each for each in ledger.all_rows(store)}
    return by_hash[prefixes.unique(word, by_hash)]


def finished(word: str, store: Store, tasks: Sequence[str] = TASKS, progress: Progress = quiet) -> Row:
    """Like :func:`row`, but refuses a run that has no results.

    Raises
    ------
    ConfigError
        As :func:`row` does, or if the run failed or was not computed yet.
    """
    named = row(word, store, tasks, progress)
    if named.status == FINISHED:
        return named
    short = hashing.short(named.config_hash)
    if named.status == PENDING:
        raise ConfigError(f"run {short} has no results yet; launch its sweep again to compute it.")
    raise ConfigError(f"run {short} failed ({named.reason}); `backbench runs --filter status=finished` lists others.")


def beside(row: Row, store: Store) -> list[Row]:
    """The runs of the same sweep on the same collection."""
    return [each for each in _rows(row.plan, store) if each.stages["dataset"] == row.stages["dataset"]]


def _best(store: Store, tasks: Sequence[str], progress: Progress) -> Row:
    rows = [each for plan in ledger.newest(ledger.saved_plans(), store)[-1:] for each in _rows(plan, store)]
    if all(each.status == PENDING for each in rows):
        raise ConfigError("best: no sweep has results yet; run `backbench sweep` first.")
    answers = answer.by_dataset(rows, store, progress)
    if len(answers) > 1:
        names = ", ".join(answers)
        raise ConfigError(
            f"best: the newest sweep has several collections ({names}); `backbench answer` lists the run of each."
        )
    verdicts = next(iter(answers.values())).verdicts
    return _recommended(verdicts, tasks)


def _rows(plan: Plan, store: Store) -> list[Row]:
    return ledger.rows(plan, {**ledger.joined_records(plan), **ledger.read_records(plan, store)})


def _recommended(verdicts: Iterable[Verdict], tasks: Sequence[str]) -> Row:
    by_task = {verdict.task: verdict for verdict in verdicts}
    for task in tasks:
        if task in by_task and (recommended := by_task[task].row) is not None:
            return recommended
    reasons = [by_task[task].reason for task in tasks if task in by_task and by_task[task].reason]
    why = f": {'; '.join(reasons)}" if reasons else ""
    wanted = " or ".join(tasks)
    raise ConfigError(f"best: the newest sweep recommends nothing for {wanted}{why}. `backbench runs` lists all runs.")
