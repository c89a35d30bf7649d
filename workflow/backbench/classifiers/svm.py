"""Support vector machine, one against one: one kernel matrix for every C.

Predicts as `sklearn.svm.SVC` does, which computes the kernel entry by entry; here it is a matrix product, up to 20
times as fast, whose entries differ in the sixteenth digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import classifiers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np
    from sklearn.svm import SVC

    from backbench.classifiers import _kernels, _pairs
    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
CACHE_MB = 200
KERNEL_BYTES = 1 << 30
BLOCK_BYTES = 64 << 20


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.svm.SVC`; `gamma` applies to the rbf kernel only."""

    kernel: Literal["rbf", "linear"]
    C: Annotated[float, Range(above=0)]
    gamma: Literal["scale", "auto"] | Annotated[float, Range(above=0)]
    tol: Annotated[float, Range(above=0)]
    shrinking: bool


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    return classifiers.too_few_classes(classes)


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows in float64, one kernel at a time or each member's support vectors, and what libsvm's caches can fill.

    With a kernel, the sorted training rows and its blocks for queries come on top.
    """
    rows, kernel = 8 * (n_train + n_query) * d, 8 * n_train**2
    held = kernel + 8 * n_train * d + count * BLOCK_BYTES if kernel <= KERNEL_BYTES else count * rows
    return (rows + held) / classifiers.MB + count * min(CACHE_MB, 4 * n_train**2 / classifiers.MB)


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(2.5, n=2.0, d=0.4).at(n_train, d, None, count)


@dataclass(frozen=True)
class Shared:
    """Rows (n, d) and queries (q, d) in float64, and the predictions, made ahead if the kernel of all pairs fits."""

    rows: "np.ndarray"
    asked: "np.ndarray"
    answers: threads.Once


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> Shared:
    """For rows (n, d) and queries (q, d) one kernel matrix for every C, one after the other.

    Any member, alone or not, is fitted on the same numbers.
    """
    shared = Shared(train_x.astype("float64"), queries.astype("float64"), threads.Once())
    if 8 * len(train_x) ** 2 <= KERNEL_BYTES:
        kernels: dict[tuple[str, str | float], list[Params]] = {}
        for params in dict.fromkeys(member.params for member in members):
            kernels.setdefault((params.kernel, params.gamma), []).append(params)
        for alike in kernels.values():
            _answer(shared, train_y, alike)
    return shared


def predict(
    shared: Shared, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), from rows (n, d) and classes (n,)."""
    options = task.params
    return shared.answers.get(options, partial(_fit, shared.rows, shared.asked, train_y, options))


def _answer(shared: Shared, train_y: "np.ndarray", alike: Sequence[Params]) -> None:
    """Fit and predict for all members of one kernel, given classes (n,); what fails is kept for those who ask."""
    import numpy as np

    from backbench.classifiers import _kernels

    # libsvm sorts the rows by class, too: of each pair of classes it sees the same rows in the same order.
    order = np.argsort(train_y, kind="stable")
    gamma = None if alike[0].kernel == "linear" else _kernels.width(alike[0].gamma, shared.rows)
    kernel = _kernels.Kernel(shared.rows[order], gamma)
    fits, decisions = _fits(kernel, train_y[order], alike), threads.Once()
    models = [model for model, error in fits.values() if error is None]
    decide = partial(_decisions, kernel, models, np.unique(train_y, return_counts=True)[1], shared.asked)
    decisions.attempt("all", decide)
    for params, (model, error) in fits.items():

        def answer(model: "SVC" = model, error: Exception | None = error) -> classifiers.Prediction:
            if error is not None:
                raise error
            return _prediction(model, decisions.get("all", decide)[models.index(model)])

        shared.answers.attempt(params, answer)


def _fits(
    kernel: "_kernels.Kernel", train_y: "np.ndarray", alike: Sequence[Params]
) -> dict[Params, tuple[Any, Exception | None]]:
    """The model of each member on the kernel of its rows, of classes (n,), or why there is none."""
    held, fits = threads.Once(), threads.Once()
    held.attempt("among rows", kernel.among_rows)

    def fit(params: Params) -> tuple[Params, tuple[Any, Exception | None]]:
        make = partial(_precomputed, held, kernel, train_y, params)
        return params, fits.attempt(params, make)

    return dict(threads.as_done(fit, alike))


def _precomputed(held: threads.Once, kernel: "_kernels.Kernel", train_y: "np.ndarray", params: Params) -> "SVC":
    """The model of a member on the kernel that is `held`, of rows of classes (n,)."""
    return _model(held.get("among rows", kernel.among_rows), train_y, params, "precomputed")


def _decisions(
    kernel: "_kernels.Kernel", models: "Sequence[SVC]", counts: "np.ndarray", asked: "np.ndarray"
) -> "list[list[_pairs.Decided]]":
    """For each model what it decides for blocks of queries (q, d); `counts` (classes,) are those of its rows."""
    from backbench.classifiers import _pairs
    from backbench.metrics import distances

    machines = [_pairs.Machine(model, counts) for model in models]

    def decide(span: tuple[int, int]) -> "list[_pairs.Decided]":
        block = kernel.of(asked[slice(*span)])
        return [machine.decided(block) for machine in machines]

    spans = distances.spans(len(asked), int(counts.sum()))
    blocks = [*threads.in_order(decide, spans)]
    return [[block[place] for block in blocks] for place in range(len(models))]


def _prediction(model: "SVC", blocks: "Sequence[_pairs.Decided]") -> classifiers.Prediction:
    """The prediction of a model from what it decides for blocks of queries."""
    from backbench.classifiers import _pairs

    info = {"support_vectors": int(model.n_support_.sum())}
    if not blocks:
        return classifiers.Prediction(model.classes_[:0].astype("int64"), info)
    return _pairs.joined(model, blocks, info)


def _fit(rows: "np.ndarray", asked: "np.ndarray", train_y: "np.ndarray", params: Params) -> classifiers.Prediction:
    """The prediction of a machine on rows (n, d), of classes (n,), and queries (q, d)."""
    from backbench.classifiers import _pairs

    model = _model(rows, train_y, params, params.kernel)
    return _prediction(model, _pairs.blocks(model, asked))


def _model(rows: "np.ndarray", train_y: "np.ndarray", params: Params, kernel: str) -> "SVC":
    """A machine fitted on rows (n, d), or on their kernel (n, n), of classes (n,)."""
    from sklearn.svm import SVC

    return SVC(
        kernel=kernel,
        C=params.C,
        gamma=params.gamma,
        tol=params.tol,
        shrinking=params.shrinking,
        cache_size=CACHE_MB,
        decision_function_shape="ovo",
    ).fit(rows, train_y)
