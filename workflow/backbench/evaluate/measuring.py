"""The entries of a leaderboard measured: estimates of their metrics, replicates of the ranking metric, and ranks."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backbench import hashing
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations, estimates, repeats, resampled
from backbench.evaluate.configurations import Configuration
from backbench.evaluate.estimates import Estimate, Replicated
from backbench.evaluate.leaderboard_specs import LeaderboardSpec
from backbench.evaluate.resampled import Images, Replicates
from backbench.metrics import catalogue
from backbench.metrics.catalogue import CLUSTERING
from backbench.statistics import ranking, stability
from backbench.store import StoreError

STABILITY = catalogue.metric("stability").name

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Measured:
    """What is known of an entry.

    `seeds` holds the ranking metric of each result, `replicates` (resamples,) its mean over them on samples of the
    images: None where it was not resampled, or where that says too little to compare with others. `images` is how many
    were drawn, None of refits, and `grouped` whether these are groups. `repeats` holds the ranking metric by split
    where there are several, and `share` what these have in common (`repeats.ratio`). `evidence` tells what can be
    compared with each other: what has the same splits. `tested` is whether the rank comes from such a comparison.
    """

    values: Mapping[str, Estimate]
    stability: float | None
    replicates: np.ndarray | None = field(default=None, compare=False, repr=False)
    seeds: tuple[float, ...] = ()
    images: int | None = None
    grouped: bool = False
    repeats: Mapping[int, float] = field(default_factory=dict)
    share: float = math.nan
    evidence: str = ""
    rank: int = 0
    tied: int = 1
    tested: bool = False

    @property
    def comparable(self) -> bool:
        """Whether it can be compared with others, on every resample or over splits."""
        return bool(self.repeats) or (self.replicates is not None and bool(np.isfinite(self.replicates).all()))


def measure(
    spec: LeaderboardSpec,
    groups: Sequence[Configuration],
    chosen: Sequence[int],
    beside: int,
    images: Images,
    progress: Progress,
) -> list[Measured]:
    """Each of `groups`, which come best first, in their order.

    Parameters
    ----------
    chosen : places of those that are resampled
    beside : of how many of these every metric is resampled, not the ranking metric alone
    """
    places = {at: place for place, at in enumerate(chosen)}
    entries = []
    for at, group in enumerate(groups):
        names = () if at not in places else spec.metrics if places[at] < beside else (spec.rank,)
        entries.append(_measured(spec, group, names, images))
        if at in places:
            progress(places[at] + 1, len(places))
    return _ranked(spec, entries)


def _measured(spec: LeaderboardSpec, group: Configuration, names: Sequence[str], images: Images) -> Measured:
    if repeats.repeated(group.rows, spec.head):
        return _over_splits(spec, group, images)
    fits, draws = spec.head == CLUSTERING, configurations.by_draw(group.rows, spec.head)
    replicated = _replicated(group, spec.head, names, images) if names else {}
    values = {name: estimate(group.rows, spec.head, name, replicated.get(name)) for name in spec.metrics}
    values = {name: value for name, value in values.items() if not math.isnan(value.mean)}
    ranking_metric, steady = replicated.get(spec.rank), _stability(group, spec.head, bool(names), images)
    # On other images a clustering would be another one: where none was fitted again, the images alone tell nothing.
    if ranking_metric is None or (fits and not ranking_metric.refitted):
        return Measured(values, steady)
    # Fits to samples differ by their seeds as well, whose spread is in them.
    replicates = ranking_metric.values.mean(axis=0)
    evidence = _evidence(group, spec.head)
    if ranking_metric.refitted:
        return Measured(values, steady, replicates, evidence=evidence)
    seeds = tuple(over_draws([row.metrics[spec.rank] for row in group.rows], draws))
    count = ranking_metric.count
    return Measured(values, steady, replicates, seeds, count, grouped=ranking_metric.grouped, evidence=evidence)


def _over_splits(spec: LeaderboardSpec, group: Configuration, images: Images) -> Measured:
    """A configuration that has results on several splits of the images."""
    try:
        estimated = {name: repeats.estimate(group.rows, spec.head, name, images, _range(name)) for name in spec.metrics}
        share = repeats.ratio(group.rows, spec.head, spec.rank, images)
    except StoreError:
        images.lost = True
        return Measured({spec.rank: repeats.mean(group.rows, spec.head, spec.rank)}, None)
    values = {name: estimate for name, estimate in estimated.items() if not math.isnan(estimate.mean)}
    ranked = repeats.values(group.rows, spec.head, spec.rank)
    steady = _known(group)
    several = ranked if len(ranked) >= repeats.LEAST else {}
    return Measured(values, steady, repeats=several, share=share, evidence=_evidence(group, spec.head))


def _evidence(group: Configuration, head: str) -> str:
    """The splits that a configuration has results of."""
    divisions = [configurations.division(rows[0], head) for rows in configurations.by_repeat(group.rows, head).values()]
    return hashing.canonical_json(divisions)


def estimate(rows: Sequence[Row], head: str, name: str, replicated: Replicated | None) -> Estimate:
    """The mean of a metric over the results of a configuration, with its interval.

    `replicated` is the metric of each result on samples of the images, where the arrays are there.
    """
    draws = configurations.by_draw(rows, head)
    values = over_draws([row.metrics.get(name, math.nan) for row in rows], draws)
    return estimates.estimate(values, replicated, head == CLUSTERING, _range(name), drawn=draws is not None)


def over_draws(values: Sequence[float], draws: Sequence[Sequence[int]] | None) -> list[float]:
    """The mean of each draw of training images, or the values as they are where there are not several draws."""
    if draws is None:
        return list(values)
    return [_mean([values[place] for place in places]) for places in draws]


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if not math.isnan(value)]
    return statistics.fmean(there) if there else math.nan


def _range(name: str) -> tuple[float, float]:
    """The least and the largest value of a metric."""
    metric = catalogue.metric(name)
    return (
        -math.inf if metric.low is None else float(metric.low),
        math.inf if metric.high is None else float(metric.high),
    )


def _replicated(group: Configuration, head: str, names: Sequence[str], images: Images) -> dict[str, Replicated]:
    """Metrics that every result of a configuration has on samples of the images; of refits where there are some."""
    try:
        results = [resampled.metrics(row, head, names, images) for row in group.rows]
        refits = [resampled.refitted(row, names, images) for row in group.rows] if head == CLUSTERING else []
    except StoreError:
        images.lost = True
        return {}
    draws, grouped = configurations.by_draw(group.rows, head), images.groups is not None
    return stacked(names, results, grouped=grouped, draws=draws) | stacked(names, refits, refitted=True)


def stacked(
    names: Sequence[str],
    results: Sequence[Mapping[str, Replicates]],
    refitted: bool = False,
    grouped: bool = False,
    draws: Sequence[Sequence[int]] | None = None,
) -> dict[str, Replicated]:
    """The metrics that every result has, as means of each draw of training images where there are several."""
    stacked = {}
    for name in names:
        if results and all(name in result for result in results):
            values, count = [result[name][0] for result in results], results[0][name][1]
            if draws is not None:
                values = [np.mean([values[place] for place in places], axis=0) for places in draws]
            stacked[name] = Replicated(np.stack(values), count, resampled.is_share(name), refitted, grouped)
    return stacked


def _stability(group: Configuration, head: str, there: bool, images: Images) -> float | None:
    """How far the labelings of several seeds agree, else what the record says of samples of the images."""
    if head != CLUSTERING:
        return None
    if there and len(group.rows) > 1:
        try:
            return float(stability.mean_pairwise_ari([resampled.labels(row, images) for row in group.rows]))
        except StoreError:
            images.lost = True
    return _known(group)


def _known(group: Configuration) -> float | None:
    """The stability that the records say, None where they say none."""
    known = [row.metrics[STABILITY] for row in group.rows if math.isfinite(row.metrics.get(STABILITY, math.nan))]
    return statistics.fmean(known) if known else None


def _ranked(spec: LeaderboardSpec, entries: list[Measured]) -> list[Measured]:
    """Entries with their ranks; those that cannot be compared with most of the others are ranked by their values."""
    means = [spec.sign * entry.values[spec.rank].mean for entry in entries]
    ranks = [1 + sum(other > mean for other in means) for mean in means]
    compared = _together(entries)
    if compared and entries[compared[0]].repeats and not _splits_in_common([entries[at] for at in compared]):
        compared = []
    if compared:
        paired = (_by_splits if entries[compared[0]].repeats else _by_samples)(
            [entries[at] for at in compared], [means[at] for at in compared], spec.sign
        )
        for at, rank in zip(compared, paired, strict=True):
            ranks[at] = rank
            entries[at] = replace(entries[at], tested=True)
    same = Counter((entry.tested, rank) for entry, rank in zip(entries, ranks, strict=True))
    return [
        replace(entry, rank=rank, tied=same[entry.tested, rank]) for entry, rank in zip(entries, ranks, strict=True)
    ]


def _together(entries: Sequence[Measured]) -> list[int]:
    """Places of the entries that are compared: those that can be, on the splits that most of them have."""
    places: dict[str, list[int]] = {}
    for at, entry in enumerate(entries):
        if entry.comparable:
            places.setdefault(entry.evidence, []).append(at)
    return max(places.values(), key=len, default=[])


def _by_samples(entries: Sequence[Measured], means: Sequence[float], sign: int) -> list[int]:
    """Ranks of entries with these means by their replicates on the same samples.

    Means are the higher the better; a higher value of the metric itself is if `sign` is 1.
    """
    drawn = [entry.replicates for entry in entries if entry.replicates is not None]
    # Samples depend on their number alone, so that the first of each row are the same ones.
    fewest = min(map(len, drawn))
    replicates = sign * np.stack([values[:fewest] for values in drawn])
    seeds = [sign * np.array(entry.seeds) for entry in entries]
    counts = [entry.images for entry in entries if entry.images is not None]
    fewest_images = min(counts, default=None)
    groups = fewest_images if any(entry.grouped for entry in entries) else None
    standings = ranking.standings(replicates, means, seeds=seeds, images=fewest_images, groups=groups)
    # Means and replicates of these are numbers, so that each has a rank.
    return [rank for rank in standings if rank is not None]


def _by_splits(entries: Sequence[Measured], means: Sequence[float], sign: int) -> list[int]:
    """Ranks of entries by their values on the same splits; where one lacks a value, on the others."""
    shared = _splits_in_common(entries)
    values = sign * np.array([[entry.repeats[number] for number in shared] for entry in entries])
    return ranking.over_splits(values, max(entry.share for entry in entries))


def _splits_in_common(entries: Sequence[Measured]) -> list[int]:
    """The numbers of the splits on which all entries have a value; empty where they are too few to compare on."""
    shared = sorted(set.intersection(*(set(entry.repeats) for entry in entries)))
    return shared if len(shared) >= repeats.LEAST else []
