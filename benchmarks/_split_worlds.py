"""Collections with a known truth for `inference.py` whose images are split again and again, or come in groups."""

import numpy as np
from _worlds import ALPHA, BETTER_SHARE, SHARE, Claims, Judged, weights

from backbench.datasets import TEST, TRAIN, Split, _split
from backbench.evaluate import estimates
from backbench.evaluate.estimates import Replicated
from backbench.metrics import supervised
from backbench.statistics import intervals, paired, ranking, repeated, replicates, resampling

WIDTH = 4


def repeats(seed: int, n: int, count: int, folds: int = 0, grouped: bool = False, apart: float = 0.55) -> Claims:
    """Classifiers (nearest class mean) of two views that are equally good, and of a better one, on the same splits.

    The truth is the mean accuracy over all collections and splits. `grouped` images come in groups of about five that
    look alike, which no split divides. The second claim is what Student's t test and interval would say of the same
    values.
    """
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, max(n // 5, 1), n) if grouped else None
    labels = rng.integers(0, 2, n) if groups is None else (rng.integers(0, 2, n)[groups])
    views = [_view(rng, labels, groups, level) for level in (apart, apart, 1.6 * apart)]
    values = np.array([_accuracies(views, labels, split) for split in _splits(labels, groups, seed, count, folds)]).T
    sizes = None if groups is None else np.unique(groups, return_counts=True)[1]
    ratio = repeated.ratio(1, folds - 1, sizes) if folds else repeated.ratio(1, 4, sizes)
    a, b, better = values
    span, naive = repeated.interval(a, ratio, within=SHARE), intervals.over_seeds(a, within=SHARE)
    tests = repeated.test(a, b, ratio), repeated.test(better, b, ratio)
    plain = [_student(a, b), _student(better, b)]
    ranks = ranking.over_splits(values[:2], ratio, ALPHA)
    return {
        "corrected": Judged(
            float(a.mean()),
            None if span is None else (span.low, span.high),
            false=tests[0].p <= ALPHA or max(ranks) > 1,
            hit=tests[1].p <= ALPHA and tests[1].difference > 0,
        ),
        "uncorrected (not used)": Judged(
            float(a.mean()),
            None if naive is None else (naive.low, naive.high),
            false=plain[0] <= ALPHA,
            hit=plain[1] <= ALPHA and better.mean() > b.mean(),
        ),
    }


def _view(rng: np.random.Generator, labels: np.ndarray, groups: np.ndarray | None, apart: float) -> np.ndarray:
    """Features (n, d) of images with classes (n,), those of one group alike."""
    noise = rng.normal(size=(len(labels), WIDTH))
    if groups is not None:
        noise = np.sqrt(0.8) * rng.normal(size=(groups.max() + 1, WIDTH))[groups] + np.sqrt(0.2) * noise
    return noise + apart * labels[:, None]


def _splits(labels: np.ndarray, groups: np.ndarray | None, seed: int, count: int, folds: int) -> list[np.ndarray]:
    """Splits (n,) uint8 as the package makes them."""
    shares = Split("random", 0.0, 0.2)
    if folds:
        return [_split.fold(labels, groups, seed, shares, repeat, folds) for repeat in range(count)]
    return [_split.again(labels, groups, seed, shares, repeat) for repeat in range(count)]


def _accuracies(views: list[np.ndarray], labels: np.ndarray, split: np.ndarray) -> list[float]:
    """The accuracy of the nearest class mean in each view (n, d) on the test images."""
    train, test = split == TRAIN, split == TEST
    right = []
    for x in views:
        means = np.stack([x[train & (labels == label)].mean(axis=0) for label in (0, 1)])
        nearest = ((x[test][:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        right.append(float((nearest == labels[test]).mean()))
    return right


def _student(a: np.ndarray, b: np.ndarray) -> float:
    """p of Student's paired t test."""
    from scipy import stats

    gaps = paired.gaps(a, b)
    return float(stats.ttest_1samp(gaps, 0).pvalue) if np.ptp(gaps) else 1.0


def groups(seed: int, count: int, each: int, alike: float = 0.9) -> Claims:
    """Two classifiers that are equally good, and a better one, on test images in `count` groups of `each` on average.

    Images of a group are right or wrong together: `alike` is the share of the variance of what decides it. The second
    claim is what draws of single images would say of the same predictions.
    """
    from scipy import stats

    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(count), rng.poisson(each - 1, count) + 1)
    truth = rng.integers(0, 2, len(group))
    hard = rng.normal(size=count)

    def right(share: float) -> np.ndarray:
        shared = (hard + rng.normal(size=count))[group] / np.sqrt(2)
        luck = np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.normal(size=len(group))
        return luck < stats.norm.ppf(share)

    sides = [np.where(right(0.7 + more), truth, 1 - truth) for more in (0, 0, 2 * BETTER_SHARE)]
    drawn = resampling.of_groups(group, weights(count))
    claims = _of_draws(truth, sides, drawn, count, True)
    plain = _of_draws(truth, sides, resampling.weights(len(group), 300), len(group), False)
    return claims | {f"{name}, images drawn (not used)": judged for name, judged in plain.items()}


def _of_draws(truth: np.ndarray, sides: list[np.ndarray], drawn: np.ndarray, count: int, grouped: bool) -> Claims:
    """What draws (resamples, n) of `count` images or groups say of predictions (n,)."""
    claims = {}
    for name in ("accuracy", "balanced_accuracy"):
        values = [replicates.accuracy_like(name, truth, side, drawn) for side in sides]
        observed = [supervised.scores(truth, side)[name] for side in sides]
        known = Replicated(values[0][None], count, name == "accuracy", grouped=grouped)
        estimate = estimates.estimate([observed[0]], known, False, SHARE)
        tests = [
            paired.bootstrap(values[other], values[0], observed[other], observed[0], count if grouped else None)
            for other in (1, 2)
        ]
        span = None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)
        ranks = ranking.standings(
            np.stack(values[:2]), observed[:2], ALPHA, images=count, groups=count if grouped else None
        )
        false = tests[0].p <= ALPHA or ranks != [1, 1]
        hit = tests[1].p <= ALPHA and tests[1].difference > 0
        claims[name.replace("_", " ")] = Judged(estimate.mean, span, false=false, hit=hit)
    return claims
