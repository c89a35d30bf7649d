"""What a collection is too small or too large for, and the nearest that it allows.

Plugins say in `problems` why they cannot work. A problem that stays on a collection of any size is one of the options
themselves; one that goes away on a larger one is a shortage of rows or columns, one that goes away on a smaller one an
excess of rows. The options to blame for a shortage are those that lessen the problems when they are made smaller, and
the nearest value is the largest that does.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backbench import plugins, schema
from backbench.schema import ConfigError
from backbench.wording import counted

# More columns, and yet more rows, than any collection has.
ROWS, COLUMNS = 10**15, 10**9


class TooSmall(ConfigError):
    """A part of a cell that the collection has too few rows or columns for.

    Parameters
    ----------
    name
        The plugin, or the head.
    problem
        Why it cannot be, as a sentence.
    size
        What there is: ``30 rows of 768 columns``.
    nearest
        What was received and the nearest that works, by option.
    """

    why = "the collection is too small"

    def __init__(self, name: str, problem: str, size: str, nearest: Mapping[str, tuple[int, int]]):
        super().__init__(problem)
        self.name, self.problem, self.size, self.nearest = name, problem, size, dict(nearest)

    @property
    def way(self) -> str:
        """What would do, where no other value of an option does."""
        return "give more images"


class TooLarge(TooSmall):
    """A part of a cell that the collection has too many rows for; at most `rows` of them would do."""

    why = "the collection is too large"

    def __init__(self, name: str, problem: str, size: str, rows: int):
        super().__init__(name, problem, size, {})
        self.rows = rows

    @property
    def way(self) -> str:
        return f"take fewer images (at most {self.rows:,} rows: dataset.sample)"


class TooNarrow(TooSmall):
    """A part of a cell that the rows have too few columns for, however many rows there are."""

    why = "the rows have too few columns"

    @property
    def way(self) -> str:
        return "ask for fewer columns"


class NotInstalled(TooSmall):
    """A part of a cell whose package is missing."""

    why = "a package is missing"

    @property
    def way(self) -> str:
        return "install it"


@dataclass(frozen=True)
class Fit:
    """A plugin with its options on so many rows and columns. `last` is the last argument of its `problems`: the k of a
    clusterer, the number of classes of a classifier; `prefix` stands before its options in overrides."""

    kind: str
    name: str
    params: Any
    rows: int
    columns: int
    prefix: str
    last: tuple[Any, ...] = field(default=())

    def problems(self) -> list[str]:
        return plugins.load(self.kind, self.name).problems(self.params, self.rows, self.columns, *self.last)

    def check(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ConfigError
            For what no collection could have.
        TooNarrow
            For what wider rows could have.
        TooSmall
            For what a larger one could.
        TooLarge
            For what a smaller one could.
        NotInstalled
            For what lacks a package.
        """
        problems = self.problems()
        if not problems:
            return
        where = f"{self.kind}({self.name})"
        size = f"{counted(self.rows, 'row')} of {counted(self.columns, 'column')}"
        itself = replace(self, rows=ROWS, columns=COLUMNS).problems()
        if any(isinstance(problem, plugins.Missing) for problem in itself):
            raise NotInstalled(self.name, f"{where}: {'; '.join(itself)}", size, {})
        if not itself and replace(self, rows=ROWS).problems():
            raise TooNarrow(self.name, f"{where}: {'; '.join(problems)}", size, self._nearest())
        if not itself or self._works_with_more():
            raise TooSmall(self.name, f"{where}: {'; '.join(problems)}", size, self._nearest())
        if most := self._most_rows():
            raise TooLarge(self.name, f"{where}: {'; '.join(problems)}", size, most)
        raise ConfigError(f"{where}: {itself[0]}")

    def _works_with_more(self) -> bool:
        """Whether some larger number of rows is no problem."""
        rows = self.rows
        while (rows := 2 * rows) < ROWS:
            if not replace(self, rows=rows, columns=COLUMNS).problems():
                return True
        return False

    def _most_rows(self) -> int:
        """The most rows, fewer than there are, without a problem; 0 where fewer do not help."""
        low = next((rows for rows in self._halved() if not replace(self, rows=rows).problems()), 0)
        high = min(self.rows, 2 * low + 1)
        while low and high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if not replace(self, rows=middle).problems() else (low, middle)
        return low

    def _halved(self) -> Iterator[int]:
        """Ever fewer rows."""
        rows = self.rows // 2
        while rows:
            yield rows
            rows //= 2

    def _nearest(self) -> dict[str, tuple[int, int]]:
        """The largest value of each option to blame, the others made smaller before it; empty where none helps."""
        fit, changed = self, {}
        for option, value in self._numbers().items():
            smaller = fit._largest(option, value)
            if smaller is not None:
                changed[f"{self.prefix}.{option}" if option != "k" else option] = (value, smaller)
                fit = fit._with(option, smaller)
        return {} if fit.problems() else changed

    def _numbers(self) -> dict[str, int]:
        """Options that are numbers of something, and k."""
        options = {**vars(self.params), **({"k": self.last[0]} if self.kind == "clusterer" else {})}
        return {name: value for name, value in options.items() if type(value) is int and value > 1 and name != "seed"}

    def _largest(self, option: str, value: int) -> int | None:
        """The largest value below `value` with fewer problems."""
        before, low, high = len(self.problems()), 0, value
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fewer(option, middle, before) else (low, middle)
        return low or None

    def _fewer(self, option: str, value: int, before: int) -> bool:
        try:
            changed = self._with(option, value)
            plugins.params(self.kind, {"name": self.name, **schema.canonical(changed.params)})
        except ConfigError:
            return False
        return len(changed.problems()) < before

    def _with(self, option: str, value: int) -> "Fit":
        if option == "k":
            return replace(self, last=(value,))
        return replace(self, params=dataclasses.replace(self.params, **{option: value}))
