"""Leaderboards with intervals and ranks with ties, computed from stored results and cached.

A rank is one more than the number of rows that are significantly better, so that indistinguishable rows share it. Rows
are compared by paired resampling: all on the same drawn images, with the spread of their seeds where they have several.
Clusterings are compared by their fits to the same samples of the images, and where there are none, by value alone.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from backbench import derived
from backbench.derived import Content, Derived
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations, leaderboard_specs, unranked
from backbench.evaluate.candidates import Representation
from backbench.evaluate.configurations import Configuration
from backbench.evaluate.eligibility import USUAL, Limits
from backbench.evaluate.estimates import Estimate
from backbench.evaluate.leaderboard_specs import LeaderboardSpec
from backbench.evaluate.unranked import Unranked
from backbench.metrics import catalogue
from backbench.metrics.catalogue import LABELS
from backbench.store import Store

if TYPE_CHECKING:
    from backbench.evaluate.measuring import Measured
    from backbench.evaluate.resampled import Images

KIND = "leaderboard"
MODULES = tuple(f"backbench.evaluate.{name}" for name in ("leaderboards", "measuring"))
# Results times images that are resampled; of more, the best entries alone have intervals and shared ranks.
IMAGES = 10_000_000
# Entries that are compared pair by pair.
COMPARED = 2_000
# Entries of which every metric has its interval; the others have that of the metric they are ranked by.
BESIDE = 30
IMAGES_ALONE, SEEDS, BOTH, REFITS, REPEATS = "images", "seeds", "images and seeds", "refits", "repeats"
GROUPS, GROUPS_AND_SEEDS = "groups", "groups and seeds"
DRAWS, IMAGES_AND_DRAWS, GROUPS_AND_DRAWS = "draws", "images and draws", "groups and draws"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Entry:
    """One configuration of a leaderboard: its distinct results, one for each split, draw and seed, and its rank.

    `tied` is how many entries share the rank, this one included. `stability` is the mean pairwise adjusted Rand index
    of the labelings of several seeds, or that of fits to samples of the images where there are some, else None.
    `tested` is whether the rank comes from paired resampling; where it does not, rows are ranked by their values.
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
class Leaderboard:
    """The entries of a leaderboard, best first; `note` is its caveat and what its intervals and ranks leave out.

    `unranked` are results that are no clustering: they are shown after the entries. Where all are, there is no entry.
    """

    spec: LeaderboardSpec
    title: str
    entries: list[Entry]
    note: str
    unranked: tuple[Unranked, ...] = ()


def quiet(done: int, total: int) -> None:
    """Say nothing of the progress."""


def leaderboards(
    rows: Sequence[Row], store: Store, progress: Progress = quiet, limits: Limits = USUAL
) -> list[Leaderboard]:
    """The leaderboards that `rows` can fill; where these are of several data sets, those of each."""
    groups = leaderboard_specs.by_dataset(rows)
    if len(groups) == 1:
        return of_dataset(rows, store, progress, limits=limits)
    return [
        replace(leaderboard, title=f"{title}: {leaderboard.title}")
        for title, group in groups.items()
        for leaderboard in of_dataset(group, store, progress, limits=limits)
    ]


def of_dataset(
    rows: Sequence[Row],
    store: Store,
    progress: Progress = quiet,
    representations: Sequence[Representation] | None = None,
    limits: Limits = USUAL,
) -> list[Leaderboard]:
    """The leaderboards that the rows of one data set can fill; `representations` are theirs, if already known.

    Clusterings outside `limits` are not ranked.

    What was computed before is read from the cache. Where arrays are missing there are no intervals, and the note says
    so.
    """
    images = cache(lambda: _images(rows[0], store))
    return [
        _leaderboard(spec, rows, store, images, progress, limits)
        for spec in leaderboard_specs.specs(rows, representations)
    ]


def by_metric(name: str, rows: Sequence[Row], store: Store, progress: Progress = quiet) -> list[Leaderboard]:
    """The leaderboards of one data set that a metric ranks.

    Raises
    ------
    ConfigError
        If it ranks nothing.
    """
    images = cache(lambda: _images(rows[0], store))
    return [
        _leaderboard(spec, rows, store, images, progress, USUAL) for spec in leaderboard_specs.by_metric(name, rows)
    ]


def _images(row: Row, store: Store) -> "Images":
    from backbench.evaluate.resampled import Images

    return Images(row.seen(store), row.stages["dataset"], bool(_info(row).get("classes")))


