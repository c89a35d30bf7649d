"""The record of the dataset that a job works on."""

from typing import Any

from backbench import hashing
from backbench.stage import Inputs
from backbench.store import StoreError


def dataset(inputs: Inputs) -> dict[str, Any]:
    """The record of the dataset stage.

    Raises
    ------
    StoreError
        If the store does not hold it.
    """
    kind, member = inputs.refs["dataset"]
    record = inputs.store.read(kind, member)
    if record is None:
        raise StoreError(f"the store holds no {kind} {hashing.short(member)} ({inputs.store.root})")
    return record
