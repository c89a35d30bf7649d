"""Stage ``dataset``: labels, split and facts about each image; for collections of arrays, the arrays."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backbench import hashing, plugins, schema
from backbench.datasets import PARTS, Collection, Plugin, plugin
from backbench.stage import Context, Inputs, Member, Outcome

ARRAYS = (
    *("split", "labels", "rows", "pixels", "file_digests", "contents", "phashes", "spreads", "sizes", "embeddings"),
    "groups",
)


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Load, draw and split each member's collection with its plugin.

    A member is configured by its hashed options and the plugin's ``UNHASHED`` ones; options that are absent have their
    default, or None.

    Raises
    ------
    ConfigError
        If the collection is not available or is not the one that was planned.
    """
    for member in members:
        start = time.perf_counter()
        module = plugin(member.config["name"])
        values = {**dict.fromkeys(_paths(module)), **member.config}
        collection = module.load(plugins.params("dataset", values), context)
        yield Outcome(
            member.hash, info=_info(collection), arrays=_arrays(collection), seconds=time.perf_counter() - start
        )


def _paths(module: Plugin) -> list[str]:
    """The options of a plugin that are not hashed and have no default."""
    defaults = {field.name for field in dataclasses.fields(module.Params) if not schema.is_required(field)}
    return [name for name in module.UNHASHED if name not in defaults]


def _arrays(collection: Collection) -> dict[str, np.ndarray]:
    """The arrays (n, ...) that the collection has, by name."""
    arrays = ((name, getattr(collection, name)) for name in ARRAYS)
    return {name: array for name, array in arrays if array is not None}


def _info(collection: Collection) -> Mapping[str, Any]:
    counts = np.bincount(collection.split, minlength=len(PARTS)).tolist()
    info = {
        "n": len(collection.split),
        "total": collection.total,
        "classes": list(collection.names) if collection.names else None,
        "digest": collection.digest,
        "label_digest": None if collection.labels is None else hashing.array_digest(collection.labels),
        "counts": dict(zip(PARTS, counts, strict=True)),
    }
    if collection.files is not None:
        info |= {"root": str(collection.root), "files": list(collection.files)}
    return {**info, **collection.info}
