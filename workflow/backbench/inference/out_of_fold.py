"""Probabilities of every image of a collection by a run's classifier that has not seen it: cross-validation.

The images are divided into stratified folds, groups kept whole. For each fold the chain and the classifier of the run
are fitted on the other folds, by the code of the stages themselves. What comes out is cached.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backbench import derived, hashing
from backbench.datasets import TEST, Split, _split
from backbench.derived import Content, Derived
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import classification, matrix

if TYPE_CHECKING:
    import numpy as np

FOLDS, SEED = 5, 0
CLASSIFICATION, PROBABILITIES = "classification", "probabilities"
# What says which of the images a fit of the run learns from: here the folds do.
OF_THE_SPLIT = ("split", "shots", "draw")


@dataclass(frozen=True)
class _Folded(Inputs):
    """The inputs of a run with some of its arrays replaced, by role and name."""

    replaced: "Mapping[tuple[str, str], np.ndarray]" = field(default_factory=dict)

    def array(self, role: str, name: str, mmap: bool = False) -> "np.ndarray":
        """An array of a stage before, (rows, ...)."""
        known = self.replaced.get((role, name))
        return super().array(role, name, mmap) if known is None else known


def probabilities(source: Source, context: Context, progress: Callable[[int, int], None]) -> "tuple[np.ndarray, int]":
    """Probabilities (n, classes) float32 of all images, each by a fit on the folds that it is not in; and the folds.

    Raises
    ------
    ConfigError
        If the run has no classifier or one without probabilities, a class has too few images to be divided, or a fit
        fails.
    """
    member = _member(source)
    folds = _folds(source)
    origin = {"classification": member, "folds": folds, "seed": SEED, "array": _features(source)}
    cached = Derived(derived.of_results(), "out-of-fold", origin, _modules(source))

    def make() -> Content:
        return Content({}, {PROBABILITIES: computed(source, source.truth, folds, context, progress)})

    return cached.ensure(make).arrays[PROBABILITIES], folds


def _member(source: Source) -> str:
    """The run's classification, if it has probabilities."""
    short, member = hashing.short(source.row.config_hash), source.row.run.stages.get(CLASSIFICATION)
    if member is None:
        raise ConfigError(f"run {short} has no classifier, whose probabilities could be compared with the labels.")
    if source.array(CLASSIFICATION, PROBABILITIES, mmap=True) is None:
        name = source.row.params["classifier.name"]
        raise ConfigError(
            f"run {short}: its classifier, {name}, has no probabilities; give a run with one that has, such as "
            "logistic_regression or knn (`backbench leaderboard` lists them)."
        )
    return member


def _folds(source: Source) -> int:
    """As many folds as every class can be divided into, `FOLDS` at most."""
    import numpy as np

    groups = source.array("dataset", "groups")
    classes = source.truth
    if groups is not None:  # a group is in one fold
        classes = np.unique(np.stack([classes, groups]).astype(np.int64), axis=1)[0]
    smallest = int(np.unique(classes, return_counts=True)[1].min())
    if smallest < 2:
        raise ConfigError(
            "a class has a single image or lies in a single group, and whoever learns from the others cannot know it; "
            "leave such classes out (dataset.classes=[...])."
        )
    return min(FOLDS, smallest, FOLDS if groups is None else len(np.unique(groups)))


def _features(source: Source) -> str:
    """Digest of the features that the run works on."""
    record = source.row.records[source.row.stages["features"]]
    return str(record["arrays"]["features"].get("sha256", ""))


def _modules(source: Source) -> tuple[str, ...]:
    steps = _steps(source)
    plugins = [f"backbench.classifiers.{source.row.params['classifier.name']}"]
    plugins += sorted({f"backbench.transforms.{step['name']}" for step in steps})
    return (__name__, "backbench.stages.classification", "backbench.stages.matrix", *plugins)


def _steps(source: Source) -> list[Mapping[str, Any]]:
    """The transforms before the classifier."""
    kind, member = source.matrix_ref(CLASSIFICATION)
    return list(source.row.plan.stages[member].config["steps"]) if kind == "matrix" else []


def computed(
    source: Source, given: "np.ndarray", folds: int, context: Context, progress: Callable[[int, int], None]
) -> "np.ndarray":
    """Probabilities (n, classes) float32 where the images have the classes `given` (n,), fold by fold."""
    import numpy as np

    whole = np.full((len(given), len(source.names)), np.nan, np.float32)
    groups = source.array("dataset", "groups")
    divide = Split(source="random", validation=0.0, test=1 / folds)
    for number in range(folds):
        split = _split.fold(given, groups, SEED, divide, number, folds)
        tested = np.flatnonzero(split == TEST)
        if len(np.setdiff1d(given[tested], given[split != TEST])):
            raise ConfigError(
                "all images of a class came into one part, because its groups are kept whole; leave such classes out "
                "(dataset.classes=[...])."
            )
        whole[tested] = _fold(source, split, given, context)[tested]
        progress(number + 1, folds)
    return whole


def _fold(source: Source, split: "np.ndarray", given: "np.ndarray", context: Context) -> "np.ndarray":
    """Probabilities (n, classes) of the test rows of `split` (n,), NaN elsewhere; the classes are `given` (n,)."""
    row = source.row
    refs = {"dataset": ("dataset", row.stages["dataset"]), "features": ("features", row.stages["features"])}
    kind, member = source.matrix_ref(CLASSIFICATION)
    replaced = {("dataset", "split"): split, ("dataset", "labels"): given}
    inputs = _Folded(source.store, {**refs, "matrix": (kind, member)}, replaced)
    if kind == "matrix" and row.plan.stages[member].config["fit"] == "train":
        (made,) = matrix.compute([Member(member, _whole(row.plan.stages[member].config))], inputs, context)
        inputs = dataclasses.replace(inputs, replaced={**replaced, ("matrix", "matrix"): _sound(made).arrays["matrix"]})
    fit = row.run.stages[CLASSIFICATION]
    stage = row.plan.stages[fit]
    (made,) = classification.compute([Member(fit, _whole({**stage.config, **stage.local}))], inputs, context)
    return _sound(made).arrays[PROBABILITIES]


def _whole(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in OF_THE_SPLIT}


def _sound(outcome: Outcome) -> Outcome:
    if outcome.failure is not None:
        raise ConfigError(f"a fit on a part of the images failed: {outcome.failure}")
    return outcome
