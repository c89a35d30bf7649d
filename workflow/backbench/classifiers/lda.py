"""Linear discriminant analysis (`sklearn.discriminant_analysis.LinearDiscriminantAnalysis`, whose results it equals).

The scatter C within the classes, shrunk by a number s > 0, is (1 - s) C + s mean(diag C) I: one eigendecomposition of C
serves every number, four to seven times as fast as a fit for each, and the solvers lsqr and eigen agree. Without
shrinkage, the solver svd needs no decomposition where C has an inverse (`_discriminants`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeGuard

from backbench import classifiers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.classifiers import _discriminants
    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
BLOCK = 256


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.discriminant_analysis.LinearDiscriminantAnalysis`; `tol` applies to the solver svd only."""

    solver: Literal["svd", "lsqr", "eigen"]
    shrinkage: Literal["auto"] | Annotated[float, Range(low=0, high=1)] | None
    tol: Annotated[float, Range(low=0)]


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    reasons = classifiers.too_few_classes(classes)
    if n_train <= classes:
        reasons.append(f"LDA needs more training rows than classes; there are {n_train} of {classes}")
    if params.solver == "svd" and params.shrinkage is not None:
        reasons.append(f"solver svd does not shrink: set shrinkage to null, not {params.shrinkage}, or solver to lsqr")
    if params.solver == "eigen" and not params.shrinkage and n_train - classes < d:
        reasons.append(
            f"solver eigen without shrinkage needs {d + classes} training rows for {d} columns and {classes} classes; "
            f"there are {n_train}: set shrinkage to auto or a number above 0, or solver to svd"
        )
    return reasons


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows in float64; centred copies of them, their factors, and matrices of d x d, shared if the scatter is."""
    each = 5 * n_train * d if params.solver == "svd" else 2 * n_train * d + 6 * d * d
    at_once = 1 if _shrinks(params.shrinkage) else count
    return 8 * ((n_train + n_query) * d + at_once * each) / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.02, n=0.75, d=1.2).at(n_train, d, None, count)


@dataclass(frozen=True)
class Scatter:
    """The classes, and the scatter within them: eigenvalues (d,) and eigenvectors (d, d)."""

    classes: "_discriminants.Classes"
    values: "np.ndarray"
    vectors: "np.ndarray"

    def shrunk(self, shrinkage: float) -> "np.ndarray":
        """Eigenvalues (d,) of the shrunk scatter."""
        return (1.0 - shrinkage) * self.values + shrinkage * self.values.mean()

    def discriminants(self, shrinkage: float) -> "_discriminants.Discriminants":
        """The discriminants of the shrunk scatter."""
        import numpy as np

        from backbench.classifiers import _discriminants

        means = self.classes.means
        slopes = (means @ self.vectors / self.shrunk(shrinkage)) @ self.vectors.T
        offsets = np.log(self.classes.shares) - 0.5 * (means * slopes).sum(axis=1)
        return _discriminants.Discriminants(self.classes.names, slopes, offsets)


@dataclass(frozen=True)
class Shared:
    """Rows (n, d) and queries (q, d) in float64, and the scatter if a member needs it."""

    rows: "np.ndarray"
    asked: "np.ndarray"
    scatters: threads.Once

    def scatter(self, train_y: "np.ndarray") -> Scatter:
        """The scatter within the classes (n,)."""
        return self.scatters.get("within", lambda: _scatter(self.rows, train_y))


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> Shared:
    """Rows (n, d) and queries (q, d) in float64."""
    return Shared(train_x.astype("float64"), queries.astype("float64"), threads.Once())


def predict(
    shared: Shared, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), from rows (n, d) and classes (n,)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    options = task.params
    if options.solver != "lsqr":
        _refuse_without_spread(train_x, train_y)
    discriminants = _discriminants_of(shared, train_y, options)
    if discriminants is not None:
        return discriminants.predict(shared.asked)
    model = LinearDiscriminantAnalysis(**asdict(options)).fit(shared.rows, train_y)
    return classifiers.by_probabilities(model, shared.asked)


def _discriminants_of(shared: Shared, train_y: "np.ndarray", options: Params) -> "_discriminants.Discriminants | None":
    """The discriminants of classes (n,) without scikit-learn; None where only its own solver gives them."""
    from backbench.classifiers import _discriminants

    if options.solver == "svd":
        return _discriminants.of(shared.rows, train_y, options.tol)
    if _shrinks(options.shrinkage) and _regular(shared.scatter(train_y), options.shrinkage):
        return shared.scatter(train_y).discriminants(options.shrinkage)
    return None


def _refuse_without_spread(rows: "np.ndarray", train_y: "np.ndarray") -> None:
    """Refuse rows (n, d) without any scatter within their classes (n,)."""
    import numpy as np

    _, firsts, codes = np.unique(train_y, return_index=True, return_inverse=True)
    blocks = (slice(start, start + BLOCK) for start in range(0, len(rows), BLOCK))
    if any((rows[block] != rows[firsts[codes[block]]]).any() for block in blocks):
        return
    if (rows[firsts] == rows[0]).all():
        raise ValueError(f"all {len(rows)} training rows are equal: nothing distinguishes the classes")
    raise ValueError(
        f"the {len(rows)} training rows are equal within each class, and solver svd or eigen needs some spread "
        "there; use solver lsqr, or another classifier"
    )


def _shrinks(shrinkage: str | float | None) -> TypeGuard[float]:
    return isinstance(shrinkage, float) and shrinkage > 0


def _regular(scatter: Scatter, shrinkage: float) -> bool:
    """Whether the shrunk scatter has an inverse; without one, scikit-learn's solvers differ from one another."""
    values = scatter.shrunk(shrinkage)
    return bool(values.min() > len(values) * 2.0**-52 * values.max())


def _scatter(rows: "np.ndarray", train_y: "np.ndarray") -> Scatter:
    """The scatter of rows (n, d) within their classes (n,)."""
    import numpy as np
    from scipy import linalg

    from backbench.classifiers import _discriminants

    classes = _discriminants.classes(rows, train_y)
    centred = rows - classes.means[classes.codes]
    values, vectors = linalg.eigh(centred.T @ centred / len(rows))
    return Scatter(classes, np.maximum(values, 0.0), vectors)
