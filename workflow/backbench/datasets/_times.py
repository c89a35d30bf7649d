"""Splits by time: ``dataset.split.source=temporal`` with ``dataset.columns.time=COLUMN`` (standard library only).

The model is trained on the earliest images, chosen on the next and tested on the latest, as it will be used. Images of
the same time stay together. Nothing is stratified: classes that appear late are then not among the training images.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from backbench.datasets import TEST, TRAIN, VALIDATION
from backbench.datasets._printable import printable
from backbench.datasets._table_rows import Table
from backbench.schema import ConfigError

WHERE = "dataset.columns.time"
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
MONTH = re.compile(r"\d{4}-\d{2}")
# As cameras write it: 2024:05:31 17:20:08.
CAMERA = re.compile(r"(\d{4}):(\d{2}):(\d{2})(?=\s|$)")
ALLOWED = "dates as 2024-05-31 or 2024-05-31T17:20:08, or numbers, one kind in the whole column"
SHOWN = 3


def of_column(table: Table, place: int) -> list[float]:
    """The time of each row: numbers as they are, dates in seconds; dates without a zone are in UTC.

    Raises
    ------
    ConfigError
        If some rows have another kind of value than the others, with the first few and their lines.
    """
    texts = [cell.strip() for cell in table.column(place)]
    numbers = [float(text) if NUMBER.fullmatch(text) else None for text in texts]
    dates = [_seconds(text) for text in texts]
    values = max((numbers, dates), key=lambda known: sum(value is not None for value in known))
    wrong = [row for row, value in enumerate(values) if value is None]
    if wrong:
        some = ", ".join(f"{printable(texts[row])!r} (line {table.rows[row].line})" for row in wrong[:SHOWN])
        more = f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        raise ConfigError(
            f"{WHERE}: {table.path}: column {table.titles[place]!r} holds {some}{more}; allowed: {ALLOWED}. Correct "
            "these cells or remove their rows."
        )
    return [value for value in values if value is not None]


def divided(times: Sequence[float], validation: int, test: int) -> list[int]:
    """The split of each image: about `test` of the latest are tested, and about `validation` of those before them are
    for validation; those that share a time are in one split.

    Raises
    ------
    ConfigError
        If so many images share a time that a split that is to have images stays empty.
    """
    n = len(times)
    order = sorted(times)
    bounds = [_boundary(order, n - test), _boundary(order, n - test - validation)]
    late, middle = max(bounds), min(bounds)
    parts = [TEST if rank >= late else VALIDATION if rank >= middle else TRAIN for rank in _ranks(times, order)]
    for part, asked, name in ((TRAIN, 1, "training"), (VALIDATION, validation, "validation"), (TEST, test, "test")):
        if asked and part not in parts:
            raise ConfigError(
                f"dataset.split.source=temporal: the {name} split stays empty, since {len(set(times)):,} different "
                f"times divide {n:,} images and those of one time stay together. Give {WHERE} a finer column, or other "
                "shares (dataset.split.validation, dataset.split.test)."
            )
    return parts


def _boundary(order: Sequence[float], place: int) -> int:
    """The end of a run of equal times in `order` that is nearest to a place; of two the earlier, and none that leaves
    nothing on one side if another one does not."""
    from bisect import bisect_left, bisect_right

    if not 0 < place < len(order):
        return place
    low, high = bisect_left(order, order[place]), bisect_right(order, order[place])
    if low == 0 or high == len(order):
        return high if low == 0 else low
    return low if place - low <= high - place else high


def _ranks(times: Sequence[float], order: Sequence[float]) -> list[int]:
    """How many images are earlier than each."""
    first: dict[float, int] = {}
    for rank, time in enumerate(order):
        first.setdefault(time, rank)
    return [first[time] for time in times]


def _seconds(text: str) -> float | None:
    """Seconds since 1970 of a date, None for another text."""
    plain = CAMERA.sub(r"\1-\2-\3", f"{text}-01" if MONTH.fullmatch(text) else text)
    try:
        date = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