def _leaderboard(
    spec: LeaderboardSpec,
    rows: Sequence[Row],
    store: Store,
    images: Callable[[], "Images"],
    progress: Progress,
    limits: Limits,
) -> Leaderboard:
    results = configurations.configurations(leaderboard_specs.results(spec, rows), spec.head)
    groups, left_out = unranked.divided(spec, results, limits)
    if not groups:
        return Leaderboard(spec, spec.title, [], spec.caveat, left_out)
    groups = sorted(groups, key=lambda group: (-spec.sign * mean(group.rows, spec.rank), group.key))
    there = {row.run.stages[spec.head]: _there(row, spec.head, store) for group in groups for row in group.rows}
    cached = Derived(derived.of_results(), KIND, _origin(spec, groups, there), MODULES)
    info = cached.ensure(lambda: _computed(spec, groups, there, images(), progress)).info
    entries = [_entry(plain, groups[plain["at"]].rows) for plain in info["entries"]]
    return Leaderboard(spec, spec.title, entries, " ".join(filter(None, (spec.caveat, info["note"]))), left_out)


def _origin(spec: LeaderboardSpec, groups: Sequence[Configuration], there: Mapping[str, bool]) -> dict[str, Any]:
    """All that a leaderboard is computed from, as plain JSON."""
    data = groups[0].rows[0].records.get(groups[0].rows[0].stages["dataset"], {})
    results = [[_result(row, spec.head, there) for row in group.rows] for group in groups]
    keys = [group.key for group in groups]
    return {"spec": asdict(spec), "results": results, "keys": keys, "data": _digests(data)}


def _result(row: Row, head: str, there: Mapping[str, bool]) -> list[Any]:
    member = row.run.stages[head]
    record = row.records[member]
    metrics = {name: value if math.isfinite(value) else None for name, value in sorted(row.metrics.items())}
    return [member, record["code"], metrics, _digests(record), there[member]]


