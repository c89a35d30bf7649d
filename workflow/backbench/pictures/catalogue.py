"""Which pictures there are: found by their modules, no registry."""

import importlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from backbench import code, hashing, schema
from backbench.pictures.contract import Described, RunPicture, SweepPicture
from backbench.pictures.source import Source, Sweep
from backbench.plots import Picture
from backbench.schema import ConfigError

RUN, SWEEP = GROUPS = "kinds", "overview"
# Every picture goes through it, and no kind imports it.
SAVING = "backbench.plots._files"
SEVERAL = "PICTURES"


@dataclass(frozen=True)
class Kind:
    """A kind of picture. `group` is ``kinds`` (of a run) or ``overview``, `file` the stem of the module in it."""

    name: str
    group: str
    file: str = ""

    @property
    def definition(self) -> Any:
        """The module or the object that has the words and the functions of the picture (see `contract`)."""
        module = importlib.import_module(self._module)
        return getattr(module, SEVERAL)[self.name] if hasattr(module, SEVERAL) else module

    @property
    def title(self) -> str:
        return self._described.TITLE

    @property
    def category(self) -> str:
        return self._described.CATEGORY

    @property
    def order(self) -> int:
        return self._described.ORDER

    @property
    def subjects(self) -> tuple[str, ...]:
        """The results of a run that the picture shows; empty for a picture of a sweep."""
        return self._of_run.SUBJECTS if self.group == RUN else ()

    @property
    def across(self) -> bool:
        """Whether the picture of a run shows other runs of its sweep too (``ACROSS = True``)."""
        return getattr(self.definition, "ACROSS", False)

    @property
    def leading(self) -> bool:
        """Whether a sweep ends with the picture of its best classifier alone (``LEADING = True``)."""
        return getattr(self.definition, "LEADING", False)

    @cached_property
    def options(self) -> tuple[str, ...]:
        """What a picture can be asked to vary: the further parameters of its ``draw``."""
        return tuple(inspect.signature(self.definition.draw).parameters)[1:]

    @cached_property
    def code(self) -> str:
        """Digest of the code that draws it."""
        return code.digest([self._module, SAVING])

    def lacks(self, source: Source | Sweep) -> str | None:
        """Why there is no such picture, in words."""
        return self._of_sweep.lacks(source) if isinstance(source, Sweep) else self._of_run.lacks(source)

    def draw(self, source: Source | Sweep, **options: str) -> Picture:
        return self._of_sweep.draw(source, **options) if isinstance(source, Sweep) else self._of_run.draw(source)

    @property
    def _module(self) -> str:
        return f"backbench.pictures.{self.group}.{self.file or self.name}"

    @property
    def _described(self) -> Described:
        return self.definition

    @property
    def _of_run(self) -> RunPicture:
        return self.definition

    @property
    def _of_sweep(self) -> SweepPicture:
        return self.definition


@cache
def kinds(group: str) -> tuple[Kind, ...]:
    """All kinds of a group in the order in which reports show them."""
    files = (Path(__file__).parent / group).glob("*.py")
    stems = [path.stem for path in files if not path.stem.startswith("_")]
    listed = [Kind(name, group, stem) for stem in stems for name in _names(group, stem)]
    return tuple(sorted(listed, key=lambda kind: (kind.order, kind.name)))


def _names(group: str, stem: str) -> Iterable[str]:
    """The pictures of a module."""
    return getattr(importlib.import_module(f"backbench.pictures.{group}.{stem}"), SEVERAL, (stem,))


def digest(*others: str) -> str:
    """Digest of the code of every picture, and of the modules `others`."""
    every = [[kind.group, kind.name, kind.code] for group in GROUPS for kind in kinds(group)]
    return hashing.digest([every, code.digest(others)])


def asked(names: Sequence[str], group: str) -> list[Kind]:
    """The kinds with these names; without names, all of the group.

    Raises
    ------
    ConfigError
        For a name that is not a kind of the group; the nearest one is named.
    """
    known = {kind.name: kind for kind in kinds(group)}
    for name in names:
        if name in known:
            continue
        if name in {kind.name for kind in kinds(SWEEP if group == RUN else RUN)}:
            whose = (
                "a sweep; give its id (`backbench plan`" if group == RUN else "one run; give its hash (`backbench runs`"
            )
            raise ConfigError(f"KIND: {name} is a picture of {whose} shows it).")
        raise schema.refuse("KIND", name, known)
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


def options(chosen: list[Kind], given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The options in `given` that each kind takes, by its name.

    Raises
    ------
    ConfigError
        For an option that none of them takes.
    """
    known = {name for kind in chosen for name in kind.options}
    for name in given:
        if name not in known:
            allowed = sorted(known) if known else f"no options of {', '.join(kind.name for kind in chosen)}"
            raise schema.refuse("option", name, allowed)
    return {kind.name: {name: given[name] for name in kind.options if name in given} for kind in chosen}
