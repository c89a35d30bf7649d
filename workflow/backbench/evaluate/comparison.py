"""Whether two results differ: paired tests on the images that both predict, or over seeds, splits and data sets.

On images the two results themselves are compared, clusterings by their fits to samples of the images; over seeds,
repeated splits and data sets their configurations are, by the results that share a seed, a split or a data set. Where
both have several splits in common, these decide, and not the images of the first one. Samples are distinct results,
never the runs that repeat them.
"""

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.engine.grid import HEADS
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations, repeats, resampled
from backbench.evaluate.blocks import DATASETS, REPEATS, SEEDS
from backbench.metrics import catalogue
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, LABELS
from backbench.metrics.catalogue import TEST as TEST_IMAGES
from backbench.schema import ConfigError
from backbench.store import Store, StoreError

if TYPE_CHECKING:
    import numpy as np

    from backbench.statistics.paired import Test

IMAGES, AUTO = "images", "auto"
LEAST_PAIRS = 2
# Pairs with which a signed-rank test can reach 0.05: fewer are tested only where they are asked for.
ENOUGH_PAIRS = 6
ONE_FIT = "other images would be clustered otherwise, and one fit of each cannot tell; clustering.bootstraps=20 can"
NO_REFITS = "fits to samples of the images are compared by the classes alone"
SAME_IMAGES = "on these images: others may give another order"

# The seeds or the data set by which results are paired, and what reads it from a row and a task.
Key = tuple[Any, ...]
Place = Callable[[Row, str], Key]


@dataclass(frozen=True)
class Comparison:
    """One metric of two rows, compared over images, seeds or data sets; the difference is that of A less B."""

    head: str
    metric: str
    over: str
    a: Row
    b: Row
    values: tuple[float, float]
    test: "Test"

    @property
    def names(self) -> tuple[str, str]:
        """What A and B are called; by their hashes too where their parts have the same names."""
        a, b = label(self.a, self.head), label(self.b, self.head)
        return (a, b) if a != b else (f"{a} {_short(self.a)}", f"{b} {_short(self.b)}")


def label(row: Row, head: str) -> str:
    """What a row is called where one of its tasks is meant, such as ``pixels pca50 svm``."""
    params = row.params
    shots = configurations.shots(row)
    plugin = {
        "classification": [params.get("classifier.name"), f"shots={shots}" if shots else None],
        "clustering": [params.get("clusterer.name"), f"k={params['k']}" if "k" in params else None],
        "retrieval": [params.get("retrieval.metric")],
    }[head]
    parts = [params["backbone.name"], row.chain(head), *plugin]
    return " ".join(str(part) for part in parts if part not in (None, "none"))


def _short(row: Row) -> str:
    return hashing.short(row.config_hash)


def compare(
    rows: Sequence[Row], known: Sequence[Row], store: Store, over: str = AUTO, metrics: Sequence[str] = ()
) -> tuple[list[Comparison], list[str]]:
    """Every pair of `rows`, each pair of results once, and what could not be compared, in words.

    The tests of one metric over one kind of pairs are corrected together by Holm: as many as there are pairs of rows.

    Parameters
    ----------
    known : all rows there are: the other seeds and data sets of a configuration are looked for among them
    over : ``images``, ``seeds``, ``repeats``, ``datasets``, or ``auto``: the repeated splits where both configurations
        have two or more in common, else images where both are of the same ones, and seeds and data sets

    Raises
    ------
    ConfigError
        If there are fewer than two rows, or a metric that none of them has or whose values have no better end.
    """
    if len(rows) < 2:
        raise ConfigError(f"{len(rows)} run: a comparison takes two or more; `backbench runs` lists them.")
    _check(metrics, rows)
    comparisons: dict[tuple[str, ...], Comparison] = {}
    notes: list[str] = []
    evidence = _Evidence(store)
    for a, b in itertools.combinations(rows, 2):
        for head in HEADS:
            if head in a.heads and head in b.heads:
                names = _asked(head, metrics, a, b)
                if not names and not metrics:
                    notes.append(f"{head} of {_short(a)} and {_short(b)}: they have no metric in common to compare")
                results = (head, a.run.stages[head], b.run.stages[head])
                for pair in _pair(a, b, head, names, over, known, evidence, notes):
                    comparisons.setdefault((*results, pair.metric, pair.over), pair)
    return _corrected(list(comparisons.values())), list(dict.fromkeys(notes))


def _corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    from backbench.statistics import paired

    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault((comparison.head, comparison.metric, comparison.over), []).append(comparison)
    done = []
    for group in groups.values():
        tests = paired.corrected([comparison.test for comparison in group])
        done += [replace(comparison, test=test) for comparison, test in zip(group, tests, strict=True)]
    return done


def _check(metrics: Sequence[str], rows: Sequence[Row]) -> None:
    known = sorted({name for row in rows for name in row.metrics})
    for name in metrics:
        if name not in known:
            raise catalogue.unknown("--metric", name, known)
        catalogue.ranking(name, known, "--metric")


