"""Sweeps whose results are drawn, not fitted: labels and predictions of known quality with their true metrics."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from backbench import paths, planning
from backbench.engine.grid import Stage
from backbench.engine.plan import frozen
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.metrics import external, probabilistic, retrieval, supervised
from backbench.store import Store

N = 1200
NAMES = ("coat", "dress", "shirt", "shoe")
GRID = ("experiment=none", f"dataset.sample={N}", "backbone=pixels")
SCOPES = {"train": 0, "per_split": 2}


@functools.cache
def planned(*overrides) -> Plan:
    given = {word.partition("=")[0] for word in overrides}
    grid = (word for word in (*GRID, "selection=published") if word.partition("=")[0] not in given)
    return planning.make([*grid, *overrides]).plan


def mixed(truth: np.ndarray, share: float, seed: int, classes: int = len(NAMES)) -> np.ndarray:
    """`truth` with all but about `share` of it replaced by another class."""
    draw = np.random.default_rng(seed)
    wrong = (truth + draw.integers(1, classes, len(truth))) % classes
    return np.where(draw.random(len(truth)) < share, truth, wrong).astype(np.int32)


@dataclass
class Stored:
    """What a test says of the results; each function gets a stage and the classes of the images."""

    predictions: Callable = lambda stage, truth: mixed(truth, 0.8, 0)
    probabilities: Callable = lambda stage, truth: None
    labels: Callable = lambda stage, truth: mixed(truth, 0.7, 1)
    widths: Callable = lambda stage, truth: np.random.default_rng(2).uniform(0, 0.4, len(truth))
    metrics: Callable = lambda stage: {}
    fits: Callable = lambda stage, truth: {}
    truth: np.ndarray = field(default_factory=lambda: np.arange(N) % len(NAMES))
    split: np.ndarray = field(default_factory=lambda: np.repeat([0, 1, 2, 0], N // 4).astype(np.uint8))
    names: tuple[str, ...] | None = NAMES
    arrays: bool = True
    seconds: Callable = lambda stage: 0.5

    def rows(self, *overrides) -> list[Row]:
        """The rows of a plan with every result in the store."""
        found = planned(*overrides)
        frozen.save(found)
        store = Store(paths.store())
        for key, stage in found.stages.items():
            metrics, info, arrays = getattr(self, f"_{stage.kind}", self._other)(stage)
            metrics = {name: None if math.isnan(value) else value for name, value in metrics.items()}
            body = {"status": "done", "reason": None, "config": dict(stage.config), "code": stage.code, "notes": {}}
            body |= {"metrics": metrics, "info": info, "provenance": {"finished": 1e9, "versions": {}}}
            body["provenance"]["seconds"] = self.seconds(stage)
            store.write(stage.kind, key, body, arrays if self.arrays else {})
        return ledger.rows(found, ledger.read_records(found, store))

    def _other(self, stage: Stage) -> tuple[Mapping, Mapping, Mapping]:
        return {}, {}, {}

    def _dataset(self, stage: Stage) -> tuple[Mapping, Mapping, Mapping]:
        arrays = {"split": self.split, **({"labels": self.truth} if self.names else {})}
        return {}, {"n": len(self.split), "classes": list(self.names) if self.names else None}, arrays

    def _classification(self, stage: Stage) -> tuple[Mapping, Mapping, Mapping]:
        found = np.where(self.split == 0, -2, self.predictions(stage, self.truth)).astype(np.int32)
        test, held = self.split == 2, self.split == 1
        metrics = supervised.scores(self.truth[test], found[test])
        metrics["val_accuracy"] = supervised.accuracy(self.truth[held], found[held])
        info = {"per_class": supervised.per_class(self.truth[test], found[test], self.names)}
        given = self.probabilities(stage, self.truth)
        if given is None:
            return metrics, info, {"predictions": found}
        metrics |= probabilistic.scores(self.truth[test], given[test], None)
        return metrics, info, {"predictions": found, "probabilities": given}

    def _clustering(self, stage: Stage) -> tuple[Mapping, Mapping, Mapping]:
        scope = stage.config["scope"]
        inside = self.split == SCOPES[scope] if scope in SCOPES else np.ones(len(self.split), bool)
        found = self.labels(stage, self.truth).astype(np.int32)
        widths = self.widths(stage, self.truth).astype(np.float32)
        found[self.split != 0 if scope == "train" else np.zeros(len(found), bool)] = -2
        metrics = {"silhouette": float(np.nanmean(widths[inside], dtype=float)), "davies_bouldin": 1.5}
        metrics |= {"calinski_harabasz": 90.0, "noise_fraction": float((found[inside] == -1).mean())}
        sizes = np.unique(found[inside & (found >= 0)], return_counts=True)[1]
        metrics |= {"clusters": float(len(sizes)), "largest_share": float(sizes.max(initial=0) / inside.sum())}
        metrics |= external.scores(self.truth[inside], found[inside])[0] if self.names else {}
        return (
            {**metrics, **self.metrics(stage)},
            {},
            {
                **{"labels": found, "silhouettes": widths},
                **self.fits(stage, self.truth),
            },
        )

    def _retrieval(self, stage: Stage) -> tuple[Mapping, Mapping, Mapping]:
        at, n = stage.config["at"], len(self.split)
        every = np.arange(n)
        queries, rows = (every, every) if stage.config["protocol"] == "leave_one_out" else self._asked(every)
        near = np.random.default_rng(int(stage.hash[:8], 16)).choice(rows, (len(queries), at)).astype(np.int32)
        totals = np.bincount(self.truth[rows], minlength=len(self.names))[self.truth[queries]] - (len(rows) == n)
        hits = retrieval.relevant(self.truth[queries], self.truth[near])
        return retrieval.curves(hits, totals, retrieval.depths(at)), {}, {"neighbours": near}

    def _asked(self, every: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return every[self.split == 2], every[self.split == 0]
