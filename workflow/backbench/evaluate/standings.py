"""Leaderboards with intervals and ranks with ties, worked out from stored results and kept on disk.

A rank is one more than the number of rows that are significantly better, so that rows that cannot be told apart share
it. Rows are compared by paired resampling: all on the same drawn images, and each with its seeds drawn anew where it
has several. Of clusterings over several seeds the interval that is shown is over the seeds alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from backbench.evaluate import boards, configurations, kept
from backbench.evaluate.boards import Board
from backbench.evaluate.configurations import Configuration
from backbench.evaluate.estimates import Estimate
from backbench.metrics import catalogue
from backbench.store import Store
from backbench.sweep.results.ledger import Row

if TYPE_CHECKING:
    from backbench.evaluate.measuring import Measured
    from backbench.evaluate.resampled import Images

# Results times images that are resampled; of a larger board the best entries alone have intervals and shared ranks.
IMAGES = 10_000_000
# Entries that are compared pair by pair.
COMPARED = 2_000
# Entries of which every metric has its interval; the others have that of the metric they are ranked by.
BESIDE = 30
SEEDS, BOTH = "seeds", "images and seeds"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Entry:
    """One configuration of a board: its distinct results, one for each seed, and where it stands.

    `tied` is how many entries share the rank, this one counted. `stability` is the mean pairwise adjusted Rand index of
    the labelings of several seeds, or that of bootstrap samples where the clustering was asked for it, else None.
    `tested` is whether the rank comes from paired resampling; where it does not, rows stand by their values.
    """

    rows: tuple[Row, ...]
    values: Mapping[str, Estimate]
    rank: int
    tied: int
    stability: float | None
    tested: bool = True

    @property
    def row(self) -> Row:
        """The row of the first seed."""
        return self.rows[0]

    @property
    def params(self) -> dict[str, Any]:
        return self.row.params

    @property
    def config_hash(self) -> str:
        return self.row.config_hash


@dataclass(frozen=True)
class Table:
    """A board with its entries, best first; `note` is its caveat and what its intervals and ranks leave out, if any."""

    board: Board
    title: str
    entries: list[Entry]
    note: str


def quiet(done: int, total: int) -> None:
    """Say nothing of the progress."""


def tables(rows: Sequence[Row], store: Store, progress: Progress = quiet) -> list[Table]:
    """The boards that `rows` can fill; where these are of several data sets, those of each.

    What was worked out before is read from ``results/standings``. Where arrays are gone there are no intervals, and the
    note says so.
    """
    groups = boards.by_dataset(rows)
    found = []
    for title, group in groups.items():
        images = cache(partial(_images, group[0], store))
        for board in boards.boards(group):
            table = _table(board, group, store, images, progress)
            found.append(table if len(groups) == 1 else replace(table, title=f"{title}: {table.title}"))
    return found


def _images(row: Row, store: Store) -> "Images":
    from backbench.evaluate.resampled import Images

    return Images(store, row.stages["dataset"], bool(_info(row).get("classes")))


def _table(
    board: Board, rows: Sequence[Row], store: Store, images: Callable[[], "Images"], progress: Progress
) -> Table:
    groups = configurations.configurations(boards.ranked(board, rows), board.head)
    groups = sorted(groups, key=lambda one: (-mean(one.rows, board.rank), one.key))
    there = {row.run.stages[board.head]: _there(row, board.head, store) for one in groups for row in one.rows}
    key = kept.key(board, groups, there)
    body = kept.read(key)
    if body is None:
        body, whole = _worked_out(board, groups, there, images(), progress)
        if whole:
            kept.write(key, body)
    entries = [_entry(own, groups[own["at"]].rows) for own in body["entries"]]
    return Table(board, board.title, entries, " ".join(filter(None, (board.caveat, body["note"]))))


def mean(rows: Sequence[Row], metric: str) -> float:
    """Mean of a metric over results where it is defined."""
    values = [row.metrics[metric] for row in rows if not math.isnan(row.metrics.get(metric, math.nan))]
    return math.fsum(values) / len(values) if values else math.nan


def _there(row: Row, head: str, store: Store) -> bool:
    """Whether the arrays of a head's result and those of its data set lie in the store."""
    refs = ((head, row.run.stages[head]), ("dataset", row.stages["dataset"]))
    records = [(kind, row.records.get(member)) for kind, member in refs]
    return all(record and record.get("arrays") and store.complete(kind, record) for kind, record in records)


