"""Several methods over several blocks (data sets or seeds): Friedman's test and Nemenyi's critical difference.

Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, section 3.2.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Friedman:
    """Whether methods differ over blocks, and which ones.

    Attributes
    ----------
    statistic, p : Friedman's chi-square, corrected for ties
    f, f_p : Iman and Davenport's (1980) F, less conservative, and its p; infinity and 0 where all blocks agree
    mean_ranks : (methods,); 1 is best, ties share their mean
    critical_difference : of mean ranks, from which two methods differ by Nemenyi's test
    nemenyi : p (methods, methods) of each pair, corrected for the number of pairs
    groups : largest sets of two or more indistinguishable methods, best first
    """

    statistic: float
    p: float
    f: float
    f_p: float
    mean_ranks: np.ndarray
    critical_difference: float
    nemenyi: np.ndarray
    groups: tuple[tuple[int, ...], ...]


def compare(table: np.ndarray, higher: bool = True, alpha: float = 0.05) -> Friedman:
    """Friedman's test of a table (blocks, methods), then Nemenyi's at the level `alpha`.

    They come from `scipy.stats` and `scikit_posthocs`. Blocks must be independent of one another: data sets are, folds
    or backbones of one data set are not.

    Raises
    ------
    ValueError
        If there are fewer than three methods or two blocks, or a value is not finite.
    """
    table = np.asarray(table, dtype=np.float64)
    _checked(table)
    from scikit_posthocs import posthoc_nemenyi_friedman
    from scipy import stats

    better = -table if higher else table
    mean_ranks = stats.rankdata(better, axis=1).mean(axis=0)
    differ = (np.ptp(table, axis=1) > 0).any()
    statistic, p = stats.friedmanchisquare(*better.T) if differ else (0.0, 1.0)
    blocks, methods = table.shape
    f, f_p = _iman_davenport(float(statistic), blocks, methods)
    critical = _critical_difference(blocks, methods, alpha)
    nemenyi = posthoc_nemenyi_friedman(better).to_numpy()
    groups = _groups(mean_ranks, critical)
    return Friedman(float(statistic), float(p), f, f_p, mean_ranks, critical, nemenyi, groups)


def _checked(table: np.ndarray) -> None:
    """Refuse a table that is not (blocks, methods) of finite values."""
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        raise ValueError(
            f"a table of shape {table.shape}: Friedman's test takes (blocks, methods), at least two blocks and three "
            "methods; for two methods use Wilcoxon"
        )
    missing = int((~np.isfinite(table)).sum())
    if missing:
        raise ValueError(f"{missing} of {table.size} values are not finite: leave out their blocks or methods")


def _iman_davenport(statistic: float, blocks: int, methods: int) -> tuple[float, float]:
    from scipy import stats

    rest = blocks * (methods - 1) - statistic
    if rest <= 1e-12 * blocks * methods:
        return math.inf, 0.0
    f = (blocks - 1) * statistic / rest
    return f, float(stats.f.sf(f, methods - 1, (methods - 1) * (blocks - 1)))


def _critical_difference(blocks: int, methods: int, alpha: float) -> float:
    from scipy import stats

    q = stats.studentized_range.ppf(1 - alpha, methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * blocks)))


def _groups(mean_ranks: np.ndarray, critical: float) -> tuple[tuple[int, ...], ...]:
    """Largest sets of methods whose mean ranks (methods,) lie within the critical difference, none inside another.

    Sorted by rank, each set is a run of neighbours.
    """
    order = np.argsort(mean_ranks, kind="stable")
    sorted_ranks = mean_ranks[order]
    lasts = np.searchsorted(sorted_ranks, sorted_ranks + critical, side="left")
    groups: list[tuple[int, ...]] = []
    reached = 0
    for first, end in enumerate(lasts):
        if end - first > 1 and end > reached:
            groups.append(tuple(int(method) for method in order[first:end]))
            reached = end
    return tuple(groups)
