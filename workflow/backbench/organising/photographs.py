"""The image files of a run's collection: where they are, and whether they are those that were swept."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.datasets import _registry
from backbench.images import content
from backbench.images.bounds import Unreadable
from backbench.pictures.source import Source
from backbench.schema import ConfigError

MISSING, CHANGED, LINK = "not there any more", "changed since the sweep", "a symbolic link, which a move could break"


@dataclass(frozen=True)
class Photographs:
    """Files below `root` and the SHA-256 of their bytes, in the order of the collection.

    `unpacked` says that they are a copy that backbench made of an archive, which it may delete and make again.
    """

    root: Path
    files: Sequence[str]
    digests: Sequence[str]
    unpacked: bool

    def path(self, row: int) -> Path:
        """Where the photograph of a row was when the collection was swept."""
        return self.root / self.files[row]

    def problem(self, row: int) -> str | None:
        """Why the file of a row is not the photograph that was swept; None if it is.

        Files whose size, times and inode are those of the sweep are not read again.
        """
        path, known = self.path(row), self._known.get(self.files[row], {})
        if not path.exists():
            return MISSING
        if known.get("sha256") == self.digests[row] and _registry.fresh(self.root, self.files[row], self._known):
            return None
        return differs(path, self.digests[row])

    @cached_property
    def _known(self) -> Mapping[str, Any]:
        return _registry.read(self.root)


def of(source: Source) -> Photographs:
    """The photographs of a run.

    Raises
    ------
    ConfigError
        If the collection has no files, or its folder no longer exists.
    """
    info = source.info("dataset")
    if "files" not in info:
        short = hashing.short(source.row.config_hash)
        what = "pixels in arrays" if "images" in source.row.stages else "embeddings"
        raise ConfigError(
            f"{source.row.collection} consists of {what}, not of image files, so there is nothing to link, copy or "
            f"move. `backbench export {short}` writes its clusters as a table."
        )
    root = _root(source)
    digests = [row.tobytes().hex() for row in source.stored("dataset", "file_digests")]
    archive = "archive" in info and root == Path(info["root"])
    return Photographs(root, info["files"], digests, archive or root.is_relative_to(paths.downloads()))


def differs(path: Path, sha256: str) -> str | None:
    """Why a file does not have the bytes with this digest; None if it does."""
    try:
        same = content.read(path).sha256 == sha256
    except FileNotFoundError:
        return MISSING
    except Unreadable:
        return CHANGED
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return None if same else CHANGED


def _root(source: Source) -> Path:
    """The folder that was asked for; one with the same photographs only where that no longer exists."""
    info = source.info("dataset")
    places = [Path(place) for place in (*_asked(source), info["root"])]
    there = next((place for place in places if place.is_dir()), None)
    return there or _registry.locate(info["digest"], info["files"], places)


def _asked(source: Source) -> Iterator[str]:
    """The folders in which the plan of the run has its photographs."""
    stages, dataset = source.row.plan.stages, source.row.stages["dataset"]
    audits = (each for each in stages.values() if each.kind == "audit" and dataset in each.parents["dataset"])
    for stage in (stages[source.row.stages["features"]], *audits):
        if stage.local.get("root"):
            yield os.path.normpath(stage.local["root"])
