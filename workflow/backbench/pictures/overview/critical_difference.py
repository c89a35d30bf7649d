"""Which classifiers and clusterers are distinguishable over data sets, feature spaces and seeds (Demsar 2006)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.evaluate import blocks
from backbench.evaluate.blocks import Blocks
from backbench.metrics import catalogue
from backbench.pictures.source import Sweep
from backbench.plots import Picture

if TYPE_CHECKING:
    from backbench.plots.ranks import Diagram

TITLE = "Critical difference"
CATEGORY = "Sweep"
ORDER = 45
LEVEL = 0.05


def lacks(sweep: Sweep) -> str | None:
    """Why no such test can be made."""
    comparisons = _comparisons(sweep)
    if any(comparison.lacks is None for comparison in comparisons):
        return None
    return (
        "; ".join(comparison.lacks for comparison in comparisons if comparison.methods and comparison.lacks)
        or "no classifier and no labelled clustering is done"
    )


def draw(sweep: Sweep) -> Picture:
    """A diagram of the classifiers and one of the clusterers, where there are enough of them."""
    from backbench.plots import ranks

    caption = (
        "Mean ranks over the blocks, the best on the left; bars join methods that the Nemenyi test does not "
        f"distinguish at {LEVEL:g}. Blocks that share images are not independent: with one data set, the test says "
        "what holds in its feature spaces and for its seeds, not for other data sets."
    )
    diagrams = [_diagram(comparison) for comparison in _comparisons(sweep) if comparison.lacks is None]
    return ranks.draw(sweep.heading(TITLE), diagrams, caption)


def _comparisons(sweep: Sweep) -> list[Blocks]:
    rows = _rows(sweep)
    return [blocks.classifiers(rows), blocks.clusterers(rows)]


def _rows(sweep: Sweep) -> Sequence[Row]:
    """The rows of every data set of the sweep: data sets are blocks."""
    first = sweep.rows[0]
    same = first.plan.hash == sweep.plan.hash
    return ledger.rows(sweep.plan, first.records if same else ledger.read_records(sweep.plan, sweep.store))


def _diagram(comparison: Blocks) -> "Diagram":
    import numpy as np

    from backbench.plots.ranks import Diagram
    from backbench.statistics import friedman

    tested = friedman.compare(np.array(comparison.values), alpha=LEVEL)
    differ = tested.f_p <= LEVEL
    words = "p < 0.0001" if tested.f_p < 1e-4 else f"p = {tested.f_p:.4f}"
    text = f"{len(comparison.blocks)} blocks; Friedman (F) {words}" + (
        "" if differ else ": no difference, so all are joined"
    )
    title = f"{comparison.subject.capitalize()} by {catalogue.metric(comparison.metric).words}"
    note = f"{text}; {comparison.note}" if comparison.note else text
    return Diagram(
        title, comparison.methods, list(tested.mean_ranks), float(tested.critical_difference), note, bool(differ)
    )
