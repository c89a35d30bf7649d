"""How long the results of a plan will take: by recorded times where there are any, else by rough rates."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from backbench import machine, paths
from backbench.engine.cost import costs, training
from backbench.engine.grid import HEADS, Stage
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.run.runner import DRIVERS
from backbench.engine.run.status import Status
from backbench.stage import SCORES
from backbench.store import DONE, Store

# A second at either side of a comparison, so that short results, mostly libraries that are loaded, say little.
DAMPING = 1.0
# How far a recorded pace is believed.
SLOWEST, QUICKEST = 20.0, 0.05


@dataclass
class Expectation:
    """Expected seconds of the needed members of a plan.

    Parameters
    ----------
    cores
        Cores of the launch; 0: all that there are.
    gpu
        Whether what pays on a GPU has one; None: where this machine has one.
    """

    plan: Plan
    status: Status
    cores: int = 0
    trainings: dict[str, training.Training] = field(default_factory=dict)
    gpu: bool | None = None

    def __post_init__(self) -> None:
        self.cores = self.cores or machine.cores()
        self.gpu = gpu() if self.gpu is None else self.gpu
        self.sizes = Counter(map(costs.family, self.plan.stages.values()))
        trainings = {key: self._training(key) for key in self.status.needed}
        self.trainings = {key: training for key, training in trainings.items() if training}

    @cached_property
    def members(self) -> dict[str, float]:
        """Seconds as they will be recorded: of a fit on one core, of what comes before the fits on all of them."""
        return {key: self._seconds(self.plan.stages[key]) for key in self.status.needed}

    @cached_property
    def scores(self) -> dict[str, float]:
        """Seconds of one core for each fit that is scored by itself."""
        seconds: dict[str, float] = {}
        for shard in self.plan.scoring.values():
            fits = [self.plan.stages[member] for member in shard.members if member in self.status.unscored]
            for fit in fits:
                alike = sum(other.kind == fit.kind for other in fits)
                seconds[fit.hash] = costs.score(fit, alike)
        return seconds

    def work(self, shard: Shard) -> float:
        """Seconds of the needed members of a shard, or of its scores; 0 where it has nothing to do."""
        seconds = self.scores if shard.kind == SCORES else self.members
        return sum(seconds[member] for member in shard.members if member in seconds)

    def longer(self, member: str) -> float:
        """Seconds that a training takes longer than expected where it does not stop early."""
        learning = self.trainings.get(member)
        return self._alone(learning.work * (learning.most - learning.epochs)) if learning else 0.0

    def _seconds(self, stage: Stage) -> float:
        if stage.hash in self.trainings:
            return self._alone(self.trainings[stage.hash].seconds)
        return self._model(stage) * self._paces.get((stage.kind, costs.way(stage)), 1.0)

    def _model(self, stage: Stage) -> float:
        seconds = costs.seconds(stage, self.plan.stages, self.sizes[costs.family(stage)], bool(self.gpu))
        known, rows = self.status.known.get(stage.hash, (0, 1))
        seconds *= 1 - known / rows
        on_gpu = stage.kind == "features" and self.gpu and not costs.on_cpu_alone(stage)
        if stage.kind in HEADS or on_gpu:
            return seconds
        return seconds / self.cores if stage.kind == "neighbours" else seconds * costs.CORES / self.cores

    @cached_property
    def _paces(self) -> dict[tuple[str, str], float]:
        """How many times as long as by the rates members of a family were recorded to take."""
        sums: dict[tuple[str, str], list[float]] = {}
        for key, record in self.status.records.items():
            stage = self.plan.stages[key]
            reused = record["info"].get("rows", {}).get("known", 0)
            if record["status"] == DONE and not reused and not training.trained(stage.config):
                both = sums.setdefault((stage.kind, costs.way(stage)), [DAMPING, DAMPING])
                both[0] += record["provenance"]["seconds"]
                both[1] += self._model(stage)
        return {key: min(max(took / model, QUICKEST), SLOWEST) for key, (took, model) in sums.items()}

    def _alone(self, work: float) -> float:
        """Seconds of a training, which has the GPU or all cores to itself."""
        return work if self.gpu else work / self.cores

    def _training(self, key: str) -> training.Training | None:
        stage = self.plan.stages[key]
        return costs.train(stage, self.plan.stages, self._past(stage)) if training.trained(stage.config) else None

    def _past(self, stage: Stage) -> training.Past:
        similar = (records for records in self._similar if records[0]["config"]["name"] == stage.family)
        return training.past(similar, bool(self.gpu))

    @cached_property
    def _similar(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]]:
        """Recorded trainings of this results folder, whatever sweep they are of."""
        return list(_trainings(Store(paths.store())))


def members(plan: Plan, status: Status, cores: int = 0) -> dict[str, float]:
    """Expected seconds of every needed member and of every fit that is scored by itself, see :class:`Expectation`."""
    expected = Expectation(plan, status, cores)
    return {**expected.members, **expected.scores}


def gpu() -> bool:
    """Whether there is a GPU that features may be extracted on."""
    return os.environ.get("BACKBENCH_DEVICE", "auto") != "cpu" and any(map(os.path.exists, DRIVERS))


def _trainings(store: Store) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]]:
    """Records of trained features with the policy of their images, and of their data set."""
    for features in sorted(store.records("features"), key=lambda record: (record["hash"], record.get("code", ""))):
        if features["status"] == DONE and "training" in features["info"]:
            dataset = store.read(*features["parents"]["dataset"])
            if dataset and "image" in features.get("local", {}):
                yield features, features["local"]["image"], dataset
