"""The folders of a collection as a tree of paths (standard library only), and what the user says of them."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from backbench.datasets import _names, _split_names
from backbench.schema import ConfigError

# YAML reads some folder names as numbers.
Names = tuple[str | int, ...] | None
Labels = Literal["auto", "folders", "none"]
Loose = Literal["fail", "exclude"]
Paths = Sequence[PurePosixPath]
SHOWN = 4


@dataclass(frozen=True)
class Parts:
    """The folders of each split, by name; null: recognised by their names."""

    train: Names = None
    validation: Names = None
    test: Names = None

    def folders(self) -> dict[str, int]:
        """The split of each folder that is named.

        Raises
        ------
        ConfigError
            If a folder is named twice.
        """
        named = [(str(name), part) for part, names in enumerate(self._in_order()) for name in names or ()]
        counts = Counter(name for name, _ in named)
        repeated = sorted(name for name, count in counts.items() if count > 1)
        if repeated:
            raise ConfigError(f"dataset.parts: received {some(repeated)} twice; name each folder once, in one split.")
        return dict(named)

    def _in_order(self) -> tuple[Names, Names, Names]:
        return self.train, self.validation, self.test


@dataclass(frozen=True)
class Asked:
    """What the user says about the folders: what their names mean, which are splits, and what to do with images
    beside them.

    `unpacked` is where the archive that they come from was unpacked; None without an archive.
    """

    labels: Labels = "auto"
    parts: Parts = field(default_factory=Parts)
    loose: Loose = "fail"
    unpacked: Path | None = None


@dataclass(frozen=True)
class Level:
    """The folders in one folder, each with the paths in it, and the files beside them.

    Paths are relative to `root`, the folder that the user gave; `wrapper` is the path from there to this level.
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
        """Images beside the folders, and beside the folders that wrap them."""
        return [path for depth in range(self.depth + 1) for path in images(self.paths, depth, self.root)]

    @cached_property
    def no_images(self) -> list[PurePosixPath]:
        """Files beside the folders, and beside the folders that wrap them, that are not images."""
        loose = set(self.loose)
        return [path for path in self.paths if len(path.parts) <= self.depth + 1 and path not in loose]

    def inner(self, name: str) -> dict[str, list[PurePosixPath]]:
        """The folders in one of the folders."""
        return folders(self.folders[name], self.depth + 1)

    def direct(self, name: str) -> list[PurePosixPath]:
        """The images directly in one of the folders."""
        return images(self.folders[name], self.depth + 1, self.root)

    @cached_property
    def within(self) -> dict[str, tuple[PurePosixPath, dict[str, list[PurePosixPath]]]]:
        """For each folder, the path into it through folders that only wrap others, and the folders there."""
        return {name: self._inside(name) for name in sorted(self.folders)}

    @cached_property
    def parts_in_classes(self) -> dict[str, int]:
        """The splits that every one of the folders holds directly, by folder name; empty if one does not."""
        inner = {name: set(self.inner(name)) for name in self.folders}
        parts = _split_names.of_names(sorted(set().union(*inner.values())))
        if all(names & set(parts) and not self.direct(name) for name, names in inner.items()):
            return parts
        return {}

    def _inside(self, name: str) -> tuple[PurePosixPath, dict[str, list[PurePosixPath]]]:
        paths, way = self.folders[name], self.wrapper / name
        while len(inside := folders(paths, len(way.parts))) == 1 and not images(paths, len(way.parts), self.root):
            way /= next(iter(inside))
        return way, inside

    def deep(self, name: str) -> bool:
        """Whether one of the folders holds at least two folders, and no image beside them."""
        return len(self.inner(name)) > 1 and not self.direct(name)


def first_level(paths: Paths, root: Path, asked: Asked) -> Level:
    """The first level with more than one folder; the root if there is none, or if the user names folders there."""
    top = folders(paths, 0)
    named = asked.parts.folders()
    way = PurePosixPath()
    if not (named and set(named) <= set(top)):
        way = wrapper(paths, root, asked.loose == "exclude")
    return Level(root, asked, paths, way if len(folders(paths, len(way.parts))) > 1 else PurePosixPath())


def wrapper(paths: Paths, root: Path, past_images: bool = False) -> PurePosixPath:
    """The path from `root` through folders that only wrap another one, even beside images if `past_images`."""
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
    """The images directly at a depth."""
    return [path for path in paths if len(path.parts) == depth + 1 and _names.is_image(root / path)]


def relative(path: str, way: PurePosixPath) -> str:
    """A path from the root as a path from the folder `way`; it begins with ``..`` if it is outside that folder."""
    if not way.parts:
        return path
    return os.path.relpath(path, way) + ("/" if path.endswith("/") else "")


def some(names: Sequence[object]) -> str:
    """The first few names, and how many there are."""
    shown = ", ".join(map(str, names[:SHOWN]))
    return shown + (f", ... ({len(names):,} in all)" if len(names) > SHOWN else "")
