"""Images that a search counts neither as right nor as wrong: duplicates of the query, or others of its group."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from backbench.datasets import _duplicates
from backbench.stage import Inputs

NONE, DUPLICATES, GROUPS = "none", "duplicates", "groups"
# Bits in which the perceptual hashes of near duplicates may differ, where the data set does not say.
NEAR = 4


def groups(junk: str, inputs: Inputs) -> np.ndarray | None:
    """The group (n,) of each image, of which the others are junk to a query; None where nothing is.

    Raises
    ------
    ValueError
        If the data set has no groups.
    """
    if junk == NONE:
        return None
    record = inputs.store.read(*inputs.refs["dataset"]) or {}
    if junk == DUPLICATES:
        return _alike(inputs, record)
    if "groups" not in record.get("arrays", {}):
        raise ValueError("retrieval.junk=groups: the data set has no groups; give dataset.groups, or junk=duplicates")
    return _numbered(inputs.array("dataset", "groups"))


def _numbered(names: np.ndarray) -> np.ndarray:
    """Groups (n,) as numbers from 0; each image that has none (a negative name) is a group of its own."""
    alone = names < 0
    distinct = np.where(alone, names.max(initial=0) + 1 + np.arange(len(names)), names)
    return np.unique(distinct, return_inverse=True)[1].astype(np.int64)


def _alike(inputs: Inputs, record: Mapping[str, Any]) -> np.ndarray:
    """Groups (n,) of images with equal pixels or, where these are files, with similar perceptual hashes."""
    there = record.get("arrays", {})
    name = next((name for name in ("contents", "pixels", "embeddings") if name in there), None)
    if name is None:
        raise ValueError("retrieval.junk=duplicates: the images of this data set were not compared; audit it anew")
    content = np.ascontiguousarray(inputs.array("dataset", name))
    same = _duplicates.exact_groups(row.tobytes() for row in content)
    count = len(same)
    pairs = [np.column_stack([same, np.arange(count)])]
    if "phashes" in there:
        distance = record.get("config", {}).get("near_distance", NEAR)
        pairs.append(_duplicates.near_pairs(inputs.array("dataset", "phashes"), distance))
    return _numbered(_duplicates.groups(np.concatenate(pairs), count))
