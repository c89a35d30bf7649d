"""Which classifiers and clusterers can be told apart over data sets, feature spaces and seeds (Demsar 2006)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbench.evaluate import blocks
from backbench.evaluate.blocks import Blocks
from backbench.metrics import catalogue
from backbench.pictures.source import Sweep
from backbench.plots import Picture
from backbench.sweep.results import ledger
from backbench.sweep.results.ledger import Row

if TYPE_CHECKING:
    from backbench.plots.ranks import Diagram

TITLE = "Critical difference"
CATEGORY = "Sweep"
ORDER = 45
LEVEL = 0.05


def lacks(sweep: Sweep) -> str | None:
    """Why no such test can be made."""
    found = _found(sweep)
    if any(one.lacks is None for one in found):
        return None
    return "; ".join(one.lacks for one in found if one.methods) or "no classifier and no labelled clustering is done"


def draw(sweep: Sweep) -> Picture:
    """A diagram of the classifiers and one of the clusterers, where there are enough of them."""
    from backbench.plots import ranks

    caption = (
        "Mean ranks over the blocks, the best at the left; bars join methods that the Nemenyi test does not tell apart "
        f"at {LEVEL:g}. Blocks that share images are not independent of one another: with one data set, the test says "
        "what holds in its feature spaces and for its seeds, not for other data sets."
    )
    diagrams = [_diagram(one) for one in _found(sweep) if one.lacks is None]
    return ranks.draw(sweep.heading(TITLE), diagrams, caption)


def _found(sweep: Sweep) -> list[Blocks]:
    rows = _rows(sweep)
    return [blocks.classifiers(rows), blocks.clusterers(rows)]


def _rows(sweep: Sweep) -> Sequence[Row]:
    """The rows of every data set of the sweep: data sets are blocks."""
    one = sweep.rows[0]
    same = one.plan.hash == sweep.plan.hash
    return ledger.rows(sweep.plan, one.records if same else ledger.read_records(sweep.plan, sweep.store))


def _diagram(found: Blocks) -> "Diagram":
    import numpy as np

    from backbench.plots.ranks import Diagram
    from backbench.statistics import friedman

    tested = friedman.compare(np.array(found.values), alpha=LEVEL)
    differ = tested.f_p <= LEVEL
    words = "p < 0.0001" if tested.f_p < 1e-4 else f"p = {tested.f_p:.4f}"
    said = f"{len(found.blocks)} blocks; Friedman (F) {words}" + (
        "" if differ else ": no difference, so all are joined"
    )
    title = f"{found.subject.capitalize()} by {catalogue.metric(found.metric).words}"
    note = f"{said}; {found.note}" if found.note else said
    return Diagram(title, found.methods, list(tested.mean_ranks), float(tested.critical_difference), note, bool(differ))
