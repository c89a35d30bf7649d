"""Collections with a known truth for `inference.py` whose images are split again and again, or come in groups."""

import numpy as np
from _worlds import ALPHA, SHARE, Claims, Judged

from backbench.datasets import TEST, TRAIN, Split, _split
from backbench.statistics import intervals, paired, ranking, repeated

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
    ratio = 1 / (folds - 1) if folds else 0.2 / 0.8
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
