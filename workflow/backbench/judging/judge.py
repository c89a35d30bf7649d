"""What one representation says of clusterings of its rows that were made without it, or with it.

Three values, none of which knows the true classes: how well the labels can be predicted from the features (NET), how
short they make the description of a random walk on the neighbour graph (the map equation), and how far apart the
clusters lie in a UMAP of the features (silhouette).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backbench.metrics import _chance, neighbours
from backbench.metrics.labels import crosstab

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

VALUES = ("net", "codelength", "silhouette")
# Of what stays unknown of the labels (nats): its weight against what the predictions tell of them.
UNKNOWN = 1.5
# Neighbours in the graph, and those of a collection of at most SMALL rows.
NEIGHBOURS, FEW_NEIGHBOURS, SMALL = 10, 4, 60
LEAST_ROWS = 3
# Mean squared distance of rows of unit length from their mean below which they are all the same but for rounding.
SAME = 1e-12


@dataclass(frozen=True)
class Judge:
    """One representation as a judge; `Judge.of` makes it from features.

    Attributes
    ----------
    smoother : kernel-ridge predictions from the labels of all rows, (rows, rows) float32
    leverage : weight of each row in its own prediction, the diagonal of `smoother`, (rows,) float32
    graph : symmetric weights between cosine neighbours, (rows, rows)
    distances : Euclidean distances in the embedding, (rows, rows) float32
    """

    smoother: np.ndarray
    leverage: np.ndarray
    graph: "csr_matrix"
    distances: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, embedding: np.ndarray) -> "Judge":
        """A judge from features (rows, columns) and their embedding (rows, components), see `embedding.embed`.

        Holds two float32 matrices of rows x rows: 32 MB for 2,000 rows.

        Raises
        ------
        ValueError
            If there are fewer than 3 rows, a value that is not finite, or another number of rows in the embedding.
        """
        from scipy.spatial.distance import pdist, squareform

        x, z = _checked(features, "features"), _checked(embedding, "embedding")
        if len(x) != len(z):
            raise ValueError(f"{len(x)} rows of features and {len(z)} of the embedding: they must be the same rows")
        if len(x) < LEAST_ROWS:
            raise ValueError(f"{len(x)} rows: a judge needs at least {LEAST_ROWS}")
        smoother = _smoother(x)
        distances = squareform(pdist(z)).astype(np.float32)
        return cls(smoother, np.diag(smoother).copy(), _graph(x), distances)

    @property
    def rows(self) -> int:
        """Number of rows that it knows."""
        return len(self.leverage)

    def values(self, labels: np.ndarray) -> np.ndarray:
        """NET, codelength and silhouette (3,) of one labeling (rows,): `table` of it alone."""
        return self.table(np.asarray(labels)[None])[0]

    def table(self, labels: np.ndarray) -> np.ndarray:
        """NET, codelength and silhouette of clusterings: (candidates, rows) to (candidates, 3) float64.

        The names of clusters do not matter; noise (-1) is a cluster of its own. Many labelings at once take less time
        than one by one: about 2 s for 500 of 1,000 rows on one core.

        - NET, in nats, higher is better: (MI - EMI) - 1.5 H(labels | predictions), of labels and their leave-one-out
          kernel-ridge predictions; EMI is the mutual information by chance. Below 0 for labels dealt at random.
        - codelength, in bits, **lower** is better: the two-level map equation (Rosvall and Bergstrom 2008, eq. 1).
        - silhouette in the embedding, higher is better (`sklearn.metrics.silhouette_score`); -1 for one cluster alone.

        Raises
        ------
        ValueError
            If `labels` are no whole numbers in two dimensions, or not of the rows of this judge.
        """
        parts = codes(labels)
        if parts.shape[1] != self.rows:
            raise ValueError(f"labels of {parts.shape[1]} rows for a judge of {self.rows}: they must be the same rows")
        degree = np.asarray(self.graph.sum(axis=1)).ravel()
        agreements, codelengths, silhouettes = [], [], []
        for part in parts:
            one_hot = np.eye(int(part.max()) + 1, dtype=np.float32)[part]
            agreements.append(_Agreement.of(crosstab(self._predictions(one_hot), part)))
            codelengths.append(_codelength(self.graph @ one_hot, degree, part))
            silhouettes.append(_silhouette(self.distances @ one_hot, part))
        return np.column_stack([_net(agreements), codelengths, silhouettes]).reshape(len(parts), len(VALUES))

    def _predictions(self, one_hot: np.ndarray) -> np.ndarray:
        """Leave-one-out predictions (rows,) of the cluster of each row, of labels (rows, clusters) float32.

        Those of ridge regression have a closed form: (P y - h y) / (1 - h), for centred labels y.
        """
        shares = one_hot.mean(axis=0)
        centred = one_hot - shares
        own_share = self.leverage[:, None]
        left_out = (self.smoother @ centred - own_share * centred) / (1 - own_share)
        return (left_out + shares).argmax(axis=1)


def codes(labels: np.ndarray) -> np.ndarray:
    """Each of labelings (candidates, rows) in codes 0, 1, ... without gaps, noise among them, as int64.

    Raises
    ------
    ValueError
        If they are no whole numbers in two dimensions, or of no row.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.shape[1] == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels are {labels.dtype} of shape {labels.shape}: whole numbers (candidates, rows) are due")
    parts = [np.unique(part, return_inverse=True)[1] for part in labels]
    return np.array(parts, dtype=np.int64).reshape(labels.shape)


