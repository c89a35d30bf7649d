"""One line of the table of a paper: a published figure, ours, the difference and why, as numbers and in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from backbench.papers.published import Value

NOT_PUBLISHED, NO_FIGURE = "not published", "none"
SEEDS, TRAININGS = "seeds", "trainings"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A figure as it was published and as it came out here.

    `low` and `high` are the ends of a 95 % interval, None where there is none; `over` says what it is over: ``seeds``,
    ``trainings``, ``images`` or ``images and seeds``, and `images` how many of them. `samples` counts the results that
    `ours` is the mean of, 0 where there is none; `fits` the clusterings or classifiers behind them, more than
    `samples` where several were made of each training. `chance` is whether these depend on a seed. `difference` is ours
    less published, of lists the mean of the absolute differences. `inside` is whether the published figure, with what
    its rounding hides, lies in the interval; None without either. `runs` are the config hashes.
    """

    name: str
    called: str | None
    metric: str
    published: Value
    ours: Value
    low: float | None = None
    high: float | None = None
    samples: int = 0
    difference: float | None = None
    inside: bool | None = None
    why: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    over: str | None = None
    images: int | None = None
    fits: int = 0
    chance: bool = False
    percent: bool = False
    decimals: int = 2

    def record(self) -> dict[str, Any]:
        """The line as plain JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_record(cls, found: Mapping[str, Any]) -> "Line":
        """The line of a record."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()})

    @property
    def published_text(self) -> str:
        return NOT_PUBLISHED if self.published is None else self._shown(self.published)

    @property
    def ours_text(self) -> str:
        """Our figure, its interval and what that is over: ``55.30 % [55.10, 55.50], 5 seeds``."""
        if self.ours is None:
            return NO_FIGURE
        interval = "" if self.low is None else f" [{self._plain(self.low)}, {self._plain(self.high)}]"
        return ", ".join(filter(None, (self._shown(self.ours) + interval, self._over())))

    @property
    def difference_text(self) -> str:
        """``-0.04 points``, ``+0.012``, ``0.00``; empty where there is none."""
        if isinstance(self.published, str) and self.ours is not None:
            return "the same" if self.ours == self.published else "another"
        if self.difference is None:
            return ""
        unit = " points" if self.percent else ""
        if isinstance(self.published, tuple):
            return f"{self._plain(self.difference)}{unit} on average"
        text = f"{self._scaled(self.difference):+.{self.decimals}f}"
        return (text if float(text) else text[1:]) + unit

    @property
    def why_text(self) -> str:
        return " ".join(self.why)

    @property
    def same_digits(self) -> bool:
        """Whether ours, rounded as the published figure is, has its digits."""
        if not isinstance(self.published, (int, float)) or not isinstance(self.ours, (int, float)):
            return False
        return self._plain(self.ours) == self._plain(self.published)

    def _over(self) -> str:
        images = counted(self.images, "images") if self.images else ""
        seeds = counted(self.samples, SEEDS) if self.chance or self.samples > 1 else ""
        if self.over == TRAININGS:
            seeds = counted(self.samples, TRAININGS)
            seeds += f" of {self.fits // self.samples} seeds each" if self.fits > self.samples else ""
        return " and ".join(filter(None, (images, seeds)))

    def _shown(self, value: Value) -> str:
        if isinstance(value, str):
            return value
        numbers = value if isinstance(value, (tuple, list)) else (value,)
        return ", ".join(map(self._plain, numbers)) + (" %" if self.percent else "")

    def _plain(self, value: float) -> str:
        return rounded(value, self.percent, self.decimals)

    def _scaled(self, value: float) -> float:
        return 100 * value if self.percent else value


def rounded(value: float, percent: bool, decimals: int) -> str:
    """A number as it is shown, without its unit; a percentage of a share times a hundred."""
    text = f"{100 * value if percent else value:.{decimals}f}"
    return text if math.isnan(value) or float(text) else text.lstrip("-")


def counted(count: int, plural: str) -> str:
    """``5 seeds``, ``1 seed``."""
    return f"{count:,} {plural if count != 1 else plural.removesuffix('s')}"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
