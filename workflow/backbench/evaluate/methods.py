"""The values of one column against each other, over all that is otherwise equal: data sets, seeds, feature spaces.

Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006: Wilcoxon's test for two methods,
Friedman's with Nemenyi's critical difference for more. A block is what the methods share; a block in which one has no
result is left out.
"""

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backbench.engine.results.joined_run import Row
from backbench.evaluate import blocks
from backbench.evaluate.blocks import DATASETS, REPEATS, SEEDS, Blocks
from backbench.evaluate.comparison import AUTO, IMAGES
from backbench.metrics import catalogue
from backbench.schema import ConfigError, refuse

LEAST_BLOCKS = 2
# The task that a column belongs to, by whose main metric its values are compared.
HEADS = {"classifier": "classification", "clusterer": "clustering", "k": "clustering", "retrieval": "retrieval"}
BLOCKS_OVER = {AUTO: "blocks (data sets, seeds and whatever else was swept)", SEEDS: "seeds", DATASETS: "data sets"}
DEPENDENT = "blocks that share images are not independent: with few data sets p is too small"


@dataclass(frozen=True)
class Methods:
    """The values of a column as methods over blocks."""

    column: str
    over: str
    table: Blocks

    @property
    def lacks(self) -> str | None:
        """Why there is no test, None where there is one."""
        names, blocks = self.table.methods, self.table.blocks
        if len(names) < 2:
            return f"{self.column} has {len(names)} value{'s' * (len(names) != 1)} with results; a test takes two"
        if len(blocks) < LEAST_BLOCKS:
            return f"{', '.join(names)} have {len(blocks)} block in common; sweep seeds (seeds=0..9) or data sets"
        return None

    @cached_property
    def ranked(self) -> list[tuple[str, float, float]]:
        """Name, mean and mean rank of each method, the best first."""
        from scipy import stats

        values = self.table.values
        sign = catalogue.metric(self.table.metric).direction
        means = [sign * statistics.fmean(column) for column in zip(*values, strict=True)]
        ranks = stats.rankdata([[-value for value in block] for block in values], axis=1).mean(axis=0)
        return sorted(
            zip(self.table.methods, means, map(float, ranks), strict=True), key=lambda method: (method[2], method[0])
        )

    def words(self, alpha: float) -> Iterator[str]:
        """What the tests say."""
        import numpy as np

        from backbench.statistics import friedman

        names = self.table.methods
        if len(names) > 2:
            tested = friedman.compare(np.array(self.table.values), alpha=alpha)
            outcome = "differ" if tested.f_p <= alpha else "are indistinguishable as a whole"
            yield f"The {len(names)} {outcome}: Friedman chi-square {tested.statistic:.3g}, p = {tested.f_p:.2g} (F)."
            yield f"Mean ranks that differ by {tested.critical_difference:.2f} or more are distinguishable (Nemenyi)."
            for group in tested.groups:
                yield f"  indistinguishable: {', '.join(names[method] for method in group)}"
        yield from self._pairs(alpha)

    def _pairs(self, alpha: float) -> Iterator[str]:
        from backbench.statistics import paired

        names, columns = self.table.methods, list(zip(*self.table.values, strict=True))
        pairs = list(itertools.combinations(range(len(names)), 2))
        points = catalogue.metric(self.table.metric).bounded
        tests = paired.corrected([paired.wilcoxon(columns[a], columns[b]) for a, b in pairs])
        for (a, b), test in zip(pairs, tests, strict=True):
            yield f"{paired.words(test, names[a], names[b], alpha, points)}."

    @property
    def note(self) -> str:
        """What limits the tests, and what was left out."""
        dependent = "" if self.over == DATASETS or self.lacks else DEPENDENT
        return "; ".join(filter(None, (self.table.note, dependent)))

    @property
    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        ranked = [] if self.lacks else [{"name": n, "mean": m, "mean_rank": r} for n, m, r in self.ranked]
        described = {
            "column": self.column,
            "metric": self.table.metric,
            "blocks": self.table.blocks,
            "lacks": self.lacks,
        }
        return {**described, "ranked": ranked, "words": [] if self.lacks else list(self.words(0.05)), "note": self.note}


def compare(rows: Sequence[Row], column: str, over: str = AUTO, metrics: Sequence[str] = ()) -> list[Methods]:
    """The values of a column over what the rows otherwise share; distinct stage results only.

    Raises
    ------
    ConfigError
        For a column or a metric that no row has, a metric whose values have no better end, and over images, of which
        a column has none.
    """
    if over in (IMAGES, REPEATS):
        raise ConfigError(f"--over {over} compares two runs by their hashes; with --by: auto, seeds or datasets.")
    columns = sorted({name for row in rows for name in row.params})
    if catalogue.known(column):
        varied = (name for name in columns if len({str(row.params.get(name)) for row in rows}) > 1)
        example = next((name for name in varied if name.endswith(".name")), "k")
        raise ConfigError(
            f"--by: received {column!r}, which is a metric; allowed: a parameter, whose values are compared. "
            f"`backbench compare --by {example} --metric {column}` compares by this metric."
        )
    if column not in columns:
        raise refuse("--by", column, columns)
    known = sorted({name for row in rows for name in row.metrics})
    for metric in metrics:
        if metric not in known:
            raise catalogue.unknown("--metric", metric, known)
        catalogue.ranking(metric, known, "--metric")
    asked = metrics or _asked(column, known)
    return [Methods(column, over, blocks.column(rows, column, metric, over)) for metric in asked]


def _asked(column: str, known: Sequence[str]) -> list[str]:
    head = HEADS.get(column.split(".")[0])
    wanted = [catalogue.main(head)] if head else [catalogue.main(other) for other in catalogue.REPORTED]
    return [metric for metric in wanted if metric in known] or [wanted[0]]
