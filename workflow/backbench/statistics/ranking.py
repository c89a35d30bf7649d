"""Ranks with ties: a row ranks behind those that are better than it beyond chance.

Every pair of rows is tested, with Holm's correction over all pairs; a row's rank is one more than the number of
significantly better rows. That alone need not be consistent: a row with a large spread may be indistinguishable from
the best, while a row that scores higher is not. A row's rank is therefore at least that of every row that scores as
high or higher: no row gains from its spread, and no difference that the tests found is given up.
"""

from collections.abc import Sequence

import numpy as np

from backbench.statistics import paired

# A variance of a difference this small relative to those of the rows is rounding of the covariance matrix.
ROUNDING = 1e-12


def ranks(values: Sequence[float] | np.ndarray, differ: np.ndarray) -> list[int | None]:
    """Ranks of rows with values (rows,), given which pairs (rows, rows) differ; higher is better, NaN has no rank.

    A rank is one more than the number of better rows that differ, and at least that of every row with a value as high
    or higher.
    """
    scores = np.asarray(values, dtype=np.float64)
    beaten = ((scores[None, :] > scores[:, None]) & np.asarray(differ, dtype=bool)).sum(axis=1)
    places: list[int | None] = [None] * len(scores)
    most = 0
    for score in np.unique(scores[~np.isnan(scores)])[::-1]:
        equal = np.flatnonzero(scores == score)
        most = max(most, int(beaten[equal].max()))
        for row in equal:
            places[row] = 1 + most
    return places


def standings(replicates: np.ndarray, observed: Sequence[float], alpha: float = 0.05) -> list[int | None]:
    """Ranks of rows by the paired bootstrap: replicates (rows, resamples) on the same samples, observed values (rows,).

    As `paired.bootstrap`, for all pairs at once: z is the observed difference divided by its standard deviation, which
    follows from the covariances of the rows. A row with NaN in its value or replicates has no rank and is not counted.

    Raises
    ------
    ValueError
        If the numbers of rows of replicates and of values differ, or there are fewer than two resamples.
    """
    replicates, values = np.asarray(replicates, dtype=np.float64), np.array(observed, dtype=np.float64)
    if len(replicates) != len(values) or (len(values) and replicates.shape[1] < 2):
        raise ValueError(
            f"replicates of shape {replicates.shape} for {len(values)} values: each value needs one row of at least "
            "two replicates"
        )
    values[np.isnan(replicates).any(axis=1)] = np.nan
    kept = np.flatnonzero(~np.isnan(values))
    pairs = np.triu_indices(len(kept), 1)
    spread = _spread(replicates[kept])[pairs]
    first, second = kept[pairs[0]], kept[pairs[1]]
    return _ranked(values, first, second, _two_tails(values[first] - values[second], spread), alpha)


def seeds(values: Sequence[np.ndarray], alpha: float = 0.05) -> list[int | None]:
    """Ranks of rows by their mean over seeds: one array of values (seeds,) for each row.

    Two rows with a spread are compared by Welch's (1947) t test; a row with a spread and one without by the t test of
    the first against the value of the second (both from `scipy.stats`). A row with a single value, or with equal
    values, has no spread: two such rows differ if their values differ at all, since nothing is known about how far
    they would vary, and they are not counted in the correction. Rows without a value, or with a NaN, have no rank.
    """
    rows = [np.asarray(row, dtype=np.float64).ravel() for row in values]
    counts = np.array([len(row) for row in rows])
    means = np.array([row.mean() if len(row) else np.nan for row in rows])
    spreads = np.array([_spread_of(row) for row in rows])
    kept = np.flatnonzero(~np.isnan(means))
    pairs = np.triu_indices(len(kept), 1)
    first, second = kept[pairs[0]], kept[pairs[1]]
    return _ranked(means, first, second, _t_tests(means, spreads, counts, first, second), alpha)


def _spread(replicates: np.ndarray) -> np.ndarray:
    """Standard deviations (rows, rows) of differences of replicates (rows, resamples); 0 where they are rounding."""
    centred = replicates - replicates.mean(axis=1, keepdims=True)
    covariances = centred @ centred.T / (replicates.shape[1] - 1)
    variances = np.diag(covariances)
    both = variances[:, None] + variances[None, :]
    variance = both - 2 * covariances
    return np.sqrt(np.where(variance > ROUNDING * both, variance, 0.0))


def _two_tails(difference: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """p (pairs,) of differences (pairs,) under a normal distribution; NaN where there is no spread."""
    from scipy import stats

    return 2 * stats.norm.sf(np.divide(np.abs(difference), spread, out=np.full(len(spread), np.nan), where=spread > 0))


def _spread_of(values: np.ndarray) -> float:
    """Standard deviation of values (seeds,); 0 for a single value, or values equal up to rounding."""
    if len(values) < 2:
        return 0.0
    spread = float(values.std(ddof=1))
    return spread if spread > ROUNDING * np.abs(values).max() else 0.0


def _t_tests(
    means: np.ndarray, spreads: np.ndarray, counts: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """p (pairs,) of the pairs `first`, `second` of rows; NaN where neither row has a spread.

    A row without a spread adds neither variance nor degrees of freedom, so Welch's test becomes the one-sample test;
    its count is raised to 2 for the formula only.
    """
    from scipy import stats

    p = np.full(len(first), np.nan)
    some = (spreads[first] > 0) | (spreads[second] > 0)
    sides = [(means[rows], spreads[rows], np.maximum(counts[rows], 2)) for rows in (first[some], second[some])]
    p[some] = stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue
    return p


def _ranked(values: np.ndarray, first: np.ndarray, second: np.ndarray, p: np.ndarray, alpha: float) -> list[int | None]:
    """Ranks of values (rows,) from p (pairs,) of the pairs `first`, `second`, after Holm's correction.

    Pairs without a p differ if their values do.
    """
    gap = np.abs(values[first] - values[second])
    unequal = gap > ROUNDING * np.maximum(np.abs(values[first]), np.abs(values[second]))
    differ = np.zeros((len(values), len(values)), dtype=bool)
    differ[first, second] = differ[second, first] = np.where(np.isnan(p), unequal, paired.holm(p) <= alpha)
    return ranks(values, differ)
