"""Collections with a known truth for `inference.py`: each function simulates one collection and judges every claim.

A simulated collection gives, by claim: the interval and the value that it is of, whether two equals were declared
different, and whether the better of two was found. What is simulated is the data; every statistic is the package's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from backbench import clusterers, plugins
from backbench.evaluate import estimates, resampled
from backbench.evaluate.estimates import Replicated
from backbench.metrics import external, internal, near, neighbours, retrieval, supervised
from backbench.stages import _stability
from backbench.statistics import galleries, intervals, paired, ranking, refits, replicates, resampling
from backbench.statistics.galleries import Lists

ALPHA = 0.05
# How far apart the two are of which one is better: a share of right images, or of the noise of features.
BETTER_SHARE, BETTER_NOISE = 0.06, 0.85
SHARE = (0.0, 1.0)


@dataclass
class Judged:
    """What one simulated collection says of one claim; None where the claim was not made.

    The truth is what the interval `span` around `value` is to hold; None where it is the mean value over all
    simulated collections.
    """

    value: float | None = None
    span: tuple[float, float] | None = None
    truth: float | None = None
    false: bool | None = None
    hit: bool | None = None


Claims = dict[str, Judged]


@cache
def weights(n: int, seed: int = 0) -> np.ndarray:
    """The draws (resamples, n) that the package makes of n images."""
    return resampling.weights(n, 1000, seed)


def classes(rng: np.random.Generator, n: int, k: int, unequal: bool) -> np.ndarray:
    """Classes (n,) of images drawn at random; unequal ones differ in frequency by up to 10 times."""
    share = np.geomspace(1, 0.1, k) if unequal else np.ones(k)
    return rng.choice(k, n, p=share / share.sum())


def predicted(rng: np.random.Generator, truth: np.ndarray, k: int, hard: np.ndarray, right: float) -> np.ndarray:
    """Predictions (n,) of which a share is right, more often where images are not `hard` (n,) to all."""
    from scipy import stats

    luck = (hard + rng.normal(size=len(truth))) / np.sqrt(2)
    wrong = (truth + rng.integers(1, k, len(truth))) % k
    return np.where(luck < stats.norm.ppf(right), truth, wrong)


def classification(seed: int, n: int, k: int, unequal: bool, right: float = 0.8) -> Claims:
    """Two classifiers that are equally good, and a better one, on n test images of k classes.

    Of means over classes nothing is claimed where a class has few images (`evaluate.resampled.few`).
    """
    rng = np.random.default_rng(seed)
    truth, hard = classes(rng, n, k, unequal), rng.normal(size=n)
    a, b, better = (predicted(rng, truth, k, hard, right + more) for more in (0, 0, BETTER_SHARE))
    claims = {"accuracy (McNemar)": _mcnemar(truth, a, b, better)}
    if np.bincount(truth, minlength=k).min() < resampled.LEAST_OF_A_CLASS:
        return claims
    for name in resampled.OVER_CLASSES:
        values = {
            key: replicates.accuracy_like(name, truth, side, weights(n)) for key, side in enumerate((a, b, better))
        }
        observed = [supervised.scores(truth, side)[name] for side in (a, b, better)]
        tests = [paired.bootstrap(values[other], values[0], observed[other], observed[0]) for other in (1, 2)]
        estimate = estimates.estimate([observed[0]], Replicated(values[0][None], n), False, SHARE)
        claims[name.replace("_", " ")] = _judged(estimate, *tests)
    return claims


def _mcnemar(truth: np.ndarray, a: np.ndarray, b: np.ndarray, better: np.ndarray) -> Judged:
    right = [side == truth for side in (a, b, better)]
    values = replicates.accuracy_like("accuracy", truth, a, weights(len(truth)))
    estimate = estimates.estimate([float(right[0].mean())], Replicated(values[None], len(truth), True), False, SHARE)
    return _judged(estimate, *(paired.mcnemar(right[other], right[0]) for other in (1, 2)))


def _judged(estimate: estimates.Estimate, equal: paired.Test, better: paired.Test) -> Judged:
    span = None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)
    return Judged(estimate.mean, span, false=equal.p <= ALPHA, hit=better.p <= ALPHA and better.difference > 0)


def ranks(seed: int, n: int, k: int, rows: int, seeds: int, spread: float = 0.03) -> Claims:
    """Rows of a leaderboard of classifiers that are equally good, each with so many seeds; and the same with one that
    is better by three times as much as elsewhere."""
    rng = np.random.default_rng(seed)
    truth, hard = classes(rng, n, k, False), rng.normal(size=n)

    def row(right: float) -> tuple[np.ndarray, np.ndarray]:
        levels = right + (spread * rng.normal(size=seeds) if seeds > 1 else np.zeros(1))
        fits = [predicted(rng, truth, k, hard, float(np.clip(level, 0.05, 0.98))) for level in levels]
        drawn = [replicates.accuracy_like("accuracy", truth, fit, weights(n)) for fit in fits]
        return np.stack(drawn), np.array([(fit == truth).mean() for fit in fits])

    equal = [row(0.7) for _ in range(rows)]
    better = [*equal[1:], row(0.7 + 3 * BETTER_SHARE)]
    values, recorded = equal[0]
    estimate = estimates.estimate(list(recorded), Replicated(values, n, True), False, SHARE)
    span = None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)
    first = _standing(better, n)
    alone = first[-1] == 1 and sorted(first)[1] > 1
    return {"ranks": Judged(estimate.mean, span, false=max(_standing(equal, n)) > 1, hit=alone)}


def _standing(rows: list[tuple[np.ndarray, np.ndarray]], n: int) -> list[int]:
    drawn, means = np.stack([values.mean(axis=0) for values, _ in rows]), [own.mean() for _, own in rows]
    return [place or 0 for place in ranking.standings(drawn, means, ALPHA, [own for _, own in rows], n)]


def seeds(seed: int, count: int, skewed: bool) -> Claims:
    """The mean of values of so many seeds, and a comparison of two by pairs of seeds."""
    rng = np.random.default_rng(seed)
    draw = (lambda: rng.exponential(0.04, count) + 0.46) if skewed else (lambda: rng.normal(0.5, 0.04, count))
    a, b = draw(), draw()
    span = intervals.over_seeds(a, within=SHARE)
    assert span is not None
    test, better = paired.wilcoxon(a, b), paired.wilcoxon(a + 0.05, b)
    tested = count >= paired.LEAST_PAIRS
    return {
        "over seeds": Judged(
            float(a.mean()),
            (span.low, span.high),
            0.5,
            test.p <= ALPHA if tested else None,
            better.p <= ALPHA if tested else None,
        )
    }


@dataclass(frozen=True)
class Space:
    """Centres (k, d) of classes and the noise around them."""

    k: int
    d: int
    apart: float

    def view(self, rng: np.random.Generator, truth: np.ndarray, noise: float = 1.0) -> np.ndarray:
        """Features (n, d) of images of classes (n,): the centres are the same for every collection."""
        centres = np.random.default_rng(5).normal(size=(self.k, self.d)) * self.apart
        return centres[truth] + noise * rng.normal(size=(len(truth), self.d))


def clusterings(
    seed: int, n: int, k: int, apart: float, clusterer: str, unequal: bool = False, samples: int = 20, fits: int = 1
) -> Claims:
    """Two views of the same images that are equally good, one that is better, and two seeds on one view.

    Each is a mean over so many fits with seeds of their own.
    """
    rng = np.random.default_rng(seed)
    truth, space = classes(rng, n, k, unequal), Space(k, 16, apart)
    views = [space.view(rng, truth, noise) for noise in (1.0, 1.0, BETTER_NOISE)]
    sides = [
        _clustered(clusterer, view, truth, k, samples, range(start, start + fits))
        for view, start in ((views[0], 0), (views[1], 0), (views[2], 0), (views[0], fits))
    ]
    claims: Claims = {}
    for name in ("ami", "ari", "cluster_accuracy"):
        values, observed = zip(*(side[name] for side in sides), strict=True)
        equal, better, again = (
            paired.refits(values[other], values[0], observed[other], observed[0]) for other in (1, 2, 3)
        )
        estimate = estimates.estimate([observed[0]], Replicated(values[0][None], samples, refitted=True), True)
        claims[f"{name}: two views"] = _judged(estimate, equal, better)
        claims[f"{name}: two seeds"] = Judged(false=again.p <= ALPHA)
    return claims


def as_they_are(seed: int, n: int, k: int, apart: float) -> Claims:
    """One k-means of n images with its clusters as they are: what other images would have in the cells around the same
    centres."""
    rng = np.random.default_rng(seed)
    truth, space = classes(rng, n, k, False), Space(k, 16, apart)
    x = space.view(rng, truth)
    plugin, task = clusterers.load("kmeans"), clusterers.Task(plugins.params("clusterer", _config("kmeans")), k, 0)
    labels = plugin.fit(plugin.prepare(x, [task], near.Near(x)), x, task)[0]
    centres = np.array([x[labels == cluster].mean(axis=0) for cluster in range(k)])
    others = classes(rng, 20_000, k, False)
    fresh = space.view(rng, others)
    cells = neighbours.nearest(fresh, centres, 1, "euclidean")[0][:, 0]
    claims: Claims = {}
    for name in ("ami", "ari", "cluster_accuracy"):
        values = replicates.agreement(name, truth, labels, weights(n))
        observed, expected = getattr(external, name)(truth, labels), getattr(external, name)(others, cells)
        estimate = estimates.estimate([observed], Replicated(values[None], n), True)
        claims[name] = Judged(observed, (estimate.low or 0.0, estimate.high or 1.0), expected)
    widths = internal.scores(x, [labels])[0].widths
    assert widths is not None
    drawn = internal.scores(fresh[:4000], [cells[:4000]])[0].values["silhouette"]
    estimate = estimates.estimate([widths.mean()], Replicated(replicates.mean(widths, weights(n))[None], n), True)
    claims["silhouette"] = Judged(float(widths.mean()), (estimate.low or 0.0, estimate.high or 1.0), drawn)
    return claims


def _clustered(
    name: str, x: np.ndarray, truth: np.ndarray, k: int, samples: int, seeds: range
) -> dict[str, tuple[np.ndarray, float]]:
    """Each metric as its spread over refits (samples,) and its value, means over fits with several seeds."""
    plugin = clusterers.load(name)
    params = plugins.params("clusterer", _config(name))
    tasks = {str(seed): clusterers.Task(params, k, seed) for seed in seeds}
    shared = plugin.prepare(x, list(tasks.values()), near.Near(x))
    steady = _stability.scores(plugin, x, tasks, samples, 0.5)
    names, spreads, values = ("ami", "ari", "cluster_accuracy"), [], []
    for key, task in tasks.items():
        labels = plugin.fit(shared, x, task)[0]
        observed = [getattr(external, metric)(truth, labels) for metric in names]
        again = steady[key].refits
        assert again is not None, steady[key].reason
        spreads.append(refits.replicates(names, truth, again, observed))
        values.append(observed)
    means = np.mean(values, axis=0)
    return {
        metric: (np.mean([s[metric] for s in spreads], axis=0), float(mean))
        for metric, mean in zip(names, means, strict=True)
    }


@cache
def _config(name: str) -> Mapping[str, Any]:
    """The options of a clusterer at their defaults, with one start of k-means."""
    import yaml

    from backbench import paths

    config = yaml.safe_load((paths.CHECKOUT / "conf" / "clusterer" / f"{name}.yaml").read_text())
    return {"name": name, **config, **({"n_init": 1} if "n_init" in config else {})}


def retrievals(seed: int, n: int, k: int, apart: float, whole: bool, unequal: bool = False, depth: int = 10) -> Claims:
    """Two views of the same images that are equally good, and one that is better; half of the images are the queries
    where the gallery is not the `whole`."""
    rng = np.random.default_rng(seed)
    truth, space = classes(rng, n, k, unequal), Space(k, 16, apart)
    views = [space.view(rng, truth, noise) for noise in (1.0, 1.0, BETTER_NOISE)]
    searches = [_searched(view, truth, whole, depth) for view in views]
    claims: Claims = {}
    for kind in ("precision", "hit_rate", "map", "recall"):
        values = [galleries.replicates(kind, lists, depth, weights) for lists in searches]
        observed = [retrieval.curves(lists.hits, lists.totals, [depth])[f"{kind}_at_{depth}"] for lists in searches]
        estimate = estimates.estimate([observed[0]], Replicated(values[0][None], n), False, SHARE)
        tests = [paired.bootstrap(values[other], values[0], observed[other], observed[0]) for other in (1, 2)]
        claims[f"{kind}@{depth}"] = _judged(estimate, *tests)
    return claims


def _searched(x: np.ndarray, truth: np.ndarray, whole: bool, depth: int) -> Lists:
    """The nearest images of each: of all others, or of the first half among the second."""
    if whole:
        nearest = neighbours.nearest(x, x, depth, "euclidean", np.arange(len(x)))[0]
        return Lists(nearest, truth, truth, True)
    half = len(x) // 2
    nearest = neighbours.nearest(x[:half], x[half:], depth, "euclidean")[0]
    return Lists(nearest, truth[:half], truth[half:], False)
