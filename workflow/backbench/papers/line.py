"""One line of the table of a paper: a published figure, ours, and the difference, as numbers and as they are shown."""

import math
from dataclasses import dataclass

from backbench.papers.published import Value
from backbench.wording import counted

NOT_PUBLISHED, NO_FIGURE = "not published", "none"
SEEDS, TRAININGS = "seeds", "trainings"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A figure as it was published and as it came out here.

    `low` and `high` are the ends of the range that holds 95 % of single runs where there are several `samples`, else of
    a 95 % interval over images; None where there is neither. `over` says what it is over: ``seeds``, ``trainings``,
    ``images`` or ``images and seeds``, and `images` how many of them. `samples` counts the results that `ours` is the
    mean of, 0 where there is none; `fits` the clusterings or classifiers behind them, more than `samples` where several
    were made of each training. `chance` is whether these depend on a seed. `difference` is ours less published, of
    lists the mean of the absolute differences. `inside` is whether the published figure, with what its rounding hides,
    lies between `low` and `high`; None without either. `runs` are the config hashes, and `values` the figure in each;
    `estimated` is whether a table without these was judged by its interval of the mean.
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
    values: tuple[float, ...] = ()
    estimated: bool = False
    over: str | None = None
    images: int | None = None
    fits: int = 0
    chance: bool = False
    percent: bool = False
    decimals: int = 2

    @property
    def published_text(self) -> str:
        return NOT_PUBLISHED if self.published is None else self._shown(self.published)

    @property
    def ours_text(self) -> str:
        """Our figure, its range and what that is over: ``55.30 % [53.10, 57.50], 5 seeds``."""
        if self.ours is None:
            return NO_FIGURE
        known = self.low is not None and self.high is not None
        interval = f" [{self._plain(self.low)}, {self._plain(self.high)}]" if known else ""
        return ", ".join(filter(None, (self._shown(self.ours) + interval, self.sampled(each=True))))

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
        plain = self._plain(self.difference)
        return f"{'+' if self.difference > 0 and float(plain) else ''}{plain}{unit}"

    @property
    def same_digits(self) -> bool:
        """Whether ours, rounded as the published figure is, has its digits."""
        numbers = isinstance(self.published, (int, float)) and isinstance(self.ours, (int, float))
        return numbers and self._plain(self.ours) == self._plain(self.published)

    def sampled(self, each: bool = False) -> str:
        """What the figure is over, such as ``9 images and 2 seeds``; with `each`, also one seed and the fits of each
        training."""
        images = counted(self.images, "image") if self.images else ""
        samples = counted(self.samples, "training" if self.over == TRAININGS else "seed")
        several = self.samples > 1 or (each and (self.chance or self.over == TRAININGS))
        if each and self.over == TRAININGS and self.fits > self.samples:
            samples += f" of {self.fits // self.samples} seeds each"
        return " and ".join(filter(None, (images, samples if several else "")))

    def _shown(self, value: Value) -> str:
        if isinstance(value, str):
            return value
        numbers = value if isinstance(value, tuple) else (value,)
        return ", ".join(map(self._plain, numbers)) + (" %" if self.percent else "")

    def _plain(self, value: Value) -> str:
        """A number as it is shown, without its unit; a percentage of a share times a hundred."""
        assert isinstance(value, (int, float)), "a number"
        text = f"{100 * value if self.percent else value:.{self.decimals}f}"
        return text if math.isnan(value) or float(text) else text.lstrip("-")
