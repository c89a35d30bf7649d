"""What the stages share: the matrix of a shard, families of members, failures that stay with their member."""

import contextlib
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

import numpy as np

from backbench import device, threads
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.store import StoreError

TRAIN, VALIDATION, TEST = 0, 1, 2
NEIGHBOURS = "neighbours."
PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}


def matrix(inputs: Inputs) -> np.ndarray:
    """The rows that a head works on, float32 (n, d): the transformed ones, or the features where the chain is empty."""
    kind = inputs.refs["matrix"][0]
    return inputs.array("matrix", "matrix" if kind == "matrix" else "features")


def truth(inputs: Inputs) -> np.ndarray | None:
    """The classes of the rows, or None where the dataset is unlabelled."""
    return inputs.array("dataset", "labels") if inputs.info("dataset")["classes"] is not None else None


def families(members: Sequence[Member], key: Callable[[Member], Hashable]) -> Iterable[tuple[Hashable, list[Member]]]:
    """Members by the value of `key`, in order of appearance."""
    found: dict[Hashable, list[Member]] = {}
    for member in members:
        found.setdefault(key(member), []).append(member)
    return found.items()


@contextlib.contextmanager
def computing(context: Context) -> Iterator[None]:
    """The device of the shard, one core for each fit, and an error where scikit-learn warns of no convergence."""
    from sklearn.exceptions import ConvergenceWarning

    with device.using(context.device), threads.one_core_each(context.threads), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        yield


def failure(member: Member, error: Exception, seconds: float = 0.0) -> Outcome:
    """The outcome of a member that raised `error`."""
    from sklearn.exceptions import ConvergenceWarning

    name = "did not converge" if isinstance(error, ConvergenceWarning) else type(error).__name__
    return Outcome(member.hash, failure=f"{name}: {error}", seconds=seconds)


def refuse_non_finite(x: np.ndarray) -> None:
    """Raise ValueError if a matrix holds NaN or infinity."""
    bad = int(x.size - np.isfinite(x).sum())
    if bad:
        raise ValueError(f"{bad} of {x.size} values of the matrix are not finite")


def plain(values: dict[str, float]) -> dict[str, float | None]:
    """Values as plain JSON: NaN becomes null."""
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def graphs(inputs: Inputs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The stored neighbour graphs of the matrix by metric: row numbers (n, k) and distances (n, k).

    What the store does not hold, or holds damaged, is left out: whoever needs it searches for itself.
    """
    found = {}
    for role in inputs.refs:
        if role.startswith(NEIGHBOURS):
            with contextlib.suppress(StoreError):
                found[role.removeprefix(NEIGHBOURS)] = (inputs.array(role, "indices"), inputs.array(role, "distances"))
    return found
