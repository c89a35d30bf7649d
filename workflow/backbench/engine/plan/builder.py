"""From cells to stages and runs, validated and hashed. Nothing heavy is imported and nothing is computed."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from backbench import hashing
from backbench.engine.grid import Grid, Run, Stage
from backbench.engine.plan import cached_inputs, candidates, counts, frozen, idle, judges, options
from backbench.engine.plan.candidates import Candidate
from backbench.engine.plan.factory import Fingerprint, GridFactory
from backbench.engine.plan.heads import Heads
from backbench.engine.plan.judges import Judging
from backbench.engine.plan.representations import Source, Sources
from backbench.engine.plan.shortage import TooSmall
from backbench.schema import ConfigError

SHOWN_PROBLEMS = 8
# The parts of a cell whose keys are checked, and those that each head is made from.
FIXED = ("chain", "clustering", "classification", "retrieval")
PARTS = {
    "clustering": ("clusterer", "clustering", "k", "seed"),
    "classification": ("classifier", "classification", "seed"),
    "retrieval": ("retrieval",),
}


def build(
    cells: Iterable[Mapping[str, Any]],
    fingerprint: Fingerprint,
    explicit: Iterable[str] = (),
    device: str = "auto",
    fewest: bool = False,
    judging: Judging | None = None,
) -> Grid:
    """The grid of `cells`, each validated and hashed; cells that mean the same become one run.

    Parameters
    ----------
    fingerprint
        Called with (dataset plugin, params) where the content digest is not known yet.
    explicit
        Keys that were asked for by name: what an unlabelled or small dataset cannot have is then an error, else a
        notice.
    device
        Where features will be extracted (``auto``, ``cpu``, ``cuda``...): decides what ``engine: auto`` means.
    fewest
        Whether only as many cells become runs as it takes to have every stage in one of them.
    judging
        How clusterings are judged where there are no classes; None where the policy asks no judges.

    Raises
    ------
    ConfigError
        With every distinct problem of the grid, before any job starts.
    """
    with frozen.collecting_nothing():
        return _build(list(cells), fingerprint, explicit, device, fewest, judging)


def _build(
    cells: Sequence[Mapping[str, Any]],
    fingerprint: Fingerprint,
    explicit: Iterable[str],
    device: str,
    fewest: bool,
    judging: Judging | None,
) -> Grid:
    # A group at a place of its own (chain@clustering.chain) is the key of that place.
    named = counts.explicit((key.rpartition("@")[2] for key in explicit), cells)
    idle.refuse(cells, named)
    factory = GridFactory(fingerprint, named, device)
    problems: dict[str, int] = {}
    made: list[Candidate] = []
    for cell in cells:
        try:
            made += _candidates(factory, cell)
        except ConfigError as error:
            problems[str(error)] = problems.get(str(error), 0) + 1
    if problems:
        raise ConfigError(_report(problems))
    idle.refuse_test_share(factory.grid.stages.values(), factory.explicit)
    kept, notices = candidates.settled(made, factory.explicit)
    for notice in notices:
        factory.notice(notice)
    _join(factory.grid, candidates.fewest(kept) if fewest else kept)
    if judging:
        judges.attach(factory, kept, Sources(factory), judging)
    if notices:
        _prune(factory.grid)
    cached_inputs.attach(factory.grid, factory.chained)
    return factory.grid


def _report(problems: Mapping[str, int]) -> str:
    lines = [_counted(text, count) for text, count in problems.items()]
    hidden = len(lines) - SHOWN_PROBLEMS
    more = [f"... and {hidden} more problems"] if hidden > 0 else []
    return "\n".join(lines[:SHOWN_PROBLEMS] + more)


def _counted(text: str, count: int) -> str:
    """A problem, with the number of combinations that have it in its first line."""
    first, *rest = text.split("\n")
    return "\n".join([f"{first} ({count} combinations)" if count > 1 else first, *rest])


def _candidates(factory: GridFactory, cell: Mapping[str, Any]) -> list[Candidate]:
    """What becomes of a cell: itself, or with ``k=auto`` a candidate for each number of clusters."""
    factory.same("keys", (*cell, *map(cell.get, FIXED)), lambda: factory.once(options.check, options.keys(cell)))
    dataset = cell["dataset"]
    source = factory.same("dataset", (dataset,), lambda: factory.once(Sources(factory).dataset, dataset))
    return [_candidate(factory, each, source) for each in counts.settled(factory, cell, source)]


def _candidate(factory: GridFactory, cell: Mapping[str, Any], source: Source) -> Candidate:
    """A cell with its stages, those that the collection is too small for left out."""
    sources, heads = Sources(factory), Heads(factory)
    backbone = cell["backbone"]
    made = factory.same("features", (backbone, source), lambda: factory.once(sources.features, backbone, source))
    features, width = made
    if "split" in cell:
        source = factory.once(sources.divided, {"split": cell["split"]}, source)
        sources.check_learned(features, source)
    stages, lost = {"dataset": source.stage, "features": features}, {}
    makers = {"clustering": heads.clustering, "classification": heads.classification, "retrieval": heads.retrieval}
    for kind, make in makers.items():
        parts = (*map(cell.get, PARTS[kind]), source, features)
        try:
            stage = factory.same(kind, parts, partial(make, cell, source, features, width))
        except TooSmall as lack:
            lost[kind] = lack
        else:
            stages |= {kind: stage} if stage else {}
    _tell_unread(factory, source, stages)
    candidate = Candidate(cell, stages, lost)
    candidates.refuse_asked(candidate, factory.explicit)
    return candidate


def _tell_unread(factory: GridFactory, source: Source, stages: Mapping[str, Stage]) -> None:
    """Say that repeats and folds make no difference to a combination none of whose stages reads the split."""
    heads = [stage for kind, stage in stages.items() if kind in PARTS]
    before = [factory.grid.stages[stage.parents["matrix"][1]] for stage in heads]
    if source.split and not any("split" in stage.config for stage in (*heads, *before)):
        factory.notice(
            "split.repeat makes no difference where nothing reads the split: a clustering of all images and a search "
            "of all images are computed once (clustering.scope=train, retrieval.protocol=test_against_train read it)"
        )


def _join(grid: Grid, kept: Iterable[Candidate]) -> None:
    """Make runs of candidates."""
    for candidate in kept:
        stages = candidate.hashes
        run = Run(hashing.digest({"kind": "run", "stages": stages}), stages)
        grid.runs.setdefault(run.hash, run)


def _prune(grid: Grid) -> None:
    """Drop the stages that no run is left for."""
    apart = (key for key, stage in grid.stages.items() if stage.kind in ("audit", "judge"))
    wanted = frozen.ancestors(
        grid.stages, [*apart, *(ref for run in grid.runs.values() for ref in run.stages.values())]
    )
    grid.stages = {key: stage for key, stage in grid.stages.items() if key in wanted}
