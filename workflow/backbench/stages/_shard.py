"""What the stages share: the matrix of a job, families of members, and failures that affect one member only."""

import contextlib
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from backbench import device, hashing, threads
from backbench.datasets import _resplit
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.store import StoreError

Grouped = TypeVar("Grouped")

TRAIN, VALIDATION, TEST = 0, 1, 2
NEIGHBOURS = "neighbours."
PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
# By scope of a clustering: the rows whose metrics are those of the result.
REPORTED = {"all": "all", "train": "train", "per_split": "test"}
NO_TEST_ROWS = "there are no test rows"


def matrix(inputs: Inputs) -> np.ndarray:
    """The matrix (n, d) float32 that a task works on: the transformed rows, or the features if the chain is empty."""
    kind = inputs.refs["matrix"][0]
    return inputs.array("matrix", "matrix" if kind == "matrix" else "features")


def truth(inputs: Inputs) -> np.ndarray | None:
    """The classes (n,) of the rows, or None if the dataset is unlabelled."""
    return inputs.array("dataset", "labels") if inputs.info("dataset")["classes"] is not None else None


def compared(inputs: Inputs) -> np.ndarray | None:
    """The classes (n,) to compare results with; None if there are fewer than two, since any result agrees with one."""
    return truth(inputs) if len(inputs.info("dataset")["classes"] or ()) > 1 else None


class Splits:
    """The splits (n,) of the members of a job, each computed once."""

    def __init__(self, inputs: Inputs):
        self.inputs = inputs
        self._known: dict[str, np.ndarray] = {}

    def of(self, config: Mapping[str, Any]) -> np.ndarray:
        """The split (n,) of each row for a member of this configuration: the dataset's where it names no other."""
        key, options = division(config), config.get("split", {})
        if key not in self._known:
            if options:
                self._known[key] = _resplit.stored(self.inputs.store, self.inputs.refs["dataset"][1], options)
            else:
                self._known[key] = self.inputs.array("dataset", "split")
        return self._known[key]


def division(config: Mapping[str, Any]) -> str:
    """What tells the split of a member of this configuration from those of others."""
    return hashing.canonical_json(config.get("split", {}))


def scoped(scope: str, split: np.ndarray) -> dict[str, np.ndarray]:
    """Row numbers (m,) that a clustering of this scope uses, by the name of the rows that are clustered together.

    `split` (n,) holds the split of each row.

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
    """Row numbers (q,) of the queries and (m,) of the rows to search, given the `split` (n,) of each row."""
    if protocol == "leave_one_out":
        every = np.arange(len(split))
        return every, every
    return np.flatnonzero(split == TEST), np.flatnonzero(split == TRAIN)


def families(members: Iterable[Grouped], key: Callable[[Grouped], Hashable]) -> Iterable[tuple[Any, list[Grouped]]]:
    """Members by the value of `key`, in order of appearance."""
    grouped: dict[Hashable, list[Grouped]] = {}
    for member in members:
        grouped.setdefault(key(member), []).append(member)
    return grouped.items()


@contextlib.contextmanager
def computing(context: Context) -> Iterator[None]:
    """Use the job's device and one core per fit; raise an error if scikit-learn warns of no convergence."""
    from sklearn.exceptions import ConvergenceWarning

    with device.using(context.device), threads.one_core_each(context.threads), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        yield


@contextlib.contextmanager
def searching(context: Context) -> Iterator[None]:
    """Use the job's device and one core per search by NumPy: scikit-learn, which takes a second, is not loaded."""
    with device.using(context.device), threads.loaded_at_one_core(context.threads):
        yield


def failure(member: Member, error: Exception, seconds: float = 0.0, where: str = "") -> Outcome:
    """The outcome of a member that raised `error`; `where` says what it worked on."""
    name = next(
        (config["name"] for config in member.config.values() if isinstance(config, dict) and "name" in config), ""
    )
    who = " on ".join(filter(None, (name, where)))
    if type(error).__name__ == "ConvergenceWarning":  # scikit-learn's, which need not be loaded
        reason = f"did not converge: {error}" + (f" ({who})" if where else "")
    else:
        reason = (f"{who}: " if where else "") + f"{type(error).__name__}: {error}"
    return Outcome(member.hash, failure=reason, seconds=seconds)


def representation(inputs: Inputs) -> str:
    """The name of what a task works on: the backbone and its chain; empty if the store does not know it."""
    try:
        record = inputs.store.read(*inputs.refs["matrix"]) or {}
        before = record if record["kind"] == "features" else inputs.store.read(*record["parents"]["features"]) or {}
        return " ".join([before["config"]["name"], *record["info"].get("steps", [])])
    except KeyError:
        return ""


def refuse_non_finite(x: np.ndarray) -> None:
    """Raise ValueError if the matrix `x` (n, d) holds NaN or infinity."""
    bad = int(x.size - np.isfinite(x).sum())
    if bad:
        raise ValueError(f"{bad} of {x.size} values of the matrix are not finite")


def plain(values: dict[str, float]) -> dict[str, float | None]:
    """Values as plain JSON: NaN becomes null."""
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def groups(inputs: Inputs) -> np.ndarray | None:
    """The group (n,) of each row, None where the dataset has none."""
    record = inputs.store.read(*inputs.refs["dataset"]) or {}
    return inputs.array("dataset", "groups") if "groups" in record.get("arrays", {}) else None


def graphs(inputs: Inputs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The stored neighbour graphs of the matrix by metric: row numbers (n, k) and distances (n, k).

    Graphs that are absent or damaged are left out: whoever needs one computes it.
    """
    stored: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for role in inputs.refs:
        if role.startswith(NEIGHBOURS):
            with contextlib.suppress(StoreError):
                graph = inputs.array(role, "indices"), inputs.array(role, "distances")
                stored[role.removeprefix(NEIGHBOURS)] = graph
    return stored
