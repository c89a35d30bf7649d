"""The entries of a board measured: estimates of their metrics, replicates of the one they are ranked by, and ranks."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backbench.evaluate import estimates, resampled
from backbench.evaluate.boards import Board
from backbench.evaluate.configurations import Configuration
from backbench.evaluate.estimates import Estimate, Replicated
from backbench.evaluate.resampled import Images
from backbench.metrics import catalogue
from backbench.statistics import ranking, stability
from backbench.store import StoreError

STABILITY = catalogue.metric("stability").name

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Measured:
    """What is known of an entry; `replicates` (resamples,) of the ranking metric, None where it was not resampled."""

    values: Mapping[str, Estimate]
    stability: float | None
    replicates: np.ndarray | None = field(default=None, compare=False, repr=False)
    rank: int = 0
    tied: int = 1

    @property
    def tested(self) -> bool:
        """Whether it can be compared with others on every resample."""
        return self.replicates is not None and bool(np.isfinite(self.replicates).all())


def measure(
    board: Board,
    groups: Sequence[Configuration],
    chosen: Sequence[int],
    beside: int,
    images: Images,
    progress: Progress,
) -> list[Measured]:
    """Each of `groups`, which stand best first, in their order.

    Parameters
    ----------
    chosen : places of those that are resampled
    beside : of how many of these every metric is resampled, not the ranking metric alone
    """
    places = {at: place for place, at in enumerate(chosen)}
    found = []
    for at, one in enumerate(groups):
        names = () if at not in places else board.metrics if places[at] < beside else (board.rank,)
        found.append(_measured(board, one, names, images))
        if at in places:
            progress(places[at] + 1, len(places))
    return _ranked(board, found)


def _measured(board: Board, one: Configuration, names: Sequence[str], images: Images) -> Measured:
    replicated = _replicated(one, board.head, names, images) if names else {}
    draws = int(one.key[:8], 16)
    values = {}
    for name in board.metrics:
        own = [row.metrics.get(name, math.nan) for row in one.rows]
        made = estimates.estimate(own, replicated.get(name), draws, board.head == "clustering")
        if not math.isnan(made.mean):
            values[name] = made
    own = replicated.get(board.rank)
    return Measured(
        values, _stability(one, board.head, bool(names), images), estimates.joint(own, draws) if own else None
    )


def _replicated(one: Configuration, head: str, names: Sequence[str], images: Images) -> dict[str, Replicated]:
    """Metrics that every result of a configuration has on resampled images."""
    try:
        found = [resampled.metrics(row, head, names, images) for row in one.rows]
    except StoreError:
        images.lost = True
        return {}
    shared = [name for name in names if all(name in own for own in found)]
    return {
        name: Replicated(np.stack([own[name][0] for own in found]), found[0][name][1], resampled.is_share(name))
        for name in shared
    }


def _stability(one: Configuration, head: str, there: bool, images: Images) -> float | None:
    """How far the labelings of several seeds agree, else what the record says of bootstrap samples."""
    if head != "clustering":
        return None
    if there and len(one.rows) > 1:
        try:
            return float(stability.mean_pairwise_ari([resampled.labels(row, images) for row in one.rows]))
        except StoreError:
            images.lost = True
    known = [row.metrics[STABILITY] for row in one.rows if math.isfinite(row.metrics.get(STABILITY, math.nan))]
    return math.fsum(known) / len(known) if known else None


def _ranked(board: Board, found: Sequence[Measured]) -> list[Measured]:
    """Entries with their ranks; those that were not resampled stand by their values."""
    means = [one.values[board.rank].mean for one in found]
    ranks = [1 + sum(other > own for other in means) for own in means]
    tested = [at for at, one in enumerate(found) if one.tested]
    if tested:
        stack = np.stack([found[at].replicates for at in tested])
        for at, rank in zip(tested, ranking.standings(stack, [means[at] for at in tested]), strict=True):
            ranks[at] = rank
    same = Counter((one.tested, rank) for one, rank in zip(found, ranks, strict=True))
    return [replace(one, rank=rank, tied=same[one.tested, rank]) for one, rank in zip(found, ranks, strict=True)]
