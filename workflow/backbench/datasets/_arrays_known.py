"""Known collections that come as arrays of pixels: official counts, decoded pixels and their digest."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from backbench import hashing, paths
from backbench.datasets import PARTS, Collection, Description, Reading, Split, _known, _split
from backbench.datasets._known import Known
from backbench.datasets._mnist_like import content_digest
from backbench.files import write_text
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Params:
    """Options of every known collection of arrays. `root` is a folder, `archive` an archive that holds it.

    `digest` covers the decoded pixels and labels; planning fills it in, and given by hand, it pins the content.
    """

    root: str | None
    archive: str | None
    digest: str | None
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split


@dataclass(frozen=True)
class ArrayCollection:
    """One collection: its classes, the official number of images per class in each split, and how it is decoded.

    `decode` gives pixels (n, h, w, c) uint8 and labels (n,) int64 of one split; `files` lists what it reads.
    """

    known: Known
    names: Sequence[str]
    per_class: Mapping[int, int]
    decode: Callable[[Path, int], tuple["np.ndarray", "np.ndarray"]]
    files: Callable[[Path], Sequence[Path]]

    def describe(self, params: Params) -> Description:
        """What planning needs, without reading pixels."""
        sizes = {(part, label): n for part, n in self.per_class.items() for label in range(len(self.names))}
        counts = _split.counts(sizes, params.sample, params.split)
        training = _split.training(sizes, params.sample, params.split)
        digest = params.digest or self._remembered(params)
        return Description(sum(counts), len(self.names), digest, counts, training=training)

    def fingerprint(self, params: Params, reading: Reading) -> str:
        """The pinned digest, else that of the content, which is fetched and decoded unless it has not changed."""
        n = sum(self.per_class.values()) * len(self.names)
        digest = params.digest or self._remembered(params)
        if digest is None:
            folder = _known.fetch(self.known, params.root, params.archive, paths.downloads()).folder
            digest = content_digest(*self._decoded(folder)[:2])
            stamps = self._stamps(folder)
            write_text(_memory(folder), json.dumps({"stamps": stamps, "digest": digest}))
        reading.progress(n, n)
        return digest

    def load(self, params: Params, context: Context) -> Collection:
        """Fetch if needed, decode, verify, draw and split.

        Raises
        ------
        ConfigError
            If it cannot be had, or is not the collection that `digest` names.
        """
        import numpy as np

        folder = _known.fetch(self.known, params.root, params.archive, context.downloads).folder
        pixels, labels, parts = self._decoded(folder)
        digest = content_digest(pixels, labels)
        if params.digest is not None and params.digest != digest:
            raise ConfigError(
                f"{folder}: its content is {hashing.short(digest)}, not {hashing.short(params.digest)} as planned or "
                "pinned."
            )
        rows, split = _split.sample_and_split(parts, labels, len(labels), params.sample, params.seed, params.split)
        return Collection(
            digest=digest,
            split=split,
            labels=labels[rows],
            names=self.names,
            pixels=pixels[rows],
            rows=rows.astype(np.int64),
            total=len(labels),
            info={"source": str(folder)},
        )

    def _decoded(self, folder: Path) -> tuple["np.ndarray", "np.ndarray", "np.ndarray"]:
        """Pixels (n, h, w, c), labels (n,) and splits (n,) uint8 of all images, checked against the official counts."""
        import numpy as np

        pixels, labels = zip(*(self.decode(folder, part) for part in self.per_class), strict=True)
        for (part, n), labels_of_part in zip(self.per_class.items(), labels, strict=True):
            counts = np.bincount(labels_of_part, minlength=len(self.names)).tolist()
            if counts != [n] * len(self.names):
                raise ConfigError(
                    f"{folder} is not {self.known.title} as published: the {PARTS[part]} split has {counts} images by "
                    "class."
                )
        parts = np.repeat(list(self.per_class), [len(labels_of_part) for labels_of_part in labels]).astype(np.uint8)
        return np.concatenate(pixels), np.concatenate(labels), parts

    def _remembered(self, params: Params) -> str | None:
        """The digest of the content, if the files have not changed since it was computed."""
        place = _known.find(self.known, params.root, params.archive, paths.downloads())
        if place is None:
            return None
        try:
            body = json.loads(_memory(place.folder).read_text(encoding="utf-8"))
            return body["digest"] if body["stamps"] == self._stamps(place.folder) else None
        except (OSError, ValueError, KeyError):
            return None

    def _stamps(self, folder: Path) -> list[Any]:
        return [[path.name, (status := path.stat()).st_size, status.st_mtime_ns] for path in self.files(folder)]


def _memory(folder: Path) -> Path:
    name = hashing.short(hashing.digest(str(folder)))
    return paths.results() / "fingerprints" / "arrays" / f"{name}.json"