def _asked(head: str, metrics: Sequence[str], a: Row, b: Row) -> list[str]:
    wanted = metrics or catalogue.REPORTED[head]
    both = [name for name in wanted if name in a.heads[head]["metrics"] and name in b.heads[head]["metrics"]]
    return [name for name in both if metrics or _comparable(name, a, b)]


def _comparable(metric: str, a: Row, b: Row) -> bool:
    """Whether the values of a metric compare: in one feature space, or everywhere."""
    return catalogue.metric(metric).across or _space(a) == _space(b)


def _space(row: Row) -> str:
    """The feature space of a clustering."""
    return row.plan.stages[row.run.stages["clustering"]].parents["matrix"][1]


def _pair(
    a: Row,
    b: Row,
    head: str,
    metrics: Sequence[str],
    over: str,
    known: Sequence[Row],
    evidence: "_Evidence",
    notes: list[str],
) -> list[Comparison]:
    """The comparisons of one task of two rows; what cannot be compared is noted."""
    if not metrics:
        return []
    names = f"{label(a, head)} and {label(b, head)}"
    if a.run.stages[head] == b.run.stages[head]:
        notes.append(f"{head} of {_short(a)} and {_short(b)}: both runs hold the same result")
        return []
    comparisons: list[Comparison] = []
    for metric in metrics:
        if not _comparable(metric, a, b):
            notes.append(f"{metric}: {names} cluster different feature spaces, whose {metric} cannot be compared")
            continue
        for how, test, values in _tests(a, b, head, metric, over, known, evidence, notes):
            comparisons.append(Comparison(head, metric, how, a, b, values, test))
    return comparisons


def _tests(
    a: Row,
    b: Row,
    head: str,
    metric: str,
    over: str,
    known: Sequence[Row],
    evidence: "_Evidence",
    notes: list[str],
) -> Iterator[tuple[str, "Test", tuple[float, float]]]:
    """What the pairs are, the test on them, and what A and B have on average over them."""
    from backbench.statistics import paired

    splits = evidence.over_splits(a, b, head, metric, known) if over in (AUTO, REPEATS) else None
    if splits is not None:
        yield REPEATS, *splits
    elif over == REPEATS:
        names = f"{label(a, head)} and {label(b, head)}"
        notes.append(f"{metric} over repeats: {names} have no two splits in common (split.repeats=10)")
    if over == IMAGES or (over == AUTO and splits is None):
        test, why = evidence.test(a, b, head, metric)
        if test:
            yield IMAGES, test, (a.metrics[metric], b.metrics[metric])
        elif over == IMAGES or why:
            notes.append(f"{metric} over images: {why or 'no test'}")
    places: tuple[tuple[str, Place], ...] = ((SEEDS, configurations.seeds), (DATASETS, _dataset))
    for how, place in places:
        if over in (AUTO, how):
            pairs = _paired(_values(a, head, metric, known, place), _values(b, head, metric, known, place))
            if len(pairs) >= (LEAST_PAIRS if over == how else ENOUGH_PAIRS):
                means = statistics.fmean(a for a, _ in pairs), statistics.fmean(b for _, b in pairs)
                test = paired.wilcoxon([a for a, _ in pairs], [b for _, b in pairs])
                if how == SEEDS and head == CLUSTERING:
                    test = replace(test, note="; ".join(filter(None, (test.note, SAME_IMAGES))))
                yield how, test, means
            elif over == AUTO and len(pairs) >= LEAST_PAIRS:
                notes.append(
                    f"{metric} over {how}: {len(pairs)} in common, and a test takes {ENOUGH_PAIRS} to find anything"
                )
            elif over == how:
                notes.append(f"{metric} over {how}: {label(a, head)} and {label(b, head)} have {len(pairs)} in common")


def _values(row: Row, head: str, metric: str, known: Sequence[Row], place: Place) -> dict[Key, float]:
    """A metric of the configuration of a row by seed, on its own data set and split, or by data set, as a mean over
    seeds and splits."""
    configuration = configurations.beyond_data(row, head)
    by_place: dict[Key, list[float]] = {}
    for other in tables.distinct([row, *known], head):
        here = place is _dataset or _images_of(other, head) == _images_of(row, head)
        value = other.metrics.get(metric, math.nan)
        if here and not math.isnan(value) and configurations.beyond_data(other, head) == configuration:
            by_place.setdefault(place(other, head), []).append(value)
    return {key: statistics.fmean(values) for key, values in by_place.items()}


def _results(row: Row, head: str, known: Sequence[Row]) -> list[Row]:
    """The results of the configuration of a row on its data set."""
    configuration = configurations.key(row, head)
    return [other for other in tables.distinct([row, *known], head) if configurations.key(other, head) == configuration]


def _images_of(row: Row, head: str) -> tuple[Any, ...]:
    """The data set and the split that a task of a run is of."""
    return row.stages["dataset"], dict(row.division(head))


def _paired(a: Mapping[Key, float], b: Mapping[Key, float]) -> list[tuple[float, float]]:
    """Values at the same places; a fit that depends on fewer seeds has one value, which is paired with every seed."""
    a, b = _repeated(a, b), _repeated(b, a)
    return [(a[key], b[key]) for key in sorted(a.keys() & b.keys(), key=str)]


