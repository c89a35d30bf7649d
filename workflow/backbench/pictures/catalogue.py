"""Which pictures there are: a module each, found by its file, no registry (layer 2)."""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from backbench import code, hashing, schema
from backbench.schema import ConfigError

if TYPE_CHECKING:
    from backbench.pictures.source import Source, Sweep
    from backbench.plots import Picture

RUN, SWEEP = GROUPS = "kinds", "overview"
# Every picture goes through it, and no kind imports it.
SAVING = "backbench.plots._files"
LAST = 50


@dataclass(frozen=True)
class Kind:
    """A kind of picture: its module's words under one roof. `group` is ``kinds`` (of a run) or ``overview``."""

    name: str
    group: str

    @property
    def module(self) -> ModuleType:
        return importlib.import_module(f"backbench.pictures.{self.group}.{self.name}")

    @property
    def title(self) -> str:
        return self.module.TITLE

    @property
    def category(self) -> str:
        return self.module.CATEGORY

    @property
    def order(self) -> int:
        return getattr(self.module, "ORDER", LAST)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The results of a run that the picture shows; of a picture of a sweep there are none."""
        return getattr(self.module, "SUBJECTS", ())

    @property
    def across(self) -> bool:
        """Whether the picture of a run shows other runs of its sweep too (``ACROSS = True``)."""
        return getattr(self.module, "ACROSS", False)

    @cached_property
    def options(self) -> tuple[str, ...]:
        """What a picture can be asked to vary: the further parameters of its ``draw``."""
        return tuple(inspect.signature(self.module.draw).parameters)[1:]

    @cached_property
    def code(self) -> str:
        """Digest of the code that draws it."""
        return code.digest([f"backbench.pictures.{self.group}.{self.name}", SAVING])

    def lacks(self, source: "Source | Sweep") -> str | None:
        """Why there is no such picture, in words."""
        return self.module.lacks(source)

    def draw(self, source: "Source | Sweep", **options: str) -> "Picture":
        return self.module.draw(source, **options)


@cache
def kinds(group: str) -> tuple[Kind, ...]:
    """All kinds of a group in the order in which reports show them."""
    files = (Path(__file__).parent / group).glob("*.py")
    listed = [Kind(path.stem, group) for path in files if not path.stem.startswith("_")]
    return tuple(sorted(listed, key=lambda kind: (kind.order, kind.name)))


def digest(*others: str) -> str:
    """Digest of the code of every picture, and of the modules `others`."""
    every = [[kind.group, kind.name, kind.code] for group in GROUPS for kind in kinds(group)]
    return hashing.digest([every, code.digest(others)])


def asked(names: Sequence[str], group: str) -> list[Kind]:
    """The kinds of these names; without names, all of the group.

    Raises
    ------
    ConfigError
        For a name that is no kind of the group; the nearest one is named.
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
    """What of `given` each kind takes, by its name.

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
