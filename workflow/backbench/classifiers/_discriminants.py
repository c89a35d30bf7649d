"""Linear discriminants of rows whose scatter within the classes has an inverse, without a decomposition of all rows.

Where no singular value is left out, the solver svd of `sklearn.discriminant_analysis.LinearDiscriminantAnalysis`
applies the inverse of the scatter to the class means, and keeps the directions in which these differ. A Cholesky
factor of the columns' products gives the same; a step of refinement on the rows themselves takes back what the products
lose (the corrected seminormal equations; Björck, "Numerical methods for least squares problems", 1996, section 2.4.5).
"""

from dataclasses import dataclass

import numpy as np

from backbench.classifiers import Prediction

# Of the relative error of a solution without refinement; one step squares it
MOST_LOST = 1e-7


@dataclass(frozen=True)
class Discriminants:
    """Classes (c,) and the log posteriors up to a constant of the row: slopes (c, d) and offsets (c,)."""

    names: np.ndarray
    slopes: np.ndarray
    offsets: np.ndarray

    def predict(self, asked: np.ndarray) -> Prediction:
        """The class with the highest log posterior of each row of `asked` (queries, d), and the posteriors."""
        from scipy.special import softmax

        scores = asked @ self.slopes.T + self.offsets
        probabilities = softmax(scores, axis=1) if len(asked) else None
        return Prediction(self.names[scores.argmax(axis=1)].astype(np.int64), probabilities=probabilities)


@dataclass(frozen=True)
class Classes:
    """Classes (c,) of rows, the code (n,) of each row, and shares (c,) and means (c, d) of the classes."""

    names: np.ndarray
    codes: np.ndarray
    shares: np.ndarray
    means: np.ndarray


def classes(rows: np.ndarray, train_y: np.ndarray) -> Classes:
    """The classes of rows (n, d) with these labels (n,)."""
    names, codes, counts = np.unique(train_y, return_inverse=True, return_counts=True)
    means = np.stack([rows[codes == code].mean(axis=0) for code in range(len(names))])
    return Classes(names, codes, counts / len(rows), means)


def of(rows: np.ndarray, train_y: np.ndarray, tol: float) -> Discriminants | None:
    """The discriminants of rows (n, d) float64 with these classes (n,).

    None if a singular value of the scaled rows may be at most `tol`, or if products of columns lose too many digits.
    """
    every = classes(rows, train_y)
    centred = rows - every.means[every.codes]
    spread = centred.std(axis=0)
    # A column that is constant in each class has a singular value of 0, which any solution leaves out.
    varied = spread > 0
    if len(rows) - len(every.names) < varied.sum():
        return None
    centred, means = (centred, every.means) if varied.all() else (centred[:, varied], every.means[:, varied])
    centred /= spread[varied] * np.sqrt(len(rows))
    overall = every.shares @ means
    applied = _inverse(centred, ((means - overall) / spread[varied]).T, tol)
    if applied is None:
        return None
    slopes = _distinct(applied.T / spread[varied], means - overall, every.shares, tol)
    # Half the squared length of a mean where the scatter is the identity
    offsets = np.log(every.shares) - 0.5 * ((means - overall) * slopes).sum(axis=1) - slopes @ overall
    wide = np.zeros((len(slopes), rows.shape[1]))
    wide[:, varied] = slopes
    return Discriminants(every.names, wide, offsets)


def _inverse(centred: np.ndarray, right: np.ndarray, tol: float) -> np.ndarray | None:
    """The inverse of the products of the columns of `centred` (n, d), applied to the sides `right` (d, c)."""
    from scipy import linalg

    products = centred.T @ centred
    upper, failed = linalg.lapack.dpotrf(products, clean=True)
    if failed:
        return None
    root = linalg.lapack.dtrtri(upper)[0]
    # At least the inverse of the smallest squared singular value; the largest is at most the number of columns.
    most = float((root * root).sum())
    if not most * max(tol * tol, len(root) * np.finfo(np.float64).eps / MOST_LOST) < 1:
        return None
    applied: np.ndarray = root @ (root.T @ right)
    return applied + root @ (root.T @ (right - centred.T @ (centred @ applied)))


def _distinct(slopes: np.ndarray, means: np.ndarray, shares: np.ndarray, tol: float) -> np.ndarray:
    """The slopes (c, d) in the directions in which centred means (c, d) of classes with these shares (c,) differ.

    Of the singular values of the weighted means, where the scatter is the identity, those above `tol` times the largest
    count.
    """
    weights = np.sqrt(shares)
    squares, vectors = np.linalg.eigh(weights[:, None] * (slopes @ means.T) * weights)
    kept = vectors[:, np.sqrt(np.maximum(squares, 0.0)) > tol * np.sqrt(max(squares[-1], 0.0))]
    distinct: np.ndarray = (kept @ (kept.T @ (slopes * weights[:, None]))) / weights[:, None]
    return distinct
