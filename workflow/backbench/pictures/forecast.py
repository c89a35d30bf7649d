"""How many pictures a sweep will end with and how long they take to draw, before it starts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backbench import hashing
from backbench.engine.cost import costs
from backbench.engine.grid import Run, Stage
from backbench.engine.plan.frozen import Plan
from backbench.pictures import choice, drawing, index, layouts

# Seconds of one core, measured on 3,000 and 60,000 images: of any picture, and of positions by t-SNE and by UMAP.
PICTURE_SECONDS, PICTURE_IMAGE_SECONDS = 0.3, 2e-5
LAYOUT_IMAGE_SECONDS = 2.3e-3 + 1.4e-3
# UMAP is compiled once and loaded by the processes that draw.
COMPILING_SECONDS = 8.0
# The best runs of a backbone are mostly of one matrix: share of the others that they could be of.
OTHER_SPACES = 0.25
# Pictures of a clustering (six maps among them), of a classification, of a retrieval, of a training and of a sweep.
CLUSTERING, MAPS, CLASSIFICATION, RETRIEVAL, TRAINING, SWEEP = 10, 6, 3, 1, 2, 8
# Pictures of the best classifier alone.
LEADING = 2
TREES = "agglomerative"
# MB of the process that starts the others, and of each of them; of an image, its row of a matrix and its positions.
STARTER_MB, PROCESS_MB, COPIES = 600, 400, 4
# Time limit: the shortest, and how many times as long as expected.
MINUTES, SAFETY = 10, 4.0


@dataclass(frozen=True)
class Forecast:
    """About how many pictures are to be drawn, and the seconds of one core that they take."""

    pictures: int = 0
    seconds: float = 0.0


def of_sweep(plan: Plan) -> Forecast:
    """What drawing a sweep will take; runs that have pictures already are left out."""
    mode = drawing.mode(plan)
    if mode == choice.NONE:
        return Forecast()
    due = [group for group in _groups(plan, mode) if not any(map(_drawn, group))]
    n = max((stage.about["n"] for stage in plan.stages.values() if stage.kind == "dataset"), default=0)
    shown, spaces = min(n, layouts.MOST_ROWS), _spaces(plan, due, mode)
    leading = LEADING * any(stage.kind == "classification" for stage in plan.stages.values()) * bool(due)
    count = SWEEP + leading + sum(_pictures(plan, group) for group in due) + round(spaces * _of_heads(plan))
    seconds = count * (PICTURE_SECONDS + PICTURE_IMAGE_SECONDS * shown) + sum(_tree(plan, group) for group in due)
    return Forecast(count, seconds + spaces * LAYOUT_IMAGE_SECONDS * shown + (COMPILING_SECONDS if spaces else 0.0))


def memory_mb(plan: Plan, processes: int) -> int:
    """MB that drawing a sweep takes with so many pictures beside each other."""
    shapes = [stage.about for stage in plan.stages.values() if stage.kind in ("features", "matrix")]
    rows = max((about["n"] * about.get("d", 0) for about in shapes), default=0)
    return STARTER_MB + round(processes * (PROCESS_MB + COPIES * rows * 4 / 2**20))


def minutes(plan: Plan, processes: int) -> int:
    """Minutes that drawing a sweep may take."""
    return MINUTES + math.ceil(SAFETY * of_sweep(plan).seconds / max(processes, 1) / 60)


def _groups(plan: Plan, mode: str) -> Iterator[list[Run]]:
    """Groups of runs of which one is drawn: those of a backbone and a clusterer, or of each distinct clustering."""
    seedless: dict[str, str] = {}
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in plan.runs.values():
        features, clustering = run.stages["features"], run.stages.get("clustering", "")
        if features not in seedless:
            seedless[features] = _backbone(plan.stages[features])
        family = plan.stages[clustering].family if clustering and mode == choice.BEST else clustering
        groups.setdefault((seedless[features], family), []).append(run)
    yield from groups.values()


def _backbone(features: Stage) -> str:
    config = {key: value for key, value in features.config.items() if key != "seed"}
    parts = sorted(ref for kind, ref in features.parents.values() if kind == "features")
    return hashing.digest([features.parents["dataset"][1], config, *parts])


def _drawn(run: Run) -> bool:
    return (index.root() / hashing.short(run.hash)).exists()


def _pictures(plan: Plan, group: Sequence[Run]) -> int:
    """Pictures of the clustering and of the training of the run that will be drawn of a group."""
    stages, results = plan.stages, group[0].stages
    count = TRAINING if "epochs" in stages[results["features"]].config else 0
    if "clustering" not in results:
        return count + (MAPS if "classification" in results else 0)
    clustering = stages[results["clustering"]]
    ks = {stages[run.stages["clustering"]].config.get("k") for run in group}
    return count + CLUSTERING + ("classification" in results) + (len(ks) > 1) + (clustering.family == TREES)


def _of_heads(plan: Plan) -> int:
    """Pictures of a classification and of a retrieval; those of one matrix are drawn once."""
    kinds = {stage.kind for stage in plan.stages.values()}
    return CLASSIFICATION * ("classification" in kinds) + RETRIEVAL * ("retrieval" in kinds)


def _tree(plan: Plan, group: Sequence[Run]) -> float:
    """Seconds of the tree that a dendrogram needs."""
    clustering = plan.stages.get(group[0].stages.get("clustering", ""))
    if clustering is None or clustering.family != TREES:
        return 0.0
    n, d = _shape(clustering.about)
    return costs.fit_clusterer(clustering, n, d, members=1)


def _shape(about: Mapping[str, int]) -> tuple[int, int]:
    return min(about["n"], layouts.MOST_ROWS), about["d"]


def _spaces(plan: Plan, groups: Sequence[Sequence[Run]], mode: str) -> float:
    """Matrices whose maps are drawn, as a mean: at most one for each run drawn of a backbone, and of the best fewer."""
    matrices: dict[str, tuple[set[str], int]] = {}
    for group in groups:
        backbone = _backbone(plan.stages[group[0].stages["features"]])
        seen, count = matrices.get(backbone, (set(), 0))
        heads = (plan.stages[run.stages[head]] for run in group for head in layouts.SHOWN if head in run.stages)
        matrices[backbone] = (seen | {stage.parents["matrix"][1] for stage in heads}, count + 1)
    most = (min(len(seen), count) for seen, count in matrices.values())
    if mode != choice.BEST:
        return sum(most)
    return sum(1 + OTHER_SPACES * (spaces - 1) for spaces in most if spaces)
