"""Figures that no record holds: the k of an elbow, what the selection policy chose, and majority shares of clusters."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.datasets import PARTS
from backbench.engine.results.joined_run import Row
from backbench.evaluate import best_k, candidates, recommendations, resampled
from backbench.evaluate.configurations import is_seed
from backbench.papers import sentences
from backbench.papers.measured import images_of
from backbench.papers.published import CHOSEN, ELBOW, SHARES, Figure
from backbench.papers.results import CLUSTERING, Taken, results
from backbench.store import Store, StoreError

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


def _elbow(figure: Figure, rows: Sequence[Row], store: Store) -> Taken:
    """The k at the knee of the within-cluster sums of squares."""
    (representation,) = candidates.representations(rows)
    families = best_k.families(representation)
    choice = families[0].choice("elbow") if families else None
    if choice is None or choice.k is None:
        return Taken(None, reason=sentences.no_elbow(choice.note if choice else ""))
    ks, distinct = families[0].ks, results(rows, CLUSTERING)
    runs = [row for row in rows if row.params.get(K) == choice.k]
    seeds = len({row.run.stages[CLUSTERING] for row in runs})
    notes = [sentences.elbow(ks[0], ks[-1], choice.note), *distinct.lacks()]
    return Taken(float(choice.k), runs, None, seeds, distinct.chance, notes)


def _chosen(figure: Figure, rows: Sequence[Row], store: Store) -> Taken:
    """What the policy of the sweep chose."""
    (representation,) = candidates.representations(rows)
    decision = recommendations.recommend(representation, recommendations.policy_of(rows[0].plan)).decision
    if decision.chosen is None:
        return Taken(None, reason=decision.reason)
    runs = [row for row in rows if row.config_hash == decision.chosen.run]
    notes = [sentences.policy(decision.reason), *results(rows, CLUSTERING).lacks()]
    return Taken(decision.chosen.label, runs, None, 1, notes=notes)


def _majority_shares(figure: Figure, rows: Sequence[Row], store: Store) -> Taken:
    """Each cluster's share of its majority class, largest first, the mean over the seeds."""
    import numpy as np

    distinct = results(rows, CLUSTERING)
    if not distinct.done:
        return distinct.none()
    try:
        shares = [share for row in distinct.done if (share := _shares(figure, row, store)) is not None]
    except StoreError as error:
        return Taken(None, reason=sentences.unreadable(str(error)))
    if len(shares) < len(distinct.done):
        return Taken(None, reason=sentences.unlabelled())
    if len(set(map(len, shares))) > 1:
        return Taken(None, reason=sentences.uneven())
    value = tuple(map(float, np.mean(shares, axis=0)))
    return Taken(value, distinct.done, None, len(distinct.done), distinct.chance, distinct.lacks())


def _shares(figure: Figure, row: Row, store: Store) -> "np.ndarray | None":
    """The share of the majority class in each cluster of one result, (clusters,), largest first."""
    import numpy as np

    images = images_of(row, store)
    if images.truth is None:
        return None
    labels = row.seen(store).array(CLUSTERING, row.run.stages[CLUSTERING], "labels")
    scope = row.plan.stages[row.run.stages[CLUSTERING]].config["scope"]
    part = PARTS.index(figure.part) if figure.part else resampled.SCOPES.get(scope)
    judged = np.ones(len(labels), bool) if part is None else images.split_of(row, CLUSTERING) == part
    truth, labels = images.truth[judged], labels[judged]
    counts = [np.bincount(truth[labels == cluster]) for cluster in np.unique(labels[labels >= 0])]
    return np.sort([count.max() / count.sum() for count in counts])[::-1]


TAKERS = {ELBOW: _elbow, CHOSEN: _chosen, SHARES: _majority_shares}