def _worked_out(
    board: Board, groups: Sequence[Configuration], there: Mapping[str, bool], images: "Images", progress: Progress
) -> tuple[dict[str, Any], bool]:
    """Entries and note of a board as plain JSON, and whether all arrays could be read."""
    from backbench.evaluate import measuring

    images.lost = False
    found = measuring.measure(board, groups, _within(board, groups, there), BESIDE, images, progress)
    order = sorted(range(len(found)), key=lambda at: (found[at].rank, -found[at].values[board.rank].mean, at))
    gone = sum(not there[row.run.stages[board.head]] for one in groups for row in one.rows)
    note = _note(len(groups), sum(one.tested for one in found), gone, images.lost)
    return {"entries": [_plain(at, found[at]) for at in order], "note": note}, not images.lost


def _within(board: Board, groups: Sequence[Configuration], there: Mapping[str, bool]) -> list[int]:
    """Places of the entries that are resampled: those whose arrays are there, the best first, as far as these go."""
    spent, found = 0, []
    for at, one in enumerate(groups[:COMPARED]):
        if not all(there[row.run.stages[board.head]] for row in one.rows):
            continue
        spent += len(one.rows) * _info(one.rows[0]).get("n", 0)
        if found and spent > IMAGES:
            break
        found.append(at)
    return found


def _note(entries: int, tested: int, gone: int, lost: bool) -> str:
    """Why rows have no interval and stand by their values."""
    if gone or lost:
        some = f"The arrays of {gone:,} results are gone" if gone else "Some arrays cannot be read"
        return f"{some}: rows without an interval stand by their values."
    if not tested:
        return "Of this metric the mean alone is stored: the rows stand by their values."
    if tested == entries:
        return ""
    return f"The best {tested:,} have intervals and shared ranks; the others stand by their values."


def _info(row: Row) -> Mapping[str, Any]:
    """What the record of a row's data set says."""
    return row.records.get(row.stages["dataset"], {}).get("info", {})


def _plain(at: int, own: "Measured") -> dict[str, Any]:
    values = {name: [one.mean, one.low, one.high, one.over, one.n] for name, one in own.values.items()}
    said = {"at": at, "values": values, "rank": own.rank, "tied": own.tied}
    return {**said, "stability": own.stability, "tested": own.tested}


def _entry(own: Mapping[str, Any], rows: tuple[Row, ...]) -> Entry:
    values = {name: Estimate(*found) for name, found in own["values"].items()}
    return Entry(rows, values, own["rank"], own["tied"], own["stability"], own["tested"])


def said(board: Board) -> str:
    """What people call the images that the ranking metric of a board is of."""
    return catalogue.metric(board.rank).images


def words(table: Table) -> str:
    """What the intervals of a table are over, and how many of its rows share the first rank."""
    estimates = [entry.values[table.board.rank] for entry in table.entries]
    over = {own.over for own in estimates if own.over}
    parts = [_over(table, over, {own.n for own in estimates if own.over not in (None, SEEDS)})] if over else []
    if any(entry.tested for entry in table.entries):
        parts.append(_first(table.entries))
    return " ".join(filter(None, ("; ".join(parts) + "." if parts else "", table.note)))


def _over(table: Table, over: set[str], counts: set[int]) -> str:
    if over == {SEEDS}:
        return "95 % intervals over the seeds"
    count = f"{next(iter(counts)):,} " if len(counts) == 1 else ""
    refits = " (no clustering is made anew)" if table.board.head == "clustering" else ""
    images = f"the {count}{said(table.board)}{refits}"
    if over == {BOTH}:
        return f"95 % intervals over {images} and the seeds"
    more = {SEEDS: ", or over the seeds where there are several", BOTH: ", and over the seeds where there are several"}
    return f"95 % intervals over {images}" + "".join(text for how, text in more.items() if how in over)


def _first(entries: Sequence[Entry]) -> str:
    """How many share the first rank; of rows that were not tested nothing is said."""
    tied = entries[0].tied
    if len(entries) == 1:
        return "there is one row"
    if tied == 1:
        return "no row shares the first rank"
    return f"{'all' if tied == len(entries) else 'the first'} {tied:,} cannot be told apart"