def _digests(record: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each array of a record."""
    return {name: entry["sha256"] for name, entry in sorted(record.get("arrays", {}).items())}


def mean(rows: Sequence[Row], metric: str) -> float:
    """Mean of a metric over results where it is defined."""
    values = [row.metrics[metric] for row in rows if not math.isnan(row.metrics.get(metric, math.nan))]
    return statistics.fmean(values) if values else math.nan


def _there(row: Row, head: str, store: Store) -> bool:
    """Whether the arrays of a task's result and those of its data set are in the store."""
    refs = ((head, row.run.stages[head]), ("dataset", row.stages["dataset"]))
    records = [(kind, row.records.get(member)) for kind, member in refs]
    return all(record and record.get("arrays") and store.complete(kind, record) for kind, record in records)


def _computed(
    spec: LeaderboardSpec,
    groups: Sequence[Configuration],
    there: Mapping[str, bool],
    images: "Images",
    progress: Progress,
) -> Content:
    """Entries and note of a leaderboard, not to be cached where an array could not be read."""
    from backbench.evaluate import measuring

    images.lost = False
    measured = measuring.measure(spec, groups, _within(spec, groups, there), BESIDE, images, progress)
    means = [spec.sign * entry.values[spec.rank].mean for entry in measured]
    order = sorted(range(len(measured)), key=lambda at: (measured[at].rank, -means[at], at))
    missing = sum(not there[row.run.stages[spec.head]] for group in groups for row in group.rows)
    repeated = any(entry.repeats for entry in measured)
    note = _note(spec, len(groups), sum(entry.tested for entry in measured), missing, images.lost, repeated)
    return Content({"entries": [_plain(at, measured[at]) for at in order], "note": note}, lasting=not images.lost)


def _within(spec: LeaderboardSpec, groups: Sequence[Configuration], there: Mapping[str, bool]) -> list[int]:
    """Places of the entries that are resampled: those whose arrays are there, the best first, within `IMAGES`."""
    spent = 0
    places: list[int] = []
    for at, group in enumerate(groups[:COMPARED]):
        if not all(there[row.run.stages[spec.head]] for row in group.rows):
            continue
        spent += len(group.rows) * _info(group.rows[0]).get("n", 0)
        if places and spent > IMAGES:
            break
        places.append(at)
    return places


def _note(spec: LeaderboardSpec, entries: int, tested: int, missing: int, lost: bool, repeated: bool) -> str:
    """Why rows have no interval and are ranked by their values."""
    if missing or lost:
        some = f"The arrays of {missing:,} results are missing" if missing else "Some arrays cannot be read"
        return f"{some}: rows without an interval are ranked by their values."
    if tested == entries:
        return ""
    if spec.head == "clustering":
        return _one_fit(spec, entries, tested)
    if not tested:
        return "Only the mean of this metric is stored: the rows are ranked by their values."
    if repeated:
        return f"{tested:,} have the same splits and shared ranks; the others are ranked by their values."
    return f"The best {tested:,} have intervals and shared ranks; the others are ranked by their values."


def _one_fit(spec: LeaderboardSpec, entries: int, tested: int) -> str:
    """Why clusterings are ranked by their values."""
    if tested:
        return f"{tested:,} of {entries:,} were fitted again and have tested ranks; the others are ranked by value."
    if LABELS not in catalogue.metric(spec.rank).needs:
        return "The rows are ranked by value: that the first is better than the others is not tested."
    return (
        "The rows are ranked by value: other images would be clustered otherwise, and one sample cannot tell which is "
        "better (clustering.bootstraps=20 fits each again on samples and tests it)."
    )


def _info(row: Row) -> Mapping[str, Any]:
    """What the record of a row's data set says."""
    return row.records.get(row.stages["dataset"], {}).get("info", {})


def _plain(at: int, measured: "Measured") -> dict[str, Any]:
    values = {name: [value.mean, value.low, value.high, value.over, value.n] for name, value in measured.values.items()}
    place = {"at": at, "values": values, "rank": measured.rank, "tied": measured.tied}
    return {**place, "stability": measured.stability, "tested": measured.tested}


def _entry(plain: Mapping[str, Any], rows: tuple[Row, ...]) -> Entry:
    values = {name: Estimate(*fields) for name, fields in plain["values"].items()}
    return Entry(rows, values, plain["rank"], plain["tied"], plain["stability"], plain["tested"])


def drawn(table: Leaderboard) -> bool:
    """Whether some entries of a leaderboard learn from draws of few training images."""
    return any(configurations.draws(entry.rows, table.spec.head) for entry in table.entries)


def images_of(spec: LeaderboardSpec) -> str:
    """What people call the images that the ranking metric of a leaderboard is of."""
    return catalogue.metric(spec.rank).images


def words(leaderboard: Leaderboard) -> str:
    """What the intervals of a leaderboard are over, and how many of its rows share the first rank."""
    estimates = [entry.values[leaderboard.spec.rank] for entry in leaderboard.entries]
    over = {value.over for value in estimates if value.over}
    counts = {value.n for value in estimates if value.over not in (None, SEEDS, REPEATS, DRAWS)}
    parts = [_over(leaderboard, over, counts)] if over else []
    if any(entry.tested for entry in leaderboard.entries):
        parts.append(_first(leaderboard.entries))
    return " ".join(filter(None, ("; ".join(parts) + "." if parts else "", leaderboard.note)))


def _over(leaderboard: Leaderboard, over: set[str], counts: set[int]) -> str:
    fits = leaderboard.spec.head == "clustering"
    count = f"{next(iter(counts)):,} " if len(counts) == 1 else ""
    images = f"the {count}{images_of(leaderboard.spec)}"
    groups = f"the {count}groups of the {images_of(leaderboard.spec)}"
    as_they_are = " with the clusters as they are" if fits else ""
    names = {
        IMAGES_ALONE: f"{images}{as_they_are}",
        GROUPS: f"{groups}{as_they_are}",
        BOTH: f"{images} and the seeds",
        GROUPS_AND_SEEDS: f"{groups} and the seeds",
        SEEDS: f"the seeds{', on these images' if fits else ''}",
        IMAGES_AND_DRAWS: f"{images} and the draws of training images",
        GROUPS_AND_DRAWS: f"{groups} and the draws of training images",
        DRAWS: "the draws of training images",
        REFITS: f"{count if over == {REFITS} else ''}fits to halves of the images",
        REPEATS: f"{_splits(leaderboard)} of the images, allowing for what these share",
    }
    shown = [text for how, text in names.items() if how in over]
    more = [f", or over {text} where there are several" for text in shown[1:]]
    return f"95 % intervals over {shown[0]}" + "".join(more)


def _splits(leaderboard: Leaderboard) -> str:
    """``the 10 repeated splits``; ``the 5 folds``."""
    spec = leaderboard.spec
    estimates = [(entry.values[spec.rank], entry.row.division(spec.head)) for entry in leaderboard.entries]
    counts = {value.n for value, _ in estimates if value.over == REPEATS}
    folds = {division.get("folds") for value, division in estimates if value.over == REPEATS}
    count = f"{next(iter(counts)):,} " if len(counts) == 1 else ""
    return f"the {count}{'folds' if None not in folds else 'repeated splits'}"


def _first(entries: Sequence[Entry]) -> str:
    """How many share the first rank; nothing is said of rows that were not tested."""
    tied = entries[0].tied
    if len(entries) == 1:
        return "there is one row"
    if tied == 1:
        return "no row shares the first rank"
    return f"all {tied:,} rows are tied" if tied == len(entries) else f"the first {tied:,} rows are tied"
