"""The dataset of an audit, row by row: what the dataset stage recorded, and the description of an image."""

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from backbench import plugins
from backbench.datasets import PARTS, _intake, plugin
from backbench.datasets._printable import printable
from backbench.stage import Inputs
from backbench.stages import _stored

POLICIES = ("unreadable", "duplicates", "near_duplicates", "leaks")


class Rows:
    """What is recorded of a dataset; arrays that it does not have are None.

    `split` (n,) and `labels` (n,) are codes; `places` (n,) are the positions of the rows in the source. `about` may
    name the intake whose folder and left-out files the report describes (``_intake``).
    """

    def __init__(self, inputs: Inputs, about: Mapping[str, Any] = MappingProxyType({})):
        record = _intake.asked(_stored.dataset(inputs), about)
        self.hash, self.arrays = inputs.refs["dataset"][1], set(record["arrays"])
        self.info: Mapping[str, Any] = record["info"]
        self.config: Mapping[str, Any] = record.get("config", {})
        self._inputs = inputs
        self.n: int = self.info["n"]
        self.files: list[str] | None = self.info.get("files")
        self.names: list[str] | None = self.info.get("classes")
        self.split = inputs.array("dataset", "split")
        self.labels = self.array("labels") if self.names else None
        self.places = self.array("rows")

    def array(self, name: str) -> np.ndarray | None:
        """An array (n, ...) of the dataset, or None."""
        return self._inputs.array("dataset", name) if name in self.arrays else None

    @property
    def has_images(self) -> bool:
        return self.files is not None or "pixels" in self.arrays

    def sizes(self) -> np.ndarray | None:
        """Width and height (n, 2) of each image in pixels, or None if they were not recorded."""
        if self.files is not None or "pixels" not in self.arrays:
            return self.array("sizes")
        height, width = self._inputs.array("dataset", "pixels", mmap=True).shape[1:3]
        return np.tile(np.array([[width, height]], np.int32), (self.n, 1))

    def image(self, row: int) -> dict[str, Any]:
        """The description of an image: its row, its path or its position in the source, its class and its split."""
        place = int(row if self.places is None else self.places[row])
        return {
            "row": int(row),
            "path": printable(self.files[row]) if self.files is not None else f"image {place:,}",
            "class": None if self.labels is None or self.names is None else self.names[self.labels[row]],
            "part": PARTS[self.split[row]],
        }

    def images(self, rows: Iterable[int]) -> list[dict[str, Any]]:
        """The descriptions of images."""
        return [self.image(row) for row in rows]

    def about(self) -> dict[str, Any]:
        """What the report says about the dataset as a whole."""
        counts = np.bincount(self.split, minlength=len(PARTS)).tolist()
        return {
            "name": self.config.get("name", "dataset"),
            "dataset": self.hash,
            "digest": self.info.get("digest"),
            "root": printable(str(self.info.get("root") or self.info.get("source") or "")) or None,
            "files": self.files is not None,
            "parts": dict(zip(PARTS, counts, strict=True)),
            "sample": self.config.get("sample"),
            "policy": self._policy(),
            **({"groups": self.info["groups"]} if "groups" in self.info else {}),
        }

    def _policy(self) -> dict[str, str]:
        """The policies that the dataset's plugin has, each with its hashed value, or else its default."""
        name = self.config.get("name")
        if name not in plugins.names("dataset"):
            return {}
        fields = {field.name: field for field in dataclasses.fields(plugin(name).Params)}
        return {key: self.config.get(key, fields[key].default) for key in POLICIES if key in fields}
