"""The folders of a collection as a tree of paths (layer 1, standard library only), and what a user says of them."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from backbench.datasets import PARTS, _names, _parts
from backbench.schema import ConfigError

# Folders may have names that read as numbers.
Names = tuple[str | int, ...] | None
Labels = Literal["auto", "folders", "none"]
Loose = Literal["fail", "exclude"]
Paths = Sequence[PurePosixPath]
SHOWN = 4


@dataclass(frozen=True)
class Parts:
    """Folders that are the parts of a split, by name; null: told by their names."""

    train: Names = None
    validation: Names = None
    test: Names = None

    def folders(self) -> dict[str, int]:
        """The part of each folder that is named.

        Raises
        ------
        ConfigError
            If one is named twice.
        """
        names = Counter(str(name) for key in PARTS for name in getattr(self, key) or ())
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise ConfigError(f"dataset.parts: received {some(twice)} twice; name each folder in one part, once.")
        return {str(name): part for part, key in enumerate(PARTS) for name in getattr(self, key) or ()}


@dataclass(frozen=True)
class Asked:
    """What a user says of the folders: what their names are, which are parts, what becomes of images beside them.

    `unpacked` is where the archive that they come from is unpacked; None if they come from none.
    """

    labels: Labels = "auto"
    parts: Parts = field(default_factory=Parts)
    loose: Loose = "fail"
    unpacked: Path | None = None


@dataclass(frozen=True)
class Level:
    """The folders in one folder, each with the paths in it, and the files beside them.

    Paths are those from `root`, which was asked for; `wrapper` is the way from there to this level.
    """

    root: Path
    asked: Asked
    paths: Paths
    wrapper: PurePosixPath

    @property
    def depth(self) -> int:
        return len(self.wrapper.parts)

    @property
    def place(self) -> Path:
        return self.root / self.wrapper

    @cached_property
    def folders(self) -> dict[str, list[PurePosixPath]]:
        return folders(self.paths, self.depth)

    @cached_property
    def loose(self) -> list[PurePosixPath]:
        """Images beside the folders, and beside those that wrap them."""
        return [path for depth in range(self.depth + 1) for path in images(self.paths, depth, self.root)]

    @cached_property
    def no_images(self) -> list[PurePosixPath]:
        """Files beside the folders, and beside those that wrap them, that are no images."""
        loose = set(self.loose)
        return [path for path in self.paths if len(path.parts) <= self.depth + 1 and path not in loose]

    def inner(self, name: str) -> dict[str, list[PurePosixPath]]:
        """The folders in one of the folders."""
        return folders(self.folders[name], self.depth + 1)

    def direct(self, name: str) -> list[PurePosixPath]:
        """The images right in one of the folders."""
        return images(self.folders[name], self.depth + 1, self.root)

    @cached_property
    def within(self) -> dict[str, tuple[PurePosixPath, dict[str, list[PurePosixPath]]]]:
        """For each folder, the way into it through those that only wrap others, and the folders there."""
        return {name: self._inside(name) for name in sorted(self.folders)}

    @cached_property
    def parts_in_classes(self) -> dict[str, int]:
        """The parts of a split that every one of the folders holds right in it; empty if they do not."""
        inner = {name: set(self.inner(name)) for name in self.folders}
        parts = _parts.of_names(sorted(set().union(*inner.values())))
        if all(names & set(parts) and not self.direct(name) for name, names in inner.items()):
            return parts
        return {}

    def _inside(self, name: str) -> tuple[PurePosixPath, dict[str, list[PurePosixPath]]]:
        paths, way = self.folders[name], self.wrapper / name
        while len(inside := folders(paths, len(way.parts))) == 1 and not images(paths, len(way.parts), self.root):
            way /= next(iter(inside))
        return way, inside

    def deep(self, name: str) -> bool:
        """Whether one of the folders holds two folders or more, and no image beside them."""
        return len(self.inner(name)) > 1 and not self.direct(name)


def first_level(paths: Paths, root: Path, asked: Asked) -> Level:
    """The first level with more than one folder; where there is none, or a user names folders there, the root."""
    top = folders(paths, 0)
    named = asked.parts.folders()
    way = PurePosixPath()
    if not (named and set(named) <= set(top)):
        way = wrapper(paths, root, asked.loose == "exclude")
    return Level(root, asked, paths, way if len(folders(paths, len(way.parts))) > 1 else PurePosixPath())


def wrapper(paths: Paths, root: Path, past_images: bool = False) -> PurePosixPath:
    """The way from `root` through folders that only wrap another one, or have images beside it if `past_images`."""
    way = PurePosixPath()
    while len(inside := folders(paths, len(way.parts))) == 1:
        if not past_images and images(paths, len(way.parts), root):
            break
        way /= next(iter(inside))
    return way


def folders(paths: Paths, depth: int) -> dict[str, list[PurePosixPath]]:
    """The paths in each folder at a depth."""
    inside: dict[str, list[PurePosixPath]] = {}
    for path in paths:
        names = path.parts
        if len(names) > depth + 1:
            inside.setdefault(names[depth], []).append(path)
    return inside


def images(paths: Paths, depth: int, root: Path) -> list[PurePosixPath]:
    """The images right at a depth."""
    return [path for path in paths if len(path.parts) == depth + 1 and _names.is_image(root / path)]


def relative(path: str, way: PurePosixPath) -> str:
    """A path from the root as one from the folder `way`; what lies elsewhere begins with ``..``."""
    if not way.parts:
        return path
    return os.path.relpath(path, way) + ("/" if path.endswith("/") else "")


def some(names: Sequence[object]) -> str:
    """The first few names, and how many there are."""
    shown = ", ".join(map(str, names[:SHOWN]))
    return shown + (f", ... ({len(names):,} in all)" if len(names) > SHOWN else "")
