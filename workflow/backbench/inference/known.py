"""The images of a run's collection, recognised by the bytes of their files, with what the store holds of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import hashing
from backbench.datasets import PARTS, TRAIN
from backbench.images import reading
from backbench.pictures.source import Source
from backbench.stage import Inputs
from backbench.stages import pixels
from backbench.store import StoreError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

NEW = -1


@dataclass(frozen=True)
class Known:
    """The images of the collection of a run."""

    source: Source

    def row(self, sha256: str, path: Path) -> int:
        """The number of the image with the bytes of this digest; -1 for a new one.

        Of several images of the collection with these bytes, it is the one at `path`, or else the first.
        """
        bits = self.source.info("dataset").get("bits")
        rows = self._rows.get(reading.key_of(bytes.fromhex(sha256), bits, path.name), ())
        if len(rows) > 1:
            rows = [row for row in rows if self._is_at(row, path)] or rows
        return rows[0] if rows else NEW

    def name(self, row: int) -> str:
        """What an image is called: its path within the collection, or its number."""
        return self._name(row)

    def part(self, row: int) -> str:
        """The split of an image: ``train``, ``validation`` or ``test``."""
        return PARTS[int(self.source.split[row])]

    def predicted(self, row: int) -> bool:
        """Whether the run predicted the class of an image: it did not learn from it."""
        return bool(self.source.split[row] != TRAIN)

    def scores(self, row: int) -> "np.ndarray | None":
        """The stored probabilities or decision scores (classes,) of an image; None where the run gave none."""
        return None if self._scores is None or not self.predicted(row) else self._scores[row]

    def path(self, row: int) -> Path | None:
        """The file of an image; None where the collection has none, or its folder is not there."""
        files, root = self.source.info("dataset").get("files"), self._root
        return None if files is None or root is None else root / files[row]

    def image(self, row: int) -> "Image.Image":
        """An image, upright and whole.

        Raises
        ------
        StoreError
            If the run works on embeddings.
        Unreadable
            If its file is not there any more, or has changed.
        """
        if "images" not in self.source.row.stages:
            raise StoreError(f"run {hashing.short(self.source.row.config_hash)} has no images, only embeddings")
        with pixels.named(self.name(row)), self._opener(row, None) as decoded:
            return decoded.image

    @cached_property
    def features(self) -> "np.ndarray":
        """The stored features (n, d) float32, mapped into memory."""
        array = self.source.array("features", "features", mmap=True)
        assert array is not None  # a model is made of features
        return array

    @cached_property
    def _scores(self) -> "np.ndarray | None":
        """Probabilities or decision scores (n, classes) of all images, where they are stored."""
        kinds = ("probabilities", "decision")
        arrays = (self.source.array("classification", kind, mmap=True) for kind in kinds)
        return next((array for array in arrays if array is not None), None)

    def _is_at(self, row: int, path: Path) -> bool:
        """Whether the file of an image is this one."""
        try:
            return (file := self.path(row)) is not None and file.samefile(path)
        except (OSError, ValueError):
            return False

    @cached_property
    def _rows(self) -> Mapping[bytes, list[int]]:
        """Numbers of images by the keys of their files, ascending."""
        keys = pixels.keys(self._inputs)
        rows: dict[bytes, list[int]] = {}
        for row, key in enumerate(() if keys is None else keys):
            rows.setdefault(key.tobytes(), []).append(row)
        return rows

    @cached_property
    def _name(self) -> Callable[[int], str]:
        return pixels.names(self._inputs)

    @cached_property
    def _opener(self) -> pixels.Opener:
        return pixels.opener(self._inputs, None if self._root is None else str(self._root))

    @cached_property
    def _root(self) -> Path | None:
        stage = self.source.row.plan.stages[self.source.row.stages["features"]]
        places = [stage.local.get("root"), self.source.info("dataset").get("root")]
        return next((Path(place) for place in places if place and Path(place).is_dir()), None)

    @property
    def _inputs(self) -> Inputs:
        return Inputs(self.source.store, {"dataset": ("dataset", self.source.row.stages["dataset"])})
