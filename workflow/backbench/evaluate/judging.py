"""The clustering to take where there are no classes: chosen over all representations by independent judges."""

from dataclasses import dataclass

from backbench.evaluate.candidates import Candidate, Representation


@dataclass(frozen=True)
class Judged:
    """A clustering that judges have ranked, with its representation; `score` is its sum of mean ranks, best first."""

    candidate: Candidate
    space: Representation
    score: float


@dataclass(frozen=True)
class Judgement:
    """What the judges of a data set say of all its clusterings.

    `chosen` is the medoid of the best twentieth, None where nothing could be judged; `plausible` are those, best first,
    and `low` and `high` the least and the largest number of clusters among them. `alternatives` are up to three of
    these that differ most from the chosen and from one another. `judges` names the representations that judged, `pool`
    counts the clusterings that they ranked, and `reason` says how, or why there is no choice.
    """

    chosen: Judged | None
    plausible: tuple[Judged, ...]
    alternatives: tuple[Judged, ...]
    low: int
    high: int
    judges: tuple[str, ...]
    pool: int
    reason: str
