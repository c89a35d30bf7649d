"""Ranks with ties: a row ranks behind those that are better than it beyond chance.

Every pair of rows is tested, with Holm's correction over all pairs; a row's rank is one more than the number of
significantly better rows. That alone need not be consistent: a row with a large spread may be indistinguishable from
the best, while a row that scores higher is not. A row's rank is therefore at least that of every row that scores as
high or higher: no row gains from its spread, and no difference that the tests found is given up.
"""

from collections.abc import Sequence

import numpy as np

from backbench.statistics import intervals, paired

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


def standings(
    replicates: np.ndarray,
    observed: Sequence[float],
    alpha: float = 0.05,
    seeds: Sequence[np.ndarray] | None = None,
    images: int | None = None,
    groups: int | None = None,
) -> list[int | None]:
    """Ranks of rows by paired resampling: replicates (rows, resamples) on the same samples, observed values (rows,).

    As `paired.bootstrap`, for all pairs at once: t is the observed difference divided by its standard deviation, which
    follows from the covariances of the rows. A row with NaN in its value or replicates has no rank and is not counted.

    `seeds` holds the values (seeds,) of each row whose mean is its observed value: their variance is added, since the
    seeds of two rows have nothing in common, with its degrees of freedom (Welch 1947). Given how many `images` were
    drawn, the variance over them is that of equal rows: of shares t is then McNemar's, where few images differ too.
    Where whole `groups` of images were drawn, so many, they stand for the images, with one degree of freedom fewer.

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
    first, second = kept[pairs[0]], kept[pairs[1]]
    rows = [np.asarray(row, dtype=np.float64) for row in seeds] if seeds is not None else [np.zeros(1)] * len(values)
    of_seeds = np.array([intervals.variance_of_mean(row) for row in rows])
    counts = np.array([max(len(row) - 1, 1) for row in rows])
    gaps = values[first] - values[second]
    over_images, of_images = _variances(replicates[kept])[pairs], replicates.shape[1] - 1.0
    if groups is not None:
        over_images, of_images, images = over_images * intervals.few(groups), max(groups - 1.0, 1.0), groups
    if images is not None:
        over_images = np.where(over_images > 0, over_images + gaps**2 / images, 0.0)
    parts = np.stack([over_images, of_seeds[first], of_seeds[second]])
    freedom = np.stack([np.full(len(first), of_images), counts[first], counts[second]])
    p = _two_tails(gaps, np.sqrt(parts.sum(axis=0)), intervals.degrees(parts, freedom))
    return _ranked(values, first, second, p, alpha)


def over_splits(values: np.ndarray, ratio: float, alpha: float = 0.05) -> list[int]:
    """Ranks of rows by the corrected resampled t test (`repeated.test`) of each pair on the same splits.

    `values` (rows, splits) are numbers, and `ratio` that of the images that are tested to those that are trained on.
    Rows that differ by the same amount on every split are not told apart: of a few splits that is a coincidence.
    """
    values = np.asarray(values, dtype=np.float64)
    first, second = np.triu_indices(len(values), 1)
    means = values.mean(axis=1)
    over_images = _variances(values)[first, second] * (1 / values.shape[1] + ratio)
    p = _two_tails(means[first] - means[second], np.sqrt(over_images), np.full(len(first), values.shape[1] - 1.0))
    return [rank for rank in _ranked(means, first, second, np.where(np.isnan(p), 1.0, p), alpha) if rank is not None]


def _variances(replicates: np.ndarray) -> np.ndarray:
    """Variances (rows, rows) of differences of replicates (rows, resamples); 0 where they are rounding."""
    centred = replicates - replicates.mean(axis=1, keepdims=True)
    covariances = centred @ centred.T / max(replicates.shape[1] - 1, 1)
    variances = np.diag(covariances)
    both = variances[:, None] + variances[None, :]
    variance = both - 2 * covariances
    return np.where(variance > ROUNDING * both, variance, 0.0)


def _two_tails(difference: np.ndarray, spread: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """p (pairs,) of differences (pairs,) under Student's t distribution; NaN where there is no spread."""
    from scipy import stats

    t = np.divide(np.abs(difference), spread, out=np.full(len(spread), np.nan), where=spread > 0)
    return 2 * stats.t.sf(t, degrees)


def _ranked(values: np.ndarray, first: np.ndarray, second: np.ndarray, p: np.ndarray, alpha: float) -> list[int | None]:
    """Ranks of values (rows,) from p (pairs,) of the pairs `first`, `second`, after Holm's correction.

    Pairs without a p differ if their values do.
    """
    gap = np.abs(values[first] - values[second])
    unequal = gap > ROUNDING * np.maximum(np.abs(values[first]), np.abs(values[second]))
    differ = np.zeros((len(values), len(values)), dtype=bool)
    differ[first, second] = differ[second, first] = np.where(np.isnan(p), unequal, paired.holm(p) <= alpha)
    return ranks(values, differ)
