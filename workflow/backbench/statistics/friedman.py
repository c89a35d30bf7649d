"""Several methods over several blocks (data sets or seeds): Friedman's test and Nemenyi's critical difference.

Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, section 3.2.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Friedman:
    """Whether methods differ over blocks, and which.

    Attributes
    ----------
    statistic, p : Friedman's chi-square, corrected for ties
    f, f_p : the F of Iman and Davenport (1980), less conservative; infinite and 0 where all blocks rank alike
    mean_ranks : (methods,), 1 is best, ties share their mean
    critical_difference : of mean ranks, from which Nemenyi's test tells two methods apart
    nemenyi : (methods, methods) p of each pair, corrected for their number
    groups : largest sets of methods that are not told apart, best first, of two methods or more
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
    """Friedman's test of a table (blocks, methods), and Nemenyi's after it, at the level `alpha`.

    Both from `scipy.stats` and `scikit_posthocs`. The blocks have to be independent of one another: data sets are,
    folds or backbones of one data set are not.

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
    f, f_p = _iman_davenport(float(statistic), *table.shape)
    critical = _critical_difference(*table.shape, alpha)
    nemenyi = posthoc_nemenyi_friedman(better).to_numpy()
    groups = _groups(mean_ranks, critical)
    return Friedman(float(statistic), float(p), f, f_p, mean_ranks, critical, nemenyi, groups)


def _checked(table: np.ndarray) -> None:
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        said = f"a table of shape {table.shape}"
        raise ValueError(f"{said}: it takes (blocks, methods), two or more by three or more; two methods: Wilcoxon")
    holes = int((~np.isfinite(table)).sum())
    if holes:
        raise ValueError(f"{holes} of {table.size} values are not finite: leave their blocks or methods out")


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
    """On a line the largest sets within the critical difference are runs of neighbours, none inside another."""
    order = np.argsort(mean_ranks, kind="stable")
    sorted_ranks = mean_ranks[order]
    lasts = np.searchsorted(sorted_ranks, sorted_ranks + critical, side="left")
    found, reached = [], 0
    for first, end in enumerate(lasts):
        if end - first > 1 and end > reached:
            found.append(tuple(int(method) for method in order[first:end]))
            reached = end
    return tuple(found)