def _checked(values: np.ndarray, what: str) -> np.ndarray:
    """Rows (rows, columns) as float64, all finite."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"{what} of shape {rows.shape}: rows and columns are needed")
    wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"{what}: {len(wrong)} of {len(rows)} rows hold NaN or infinity, row {wrong[0]} first; "
            "leave these rows out, or extract them again"
        )
    return rows


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows (rows, columns) of unit length; a row of zeros stays."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def _smoother(rows: np.ndarray) -> np.ndarray:
    """G (G + tr(G) / n I)^-1, (rows, rows) float32, of the inner products G of centred unit `rows` (rows, columns)."""
    from scipy.linalg import solve

    centred = unit(rows)
    centred -= centred.mean(axis=0)
    products = centred @ centred.T
    n = len(products)
    ridge = np.trace(products) / n
    if ridge < SAME:
        return np.zeros((n, n), np.float32)
    penalised = products + ridge * np.eye(n)
    return solve(penalised, products, assume_a="pos", overwrite_a=True, check_finite=False).astype(np.float32)


def _graph(rows: np.ndarray) -> "csr_matrix":
    """Weights (rows, rows) of the cosine neighbours of rows (rows, columns): 1 if mutual, 1/2 if one-sided."""
    from scipy.sparse import csr_matrix

    n = len(rows)
    count = min(NEIGHBOURS if n > SMALL else FEW_NEIGHBOURS, n - 1)
    every = np.arange(n)
    near, _ = neighbours.nearest(rows, rows, count, "cosine", every)
    directed = csr_matrix((np.ones(n * count), (np.repeat(every, count), near.ravel())), shape=(n, n))
    return csr_matrix((directed + directed.T) / 2)


@dataclass(frozen=True)
class _Agreement:
    """Counts of predictions and of labels, both (clusters,); sums of x log x over all cells and over predictions."""

    predicted: np.ndarray
    true: np.ndarray
    cells: float
    rows: float

    @classmethod
    def of(cls, table: np.ndarray) -> "_Agreement":
        """Of counts (clusters, clusters), predictions against labels."""
        from scipy.special import xlogy

        counts = table.astype(np.float64)
        predicted = counts.sum(axis=1)
        return cls(predicted, counts.sum(axis=0), xlogy(counts, counts).sum(), xlogy(predicted, predicted).sum())


def _net(agreements: Sequence[_Agreement]) -> np.ndarray:
    """NET (candidates,): MI - EMI and H(labels | predictions) are differences of sums of x log x."""
    if not agreements:
        return np.zeros(0)
    total = np.array([agreement.true.sum() for agreement in agreements])
    cells = np.array([agreement.cells for agreement in agreements])
    rows = np.array([agreement.rows for agreement in agreements])
    predicted = stacked([agreement.predicted for agreement in agreements])
    expected = _chance.expected_logs(predicted, stacked([agreement.true for agreement in agreements]), total)
    return (cells - expected) / total - UNKNOWN * (rows - cells) / total


def stacked(margins: Sequence[np.ndarray]) -> np.ndarray:
    """Counts of clusters (clusters,) of several labelings side by side, (most clusters, labelings), filled with 0."""
    columns = np.zeros((max(map(len, margins), default=0), len(margins)))
    for column, counts in zip(columns.T, margins, strict=True):
        column[: len(counts)] = counts
    return columns


def _codelength(links: np.ndarray, degree: np.ndarray, part: np.ndarray) -> float:
    """Map equation in bits a step, for modules (rows,), of a walk over rows of some `degree` (rows,).

    `links` are the summed weights from each row to each module, (rows, clusters).
    """
    total, count = degree.sum(), links.shape[1]
    inside = np.bincount(part, links[np.arange(len(part)), part], count) / total
    visits = np.bincount(part, degree, count) / total
    leave = np.maximum(visits - inside, 0)
    terms = (_bits(leave.sum()), -2 * _bits(leave).sum(), -_bits(degree / total).sum(), _bits(leave + visits).sum())
    return float(sum(terms))


def _bits(shares: np.ndarray) -> np.ndarray:
    """Elementwise x log2 x of shares (m,)."""
    from scipy.special import xlogy

    return xlogy(shares, shares) / np.log(2)


def _silhouette(sums: np.ndarray, part: np.ndarray) -> float:
    """Mean silhouette of labels (rows,) by the sums of distances from each row to each cluster, (rows, clusters)."""
    sizes = np.bincount(part)
    if len(sizes) == 1:
        return -1.0
    every, size = np.arange(len(part)), sizes[part]
    own_mean = sums[every, part] / np.maximum(size - 1, 1)
    means = sums / sizes
    means[every, part] = np.inf
    nearest = means.min(axis=1)
    widths = (nearest - own_mean) / np.maximum(np.maximum(own_mean, nearest), 1e-12)
    return float(np.where(size == 1, 0.0, widths).mean())