def _repeated(values: Mapping[Key, float], others: Mapping[Key, float]) -> Mapping[Key, float]:
    """The one value of a fit at the places of one that depends on more seeds; other values as they are."""
    if len(values) != 1 or not others:
        return values
    ((key, value),) = values.items()
    return dict.fromkeys(others, value) if len(key) < len(next(iter(others))) else values


def _dataset(row: Row, head: str) -> Key:
    return (row.stages["dataset"],)


def _rows_of(row: Row, head: str) -> tuple[Any, Any]:
    """What determines which images a task's metrics are of: scope and protocol."""
    config = row.plan.stages[row.run.stages[head]].config
    return config.get("scope"), config.get("protocol")


class _Evidence:
    """The arrays behind a metric, each data set's images read once."""

    def __init__(self, store: Store):
        self.store = store
        self.images: dict[str, resampled.Images] = {}

    def test(self, a: Row, b: Row, head: str, metric: str) -> tuple["Test | None", str]:
        """A paired test on the images of both, or why there is none."""
        from backbench.statistics import paired

        if _images_of(a, head) != _images_of(b, head) or _rows_of(a, head) != _rows_of(b, head):
            return None, f"{label(a, head)} and {label(b, head)} are of different images, samples, splits or scopes"
        for row in (a, b):
            if math.isnan(row.metrics[metric]):
                return None, f"undefined for {label(row, head)}: {row.notes.get(metric, 'no reason is recorded')}"
        try:
            grouped = self._images(a).groups is not None
            if resampled.is_share(metric) and catalogue.metric(metric).images == TEST_IMAGES and not grouped:
                return paired.mcnemar(self._right(a), self._right(b)), ""
            if head == CLUSTERING:
                return self._refitted(a, b, metric)
            side_a, side_b = (resampled.metrics(row, head, [metric], self._images(row)) for row in (a, b))
        except StoreError as error:
            return None, str(error)
        if metric not in side_a or metric not in side_b:
            if head == CLASSIFICATION and resampled.few(metric, a, self._images(a)):
                return None, f"a class has fewer than {resampled.LEAST_OF_A_CLASS} of the images"
            return None, "" if catalogue.metric(metric).resampled else "this metric has no test over images"
        (drawn_a, count), (drawn_b, _) = side_a[metric], side_b[metric]
        groups = count if grouped else None
        return paired.bootstrap(drawn_a, drawn_b, a.metrics[metric], b.metrics[metric], groups), ""

    def over_splits(
        self, a: Row, b: Row, head: str, metric: str, known: Sequence[Row]
    ) -> "tuple[Test, tuple[float, float]] | None":
        """The corrected test over the splits that both configurations have results of, and their means there; None
        where these are not two."""
        if a.stages["dataset"] != b.stages["dataset"] or _rows_of(a, head) != _rows_of(b, head):
            return None
        sides = [_results(row, head, known) for row in (a, b)]
        side_a, side_b = (repeats.values(rows, head, metric) for rows in sides)
        both = side_a.keys() & side_b.keys()
        if len(both) < repeats.LEAST or a.division(head).get("folds") != b.division(head).get("folds"):
            return None
        try:
            share = max(repeats.ratio(rows, head, metric, self._images(a)) for rows in sides)
        except StoreError:
            return None
        means = tuple(statistics.fmean(side[number] for number in both) for side in (side_a, side_b))
        return repeats.test(side_a, side_b, share), (means[0], means[1])

    def _refitted(self, a: Row, b: Row, metric: str) -> tuple["Test | None", str]:
        """A test on the fits of both clusterings to the same samples of the images, or why there is none."""
        from backbench.statistics import paired

        refits_a, refits_b = (resampled.refitted(row, [metric], self._images(row)) for row in (a, b))
        if metric not in refits_a or metric not in refits_b:
            return None, ONE_FIT if LABELS in catalogue.metric(metric).needs else NO_REFITS
        count = min(refits_a[metric][1], refits_b[metric][1])
        side_a, side_b = (refits[metric][0][:count] for refits in (refits_a, refits_b))
        return paired.refits(side_a, side_b, a.metrics[metric], b.metrics[metric]), ""

    def _right(self, row: Row) -> "np.ndarray":
        """Whether each test image is classified right, (images,) bool."""
        from backbench.datasets import TEST

        images = self._images(row)
        predicted = row.seen(self.store).array("classification", row.run.stages["classification"], "predictions")
        test, truth = images.split_of(row, CLASSIFICATION) == TEST, images.truth
        # Only data sets with classes are classified.
        assert truth is not None
        return predicted[test] == truth[test]

    def _images(self, row: Row) -> resampled.Images:
        member = row.stages["dataset"]
        if member not in self.images:
            labelled = bool(row.records.get(member, {}).get("info", {}).get("classes"))
            self.images[member] = resampled.Images(row.seen(self.store), member, labelled)
        return self.images[member]
