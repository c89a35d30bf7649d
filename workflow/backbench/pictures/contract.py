"""What a kind of picture has: the contracts of the modules in `kinds` and in `overview`."""

from collections.abc import Callable
from typing import Concatenate, Protocol

from backbench.pictures.source import Source, Sweep
from backbench.plots import Picture


class Described(Protocol):
    """What people call the picture, where a report puts it, and after which others."""

    @property
    def TITLE(self) -> str: ...

    @property
    def CATEGORY(self) -> str: ...

    @property
    def ORDER(self) -> int: ...


class RunPicture(Described, Protocol):
    """A picture of one run.

    `SUBJECTS` are the results of the run that it shows (``clustering``, ``classification``, ``retrieval``,
    ``features``): runs that share these have the same picture. A module may also say ``ACROSS = True`` where the
    picture shows other runs of the sweep too, and ``LEADING = True`` where a sweep ends with that of its best
    classifier alone.
    """

    @property
    def SUBJECTS(self) -> tuple[str, ...]: ...

    def lacks(self, source: Source, /) -> str | None:
        """Why there is no such picture of this run, in words; None where there is one."""

    def draw(self, source: Source, /) -> Picture: ...


class SweepPicture(Described, Protocol):
    """A picture of a whole sweep; further parameters of `draw`, with defaults, are its options."""

    def lacks(self, sweep: Sweep, /) -> str | None:
        """Why there is no such picture of this sweep, in words; None where there is one."""

    @property
    def draw(self) -> Callable[Concatenate[Sweep, ...], Picture]: ...
