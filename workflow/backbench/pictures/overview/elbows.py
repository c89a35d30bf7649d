"""Elbows of a sweep: the within-cluster sum of squares of each clusterer against k, by feature space."""

from backbench.evaluate import best_k
from backbench.evaluate.candidates import Candidate, Representation
from backbench.metrics.catalogue import ELBOW
from backbench.pictures import _spaces
from backbench.pictures.kinds.elbow import as_curve
from backbench.pictures.source import Sweep
from backbench.plots import Picture

TITLE = "Elbows"
CATEGORY = "Sweep"
ORDER = 30
SPACES, FAMILIES = 6, 6


def lacks(sweep: Sweep) -> str | None:
    """Why there are no curves."""
    spaces = _spaces.clustered(sweep.rows)
    if not spaces:
        return "no clustering is done"
    return None if any(map(_families, spaces)) else "no clusterer was tried with two values of k or more"


def draw(sweep: Sweep) -> Picture:
    """A panel for each feature space, a line for each clusterer."""
    from backbench.plots import elbow

    shown, left_out = _spaces.few([space for space in _spaces.clustered(sweep.rows) if _families(space)], SPACES)
    panels = {}
    dropped = False
    for space in shown:
        families = _families(space)
        kept = sorted(families, key=lambda name: (_lowest(families[name]), name))[:FAMILIES]
        dropped |= len(families) > len(kept)
        panels[space.title] = [as_curve(families[name]) for name in sorted(kept)]
    more = f" In each, the {FAMILIES} clusterers with the smallest sums are shown." if dropped else ""
    caption = (
        "Within-cluster sum of squares against k in each feature space (mean over seeds, band from the least to the "
        "greatest); rings mark the knees, after which more clusters help little. Lines are comparable only within a "
        "panel."
    )
    return elbow.draw(sweep.heading(TITLE), panels, caption=caption + left_out + more)


def _families(space: Representation) -> dict[str, list[Candidate]]:
    """Clusterings that differ only in k and seed, by the name of their family, where there are two k or more."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in space.candidates:
        groups.setdefault(candidate.family, []).append(candidate)
    return {name: members for name, members in groups.items() if len(best_k.mean_curve(members, ELBOW)) > 1}


def _lowest(members: list[Candidate]) -> float:
    return min(best_k.mean_curve(members, ELBOW).values())
