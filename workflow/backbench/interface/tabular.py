"""Recorded runs and leaderboards as tables of pandas, and an answer as text."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from backbench.answers import words
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import leaderboard_records
from backbench.evaluate.answer import DatasetAnswer

if TYPE_CHECKING:
    import pandas

INDEX = "config_hash"


def runs(rows: Sequence[Row]) -> "pandas.DataFrame":
    """A row for each run, by its config hash: status, name, parameters, metrics, seconds."""
    import pandas

    records = [tables.flatten(row) for row in rows]
    frame = pandas.DataFrame(records, columns=tables.columns(records))
    return frame.set_index(INDEX)


def leaderboard(answers: Mapping[str, DatasetAnswer], limit: int | None) -> "pandas.DataFrame":
    """The leaderboards of data sets, by their titles; what is not ranked comes last, with the reason."""
    import pandas

    records = [
        line
        for title, group in answers.items()
        for table in group.leaderboards
        for line in leaderboard_records.records(title, table, limit)
    ]
    return pandas.DataFrame(records)


def answers(of: Iterable[DatasetAnswer]) -> str:
    """What to use for each task on each data set, as text."""
    lines: list[str] = []
    for each in of:
        answer = words.answer(each)
        lines.append(answer.question)
        for verdict in answer.verdicts:
            lines += [f"{verdict.topic}: {verdict.text.headline}", *(f"  {line}" for line in verdict.text.details)]
        lines += answer.notes()
    return "\n".join(lines)


@contextlib.contextmanager
def environment() -> Iterator[None]:
    """Undo what settings among the overrides put into the environment, so that one call says nothing to the next."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
