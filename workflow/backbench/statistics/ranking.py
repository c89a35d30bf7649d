"""Ranks with ties: a row ranks behind those that are better than it beyond chance.

Every pair of rows is tested, with Holm's correction over all pairs; a rank is 1 and the number of rows that are
significantly better. Such a relation need not be in order: a row with much spread may not be told apart from the best,
while one that scores higher is. So a row's rank is at least that of every row that scores as high or higher: no row
gains from its spread, and no difference that the tests found is given up.
"""

from collections.abc import Sequence

import numpy as np

from backbench.statistics import paired

# A variance of a difference this small beside those of the rows is rounding of the covariance matrix.
ROUNDING = 1e-12


def ranks(values: Sequence[float], differ: np.ndarray) -> list[int | None]:
    """Ranks of rows from which pairs (rows, rows) can be told apart; higher is better, NaN has no rank.

    The rank is 1 and the number of better rows that can be told apart, and at least that of every row with a value as
    high or higher.
    """
    values = np.asarray(values, dtype=np.float64)
    beaten = ((values[None, :] > values[:, None]) & np.asarray(differ, dtype=bool)).sum(axis=1)
    found: list[int | None] = [None] * len(values)
    most = 0
    for value in np.unique(values[~np.isnan(values)])[::-1]:
        equal = np.flatnonzero(values == value)
        most = max(most, int(beaten[equal].max()))
        for row in equal:
            found[row] = 1 + most
    return found


def standings(replicates: np.ndarray, observed: Sequence[float], alpha: float = 0.05) -> list[int | None]:
    """Ranks of rows by the paired bootstrap: all rows (rows, resamples) on the same samples.

    As `paired.bootstrap` for every pair at once: z is the observed difference over the standard deviation of the
    difference, which follows from the covariances of the rows. A row whose value or one of whose replicates is NaN has
    no rank and is not counted.

    Raises
    ------
    ValueError
        If there are not as many rows of replicates as values, or fewer than two resamples.
    """
    replicates, values = np.asarray(replicates, dtype=np.float64), np.array(observed, dtype=np.float64)
    if len(replicates) != len(values) or (len(values) and replicates.shape[1] < 2):
        said = f"replicates {replicates.shape} of {len(values)} values"
        raise ValueError(f"{said}: it takes one row of at least two replicates for each value")
    values[np.isnan(replicates).any(axis=1)] = np.nan
    kept = np.flatnonzero(~np.isnan(values))
    one, other = np.triu_indices(len(kept), 1)
    spread = _spread(replicates[kept])[one, other]
    return _ranked(values, kept, one, other, _two_tails(values[kept][one] - values[kept][other], spread), alpha)


def seeds(values: Sequence[np.ndarray], alpha: float = 0.05) -> list[int | None]:
    """Ranks of rows by their mean over seeds: one array of values for each row.

    Two rows with a spread are compared by Welch's (1947) t test, a row with a spread and one without by the t test of
    the first against the value of the second (both `scipy.stats`). A row of one value, or of values that are all
    equal, has no spread: two such rows are told apart if their values differ at all, since nothing is known of how far
    they would vary, and are not counted in the correction. Rows without a value, or with a NaN, have no rank.
    """
    arrays = [np.asarray(own, dtype=np.float64).ravel() for own in values]
    counts = np.array([len(own) for own in arrays])
    means = np.array([own.mean() if len(own) else np.nan for own in arrays])
    spreads = np.array([_spread_of(own) for own in arrays])
    kept = np.flatnonzero(~np.isnan(means))
    one, other = np.triu_indices(len(kept), 1)
    first, second = kept[one], kept[other]
    return _ranked(means, kept, one, other, _t_tests(means, spreads, counts, first, second), alpha)


def _spread(replicates: np.ndarray) -> np.ndarray:
    """Standard deviations (rows, rows) of the differences of rows, 0 where it is rounding."""
    centred = replicates - replicates.mean(axis=1, keepdims=True)
    covariances = centred @ centred.T / (replicates.shape[1] - 1)
    own = np.diag(covariances)
    both = own[:, None] + own[None, :]
    variance = both - 2 * covariances
    return np.sqrt(np.where(variance > ROUNDING * both, variance, 0.0))


def _two_tails(difference: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """p of differences under a normal distribution; NaN where there is no spread."""
    from scipy import stats

    return 2 * stats.norm.sf(np.divide(np.abs(difference), spread, out=np.full(len(spread), np.nan), where=spread > 0))


def _spread_of(values: np.ndarray) -> float:
    """Standard deviation, 0 where the values are one or equal but for rounding."""
    if len(values) < 2:
        return 0.0
    spread = float(values.std(ddof=1))
    return spread if spread > ROUNDING * np.abs(values).max() else 0.0


def _t_tests(
    means: np.ndarray, spreads: np.ndarray, counts: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """p of each pair; NaN where neither row has a spread.

    A row without one adds neither variance nor degrees of freedom, so that Welch's test becomes that of one sample; its
    count is raised to 2 for the formula alone.
    """
    from scipy import stats

    found = np.full(len(first), np.nan)
    some = (spreads[first] > 0) | (spreads[second] > 0)
    sides = [(means[rows], spreads[rows], np.maximum(counts[rows], 2)) for rows in (first[some], second[some])]
    found[some] = stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue
    return found


def _ranked(
    values: np.ndarray, kept: np.ndarray, one: np.ndarray, other: np.ndarray, p: np.ndarray, alpha: float
) -> list[int | None]:
    """Ranks after Holm over the pairs that have a p; the others are told apart if their values differ."""
    gap = np.abs(values[kept][one] - values[kept][other])
    unequal = gap > ROUNDING * np.maximum(np.abs(values[kept][one]), np.abs(values[kept][other]))
    apart = np.where(np.isnan(p), unequal, paired.holm(p) <= alpha)
    differ = np.zeros((len(values), len(values)), dtype=bool)
    differ[kept[one], kept[other]] = differ[kept[other], kept[one]] = apart
    return ranks(values, differ)
