"""Linear discriminant analysis (`sklearn.discriminant_analysis.LinearDiscriminantAnalysis`, whose results it equals).

The scatter within the classes shrunk by a number s > 0 is (1 - s) C + s mean(diag C) I: one eigendecomposition of C
answers every number, and the solvers lsqr and eigen agree.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench import classifiers, threads
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset()


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.discriminant_analysis.LinearDiscriminantAnalysis`; `tol` counts for the solver svd only."""

    solver: Literal["svd", "lsqr", "eigen"]
    shrinkage: Literal["auto"] | Annotated[float, Range(low=0, high=1)] | None
    tol: Annotated[float, Range(low=0)]


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    found = classifiers.too_few_classes(classes)
    if n_train <= classes:
        found.append(f"LDA needs more training rows than classes; there are {n_train} of {classes}")
    if params.solver == "svd" and params.shrinkage is not None:
        found.append(f"solver svd does not shrink: set shrinkage to null, not {params.shrinkage}, or solver to lsqr")
    if params.solver == "eigen" and not params.shrinkage and n_train - classes < d:
        found.append(
            f"solver eigen without shrinkage needs {d + classes} training rows for {d} columns and {classes} classes; "
            f"there are {n_train}: set shrinkage to auto or a number above 0, or solver to svd"
        )
    return found


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows in float64; centred copies of them, their factors, and matrices of d x d, shared where the scatter is."""
    each = 5 * n_train * d if params.solver == "svd" else 2 * n_train * d + 6 * d * d
    at_once = 1 if _shrinks(params.shrinkage) else count
    return 8 * ((n_train + n_query) * d + at_once * each) / classifiers.MB


@dataclass(frozen=True)
class Scatter:
    """Classes with their means and shares, and the scatter within them: eigenvalues and eigenvectors."""

    names: "np.ndarray"
    means: "np.ndarray"
    priors: "np.ndarray"
    values: "np.ndarray"
    vectors: "np.ndarray"

    def shrunk(self, shrinkage: float) -> "np.ndarray":
        """Eigenvalues of the shrunk scatter."""
        return (1.0 - shrinkage) * self.values + shrinkage * self.values.mean()

    def predict(self, asked: "np.ndarray", shrinkage: float) -> classifiers.Prediction:
        """The class with the highest log posterior of each row of `asked` (queries, d), and the posteriors."""
        import numpy as np
        from scipy.special import softmax

        slopes = (self.means @ self.vectors / self.shrunk(shrinkage)) @ self.vectors.T
        offsets = np.log(self.priors) - 0.5 * (self.means * slopes).sum(axis=1)
        scores = asked @ slopes.T + offsets
        probabilities = softmax(scores, axis=1) if len(asked) else None
        return classifiers.Prediction(self.names[scores.argmax(axis=1)].astype(np.int64), probabilities=probabilities)


@dataclass(frozen=True)
class Shared:
    """The rows in float64, and their scatter where a member needs it."""

    rows: "np.ndarray"
    asked: "np.ndarray"
    scatters: threads.Once

    def scatter(self, train_y: "np.ndarray") -> Scatter:
        return self.scatters.get("within", lambda: _scatter(self.rows, train_y))


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> Shared:
    return Shared(train_x.astype("float64"), queries.astype("float64"), threads.Once())


def predict(
    shared: Shared, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    options = task.params
    if options.solver != "lsqr":
        _refuse_without_spread(train_x, train_y)
    if options.solver != "svd" and _shrinks(options.shrinkage) and _regular(shared.scatter(train_y), options.shrinkage):
        return shared.scatter(train_y).predict(shared.asked, options.shrinkage)
    model = LinearDiscriminantAnalysis(**asdict(options)).fit(shared.rows, train_y)
    return classifiers.by_probabilities(model, shared.asked)


def _refuse_without_spread(rows: "np.ndarray", train_y: "np.ndarray") -> None:
    """Refuse rows that have nothing within their classes to measure a scatter by."""
    import numpy as np

    if (rows == rows[0]).all():
        raise ValueError(f"all {len(rows)} training rows are equal: there is nothing to tell classes apart by")
    firsts = rows[np.unique(train_y, return_index=True)[1]]
    if (rows == firsts[np.unique(train_y, return_inverse=True)[1]]).all():
        raise ValueError(
            f"the {len(rows)} training rows are equal within each class, and solver svd or eigen needs some spread "
            "there; take solver lsqr, or another classifier"
        )


def _shrinks(shrinkage: str | float | None) -> bool:
    return isinstance(shrinkage, float) and shrinkage > 0


def _regular(scatter: Scatter, shrinkage: float) -> bool:
    """Whether the shrunk scatter has an inverse; where it has none, scikit-learn's solvers each do something else."""
    values = scatter.shrunk(shrinkage)
    return bool(values.min() > len(values) * 2.0**-52 * values.max())


def _scatter(rows: "np.ndarray", train_y: "np.ndarray") -> Scatter:
    import numpy as np
    from scipy import linalg

    names, codes, counts = np.unique(train_y, return_inverse=True, return_counts=True)
    means = np.stack([rows[codes == code].mean(axis=0) for code in range(len(names))])
    centred = rows - means[codes]
    values, vectors = linalg.eigh(centred.T @ centred / len(rows))
    return Scatter(names, means, counts / len(rows), np.maximum(values, 0.0), vectors)
