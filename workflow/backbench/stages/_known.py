"""Rows of features that the store already holds, whatever collection they were computed for.

A row depends on the bytes of its image, on how the image is prepared, on the network with its engine and precision, and
on the shape of the batch, but not on the other rows. So when a collection grows, its old rows are read from the store
and only the new ones are computed.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench.stage import Inputs
from backbench.store import DONE, Store, StoreError

KEYS, FEATURES = "keys", "features"


@dataclass(frozen=True)
class Rows:
    """The distinct images of a collection, those whose features are known, and those that have to be computed.

    `keys` (n, 32) uint8 identify the image of each row; `features` (distinct, d) hold the known rows, marked by
    `known` (distinct,). `place` (n,) is the distinct image of each row, and `missing` (m,) the first row of each
    distinct image that is not known, in the order of the rows.
    """

    keys: np.ndarray
    place: np.ndarray
    known: np.ndarray
    features: np.ndarray
    missing: np.ndarray

    @property
    def count(self) -> int:
        """Rows whose features are known."""
        return int(self.known[self.place].sum())

    def joined(self, computed: np.ndarray) -> np.ndarray:
        """The features of all rows (n, d), from the known ones and those `computed` (m, d) for `missing`."""
        if len(computed) == len(self.place):
            return computed
        self.features[self.place[self.missing]] = computed
        return self.features[self.place]


def rows(inputs: Inputs, keys: np.ndarray, identity: str | None, width: int) -> Rows:
    """Look up rows in all stored results whose features have this `identity` (None: in none).

    Parameters
    ----------
    keys
        Digests (n, 32) uint8 that identify the image of each row.
    """
    distinct, first, place = np.unique(_text(keys), return_index=True, return_inverse=True)
    features = np.empty((len(distinct), width), np.float32)
    known = np.zeros(len(distinct), bool)
    for record in _of_identity(inputs.store, identity):
        if known.all():
            break
        _take(_only(inputs.store, record), record["hash"], distinct, known, features)
    return Rows(keys, place.reshape(-1), known, features, np.sort(first[~known]))


def count(store: Store, family: str, keys: np.ndarray) -> int:
    """How many of `keys` (n, 32) have features of this family in the store, from any version of the engine."""
    known = np.zeros(len(keys), bool)
    for record in _records(store):
        if record["info"].get("rows", {}).get("family") == family:
            with contextlib.suppress(StoreError):  # a damaged result has no rows
                known |= np.isin(_text(keys), _text(_only(store, record).array("features", record["hash"], KEYS)))
    return int(known.sum())


def _of_identity(store: Store, identity: str | None) -> Iterator[Mapping[str, Any]]:
    for record in _records(store) if identity else ():
        if record["info"].get("rows", {}).get("identity") == identity and store.complete("features", record):
            yield record


def _records(store: Store) -> Iterator[Mapping[str, Any]]:
    """Records of all finished features, of whatever code, the newest first."""
    return (record for record in store.records("features") if record["status"] == DONE)


def _only(store: Store, record: Mapping[str, Any]) -> Store:
    """A view of the store in which this record is that of its hash."""
    return store.of({("features", record["hash"]): (record.get("code", ""),)}, others=False)


def _take(store: Store, member: str, distinct: np.ndarray, known: np.ndarray, features: np.ndarray) -> None:
    """Copy into `features` (m, d) those rows of a stored result that `known` (m,) lacks; a damaged result has none.

    `distinct` (m,) are the keys of the rows as text.
    """
    try:
        stored = _text(store.array("features", member, KEYS))
        values = store.array("features", member, FEATURES, mmap=True)
    except StoreError:
        return
    order = np.argsort(stored)
    place = np.minimum(np.searchsorted(stored, distinct, sorter=order), len(stored) - 1)
    there = ~known & (stored[order[place]] == distinct)
    features[there] = values[order[place[there]]]
    known |= there


def _text(keys: np.ndarray) -> np.ndarray:
    """Digests (n, 32) uint8 as one comparable value each."""
    return np.ascontiguousarray(keys).view(f"S{keys.shape[1]}").reshape(-1)
