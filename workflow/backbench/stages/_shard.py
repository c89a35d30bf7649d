"""What the stages share: the matrix of a shard, families of members, failures that stay with their member."""

import contextlib
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from backbench import device, threads
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.store import StoreError

Grouped = TypeVar("Grouped")

TRAIN, VALIDATION, TEST = 0, 1, 2
NEIGHBOURS = "neighbours."
PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
# The part of a clustering, by its scope, whose metrics are those of the result.
REPORTED = {"all": "all", "train": "train", "per_split": "test"}
NO_TEST_ROWS = "there are no test rows"


def matrix(inputs: Inputs) -> np.ndarray:
    """The rows that a head works on, float32 (n, d): the transformed ones, or the features where the chain is empty."""
    kind = inputs.refs["matrix"][0]
    return inputs.array("matrix", "matrix" if kind == "matrix" else "features")


def truth(inputs: Inputs) -> np.ndarray | None:
    """The classes of the rows, or None where the dataset is unlabelled."""
    return inputs.array("dataset", "labels") if inputs.info("dataset")["classes"] is not None else None


def compared(inputs: Inputs) -> np.ndarray | None:
    """The classes to compare results with; None of fewer than two, since one alone agrees with anything."""
    return truth(inputs) if len(inputs.info("dataset")["classes"] or ()) > 1 else None


def scoped(scope: str, split: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers (rows,) of the rows that a clustering of a scope has, by the part that is clustered by itself.

    Raises
    ------
    ValueError
        If there are none.
    """
    if scope == "all":
        return {"all": np.arange(len(split))}
    wanted = ("train",) if scope == "train" else tuple(PARTS)
    rows = {name: np.flatnonzero(split == PARTS[name]) for name in wanted}
    rows = {name: numbers for name, numbers in rows.items() if len(numbers)}
    if not rows:
        raise ValueError(f"scope {scope}: the dataset has no such rows")
    return rows


def retrieved(protocol: str, split: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (queries,) of the queries and (rows,) of the rows that may be found."""
    if protocol == "leave_one_out":
        every = np.arange(len(split))
        return every, every
    return np.flatnonzero(split == TEST), np.flatnonzero(split == TRAIN)


def families(members: Iterable[Grouped], key: Callable[[Grouped], Hashable]) -> Iterable[tuple[Any, list[Grouped]]]:
    """Members by the value of `key`, in order of appearance."""
    found: dict[Hashable, list[Grouped]] = {}
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


def failure(member: Member, error: Exception, seconds: float = 0.0, where: str = "") -> Outcome:
    """The outcome of a member that raised `error`; `where` says on what it worked."""
    from sklearn.exceptions import ConvergenceWarning

    name = next(
        (config["name"] for config in member.config.values() if isinstance(config, dict) and "name" in config), ""
    )
    who = " on ".join(filter(None, (name, where)))
    if isinstance(error, ConvergenceWarning):
        reason = f"did not converge: {error}" + (f" ({who})" if where else "")
    else:
        reason = (f"{who}: " if where else "") + f"{type(error).__name__}: {error}"
    return Outcome(member.hash, failure=reason, seconds=seconds)


def representation(inputs: Inputs) -> str:
    """What a head works on, in words: the backbone and its chain; empty where the store does not say."""
    try:
        record = inputs.store.read(*inputs.refs["matrix"]) or {}
        before = record if record["kind"] == "features" else inputs.store.read(*record["parents"]["features"]) or {}
        return " ".join([before["config"]["name"], *record["info"].get("steps", [])])
    except KeyError:
        return ""


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
