"""The clustering to take where there are no classes: chosen over all representations by independent judges.

Judges are stage results of the sweep (`stages.judge`). What they say of each clustering is computed here from stored
labels, and cached: it depends on all clusterings that are there.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backbench import derived
from backbench.derived import Content, Derived
from backbench.engine.grid import Stage
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.evaluate import eligibility
from backbench.evaluate.candidates import Candidate, Representation
from backbench.evaluate.eligibility import USUAL, Limits
from backbench.store import DONE, Store, StoreError
from backbench.wording import counted, listed

if TYPE_CHECKING:
    import numpy as np

    from backbench.judging.judge import Judge

KIND, STAGE = "judgement", "judge"
MODULES = ("backbench.evaluate.judging", "backbench.judging.rule")
# Clusterings that are judged at a time.
BLOCK = 64
# Fewer clusterings than this give no best twentieth to choose from.
LEAST_POOL = 3
ALTERNATIVES = 3
OUTSIDE = -2

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Judged:
    """A clustering that judges have ranked, with its representation; `score` is its sum of mean ranks, the higher the
    better."""

    candidate: Candidate
    space: Representation
    score: float


@dataclass(frozen=True)
class Judgement:
    """What the judges of a data set say of all its clusterings.

    `chosen` is the medoid of the best twentieth, None where nothing could be judged; `plausible` are those, best first,
    and `low` and `high` the least and the largest number of clusters among them. `alternatives` are up to three of
    these that differ most from the chosen and from one another. `ranked` are all that were judged, best first. `judges`
    names the representations that judged, `pool` counts the clusterings that they ranked, and `reason` says how, or why
    there is no choice.
    """

    chosen: Judged | None
    plausible: tuple[Judged, ...]
    alternatives: tuple[Judged, ...]
    low: int
    high: int
    judges: tuple[str, ...]
    pool: int
    reason: str
    ranked: tuple[Judged, ...] = ()


@dataclass(frozen=True)
class _Seat:
    """A judge that is there: its stage, its record, and the features that it reads."""

    stage: Stage
    record: Mapping[str, Any]

    def origin(self) -> dict[str, Any]:
        """What its judgements depend on, as plain JSON."""
        arrays = {name: entry["sha256"] for name, entry in sorted(self.record["arrays"].items())}
        return {"judge": self.stage.hash, "arrays": arrays}

    def sit(self, store: Store, scored: "np.ndarray") -> "Judge":
        """The judge of those of its rows that are `scored` (n,) bool."""
        import numpy as np

        from backbench.judging.judge import Judge

        rows = store.array(STAGE, self.stage.hash, "rows")
        kept = scored[rows]
        if "features" in self.record["arrays"]:
            features = store.array(STAGE, self.stage.hash, "features")
        else:
            features = store.array(*self.stage.parents["features"], "features", mmap=True)[rows]
        embedding = store.array(STAGE, self.stage.hash, "embedding")
        return Judge.of(np.asarray(features[kept], dtype=np.float64), embedding[kept])


def judgement(
    rows: Sequence[Row],
    spaces: Sequence[Representation],
    store: Store,
    limits: Limits = USUAL,
    progress: Progress = lambda done, total: None,
) -> Judgement | None:
    """What the judges of one data set say of its clusterings; None where its sweeps have no judges.

    Parameters
    ----------
    rows : all runs on the data set
    spaces : their clusterings; where these are of several scopes, those of all images are judged, or else the first
    limits : what is no clustering, and is not judged
    """
    stages, store = _stages(rows), ledger.seen(rows, store)
    pool = _pool(spaces, limits)
    if not stages or not any(space.candidates for space in spaces):
        return None
    seats = _alike([seat for stage in stages if (seat := _seat(stage, store))])
    if not seats:
        return _nothing("no judge is done: run the same sweep again", pool)
    names = tuple(seat.stage.family for seat in seats)
    if len(pool) < LEAST_POOL:
        return _nothing(f"{counted(len(pool), 'clustering')} to choose from; judges take {LEAST_POOL}", pool, names)
    origin = {
        "judges": [seat.origin() for seat in seats],
        "clusterings": [[each.candidate.member, each.candidate.k, each.candidate.digest] for each in pool],
    }
    cached = Derived(derived.of_results(), KIND, origin, MODULES)
    try:
        info = cached.ensure(lambda: _computed(seats, pool, store, progress)).info
    except (StoreError, ValueError) as error:
        return _nothing(str(error), pool, names)
    return _read(info, pool, names)


def _stages(rows: Sequence[Row]) -> list[Stage]:
    """The judges of the data set in the plans of its runs."""
    plans = {id(row.plan): row.plan for row in rows}.values()
    datasets = {row.stages["dataset"] for row in rows}
    judges = {
        stage.hash: stage
        for plan in plans
        for stage in plan.stages.values()
        if stage.kind == STAGE and stage.parents["dataset"][1] in datasets
    }
    return sorted(judges.values(), key=lambda stage: (stage.family, stage.hash))


def _seat(stage: Stage, store: Store) -> _Seat | None:
    record = store.read(STAGE, stage.hash)
    if record is None or record["status"] != DONE or not store.complete(STAGE, record):
        return None
    return _Seat(stage, record)


def _alike(seats: Sequence[_Seat]) -> list[_Seat]:
    """The judges of the largest sample: sweeps may have asked for samples of several sizes."""
    most = max((seat.record["info"]["n"] for seat in seats), default=0)
    return [seat for seat in seats if seat.record["info"]["n"] == most]


def _pool(spaces: Sequence[Representation], limits: Limits) -> list[Judged]:
    """The clusterings that can be chosen, of all images or of the first scope."""
    scopes = [space.scope for space in spaces if space.candidates]
    scope = "all" if "all" in scopes or not scopes else scopes[0]
    return [
        Judged(candidate, space, math.nan)
        for space in spaces
        if space.scope == scope
        for candidate in space.candidates
        if candidate.digest and eligibility.fault(candidate.metrics, limits) is None
    ]


def _computed(seats: Sequence[_Seat], pool: Sequence[Judged], store: Store, progress: Progress) -> Content:
    """The scores of the pool, and the places of what is chosen in it."""
    import numpy as np

    from backbench.judging import rule

    sample = store.array(STAGE, seats[0].stage.hash, "rows")
    labelings = [store.array("clustering", each.candidate.member, "labels") for each in pool]
    scored = np.all([labeling != OUTSIDE for labeling in labelings], axis=0)
    labels = np.stack([labeling[sample][scored[sample]] for labeling in labelings]).astype(np.int64)
    tables: list[np.ndarray] = []
    for at, seat in enumerate(seats):
        judge = seat.sit(store, scored)
        for start in range(0, len(pool), BLOCK):
            tables.append(judge.table(labels[start : start + BLOCK]))
            progress(at * len(pool) + min(start + BLOCK, len(pool)), len(seats) * len(pool))
    values = np.concatenate(tables).reshape(len(seats), len(pool), -1)
    choice, given = rule.choose(labels, values), _given(pool)
    chosen = choice.chosen if given is None else rule.of_k(labels, values, given)
    plausible = (
        choice.plausible if given is None else [place for place in choice.order if choice.clusters[place] == given]
    )
    return Content(
        {
            "scores": [float(score) for score in choice.scores],
            "order": [int(place) for place in choice.order],
            "chosen": int(chosen),
            "plausible": [int(place) for place in plausible],
            "alternatives": rule.diverse(labels, plausible, chosen, ALTERNATIVES),
            "clusters": [int(count) for count in choice.clusters],
            "given": given,
        }
    )


def _given(pool: Sequence[Judged]) -> int | None:
    """The k that was asked for, where every clustering was asked for the same and one has it."""
    asked = {each.candidate.k for each in pool}
    (k,) = asked if len(asked) == 1 else (None,)
    return k if k is not None and any(each.candidate.clusters == k for each in pool) else None


def _read(info: Mapping[str, Any], pool: Sequence[Judged], names: tuple[str, ...]) -> Judgement:
    """The judgement of what was computed."""
    judged = [replace(each, score=score) for each, score in zip(pool, info["scores"], strict=True)]
    plausible, clusters = info["plausible"], info["clusters"]
    return Judgement(
        chosen=judged[info["chosen"]],
        plausible=tuple(judged[place] for place in plausible),
        alternatives=tuple(judged[place] for place in info["alternatives"]),
        low=min(clusters[place] for place in plausible),
        high=max(clusters[place] for place in plausible),
        judges=names,
        pool=len(pool),
        reason=_reason(info["given"], len(pool), names),
        ranked=tuple(judged[place] for place in info["order"]),
    )


def _reason(given: int | None, pool: int, names: Sequence[str]) -> str:
    judges = f"{listed(list(names))} judged {counted(pool, 'clustering')}"
    if given is not None:
        return f"{judges}; of those with {given} clusters, its clusters are predicted best"
    return f"{judges}; of the best twentieth it agrees most with the others"


def _nothing(reason: str, pool: Sequence[Judged], names: tuple[str, ...] = ()) -> Judgement:
    return Judgement(None, (), (), 0, 0, names, len(pool), reason)
