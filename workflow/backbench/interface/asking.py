"""Questions to the recorded runs: a table of them, the leaderboards, the answer."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from backbench import paths
from backbench.engine.results import ledger, tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import answer as answering
from backbench.evaluate.answer import DatasetAnswer
from backbench.interface import tabular
from backbench.schema import ConfigError
from backbench.store import Store

if TYPE_CHECKING:
    import pandas


def runs(*conditions: str) -> "pandas.DataFrame":
    """A row for each recorded run, by its config hash: status, name, parameters, metrics, seconds.

    Parameters
    ----------
    conditions : such as ``"k>=5"`` or ``"backbone.name=pixels"``; runs that meet all of them

    Raises
    ------
    ConfigError
        For a condition that cannot be read, or a column that no run has.
    """
    return tabular.runs(_rows(conditions))


def leaderboard(*conditions: str, limit: int | None = None) -> "pandas.DataFrame":
    """The leaderboards of all tasks with intervals and ranks; `limit` rows of each.

    The column ``board`` names the task; rows that share a rank cannot be told apart.

    Raises
    ------
    ConfigError
        As for :func:`runs`, and if no run is left.
    """
    return tabular.leaderboard(_answers(conditions), limit)


def answer(*conditions: str) -> str:
    """What to use for each task on each collection, and how sure that is, as text.

    Raises
    ------
    ConfigError
        As for :func:`runs`, and if no run is left.
    """
    return tabular.answers(_answers(conditions).values())


def _rows(conditions: Iterable[str]) -> list[Row]:
    return tables.meeting(ledger.all_rows(Store(paths.store())), conditions)


def _answers(conditions: Iterable[str]) -> dict[str, DatasetAnswer]:
    rows = _rows(conditions)
    if not rows:
        raise ConfigError("no recorded run matches; run `backbench sweep` first.")
    return answering.by_dataset(rows, Store(paths.store()))
