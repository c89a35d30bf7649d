"""Figures that no record holds: the k of an elbow, what the selection policy chose, and majority shares of clusters."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.datasets import PARTS
from backbench.evaluate import best_k, candidates, recommendations, resampled
from backbench.evaluate.configurations import is_seed
from backbench.papers.published import CHOSEN, ELBOW, Figure
from backbench.papers.results import CLUSTERING, Results
from backbench.papers.values import Value
from backbench.store import Store, StoreError
from backbench.sweep.results.ledger import Row

if TYPE_CHECKING:
    import numpy as np

K = "k"
# Options that the results of one such figure differ by.
OPEN: Mapping[str, tuple[str, ...]] = {ELBOW: (K,), CHOSEN: (K, "clusterer.")}


def place(row: Row, metric: str) -> str:
    """What the clusterings of one elbow, or of one choice, have in common."""
    stage = row.plan.stages[row.run.stages[CLUSTERING]]
    shared: dict[str, Any] = {"matrix": stage.parents["matrix"][1], "scope": stage.config["scope"]}
    if metric == ELBOW:
        shared["config"] = {key: value for key, value in stage.config.items() if key != K and not is_seed(key)}
    return hashing.digest(shared)


def elbow(rows: Sequence[Row]) -> tuple[Value, str, list[Row]]:
    """The k at the knee of the within-cluster sums of squares, how it was found, and the runs that have it."""
    (found,) = candidates.representations(rows)
    families = best_k.families(found)
    choice = families[0].choice("elbow") if families else None
    if choice is None or choice.k is None:
        return Value(None, f"no elbow: {choice.note if choice else 'no clustering is done'}"), "", []
    ks = families[0].ks
    note = f"The elbow over k = {ks[0]}..{ks[-1]} is the {choice.note}."
    return Value(float(choice.k)), note, [row for row in rows if row.params.get(K) == choice.k]


def chosen(rows: Sequence[Row]) -> tuple[str | None, str, list[Row]]:
    """What the policy of the sweep chose, None for nothing; why; and the run."""
    (found,) = candidates.representations(rows)
    decision = recommendations.recommend(found, recommendations.policy_of(rows[0].plan)).decision
    if decision.chosen is None:
        return None, decision.reason, []
    run = decision.chosen.run
    return decision.chosen.label, f"{decision.reason}.", [row for row in rows if row.config_hash == run]


def majority_shares(figure: Figure, found: Results, store: Store) -> tuple[tuple[float, ...] | None, str]:
    """Each cluster's share of its majority class, largest first, the mean over the seeds; or why there is none."""
    import numpy as np

    try:
        every = [_shares(figure, row, store) for row in found.done]
    except StoreError as error:
        return None, f"the labels cannot be read ({error})"
    if any(own is None for own in every):
        return None, "these images have no classes"
    if len(set(map(len, every))) > 1:
        return None, "the seeds found different numbers of clusters"
    return tuple(map(float, np.mean(every, axis=0))), ""


def _shares(figure: Figure, row: Row, store: Store) -> "np.ndarray | None":
    import numpy as np

    info = row.records[row.stages["dataset"]]["info"]
    images = resampled.Images(store, row.stages["dataset"], bool(info.get("classes")))
    if images.truth is None:
        return None
    labels = store.array(CLUSTERING, row.run.stages[CLUSTERING], "labels")
    own = images.split == PARTS.index(figure.part) if figure.part else _scored(row, images)
    truth, labels = images.truth[own], labels[own]
    counts = [np.bincount(truth[labels == cluster]) for cluster in np.unique(labels[labels >= 0])]
    return np.sort([count.max() / count.sum() for count in counts])[::-1]


def _scored(row: Row, images: resampled.Images) -> "np.ndarray":
    """Which images the metrics of a clustering are of, (n,) bool."""
    import numpy as np

    scope = row.plan.stages[row.run.stages[CLUSTERING]].config["scope"]
    part = resampled.SCOPES.get(scope)
    return np.ones(len(images.split), bool) if part is None else images.split == part
