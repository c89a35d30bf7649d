"""The classification stage: fits on the training rows, and their predictions for the other rows.

If a classifier provides them, its `probabilities` or `decision` scores (n, classes) float32 are stored too: rows in the
order of the dataset, NaN for training rows, and one column for each class of the dataset. A class without training rows
has probability 0, and decision scores of NaN. `stages.scores` computes the metrics. A member's `seconds` are those of
its fit and an equal share of the work that members share. A classifier that chooses by the validation rows is told
their classes (`classifiers.Selecting`).
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from backbench import classifiers, plugins, threads
from backbench.metrics import labels, near
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _shard


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Predictions (n,) int32 of each member, -2 for training rows, and its scores if it has any."""
    done = 0
    x = _shard.matrix(inputs)
    for name, group in _shard.families(members, lambda member: member.config["classifier"]["name"]):
        try:
            _shard.refuse_non_finite(x)
            family = _Family(name, x, inputs)
        except Exception as error:  # affects every member of the family, and no other
            yield from (_shard.failure(member, error, where=_shard.representation(inputs)) for member in group)
            continue
        for outcome in family.outcomes(group, context):
            done += 1
            yield outcome
            context.progress(done, len(members))


class _Family:
    """Members of one classifier, and the rows that they share."""

    def __init__(self, name: str, x: np.ndarray, inputs: Inputs):
        """The members work on the rows of `x` (n, d)."""
        self.plugin = classifiers.load(name)
        truth = _shard.truth(inputs)
        if truth is None:
            raise ValueError("the dataset has no labels to learn from")
        split = inputs.array("dataset", "split")
        rows = {part: np.flatnonzero(split == code) for part, code in _shard.PARTS.items()}
        if not len(rows["train"]):
            raise ValueError("there are no training rows")
        self.n, self.where = len(truth), _shard.representation(inputs)
        self.trained, self.classes = np.unique(truth[rows["train"]]), len(inputs.info("dataset")["classes"])
        self.asked = np.concatenate([rows["validation"], rows["test"]])
        self.data = (x[rows["train"]], truth[rows["train"]], x[self.asked])
        self.held_y = truth[rows["validation"]]
        self.near = near.among(x, self.asked, rows["train"], _shard.graphs(inputs))

    def outcomes(self, members: Sequence[Member], context: Context) -> Iterator[Outcome]:
        tasks: dict[str, classifiers.Task] = {}
        for member in members:
            try:
                tasks[member.hash] = _task(member)
            except Exception as error:  # an error of a member is its result
                yield _shard.failure(member, error, where=self.where)
        sound = [member for member in members if member.hash in tasks]
        with _shard.computing(context):
            began = time.perf_counter()
            try:
                shared = self.plugin.prepare(*self.data, list(tasks.values()), self.near)
            except Exception as error:  # what all members need failed, so all fail
                yield from (_shard.failure(member, error, where=self.where) for member in sound)
                return
            share = (time.perf_counter() - began) / max(len(sound), 1)
            yield from threads.as_done(lambda member: self._outcome(shared, member, tasks[member.hash], share), sound)

    def _outcome(self, shared: Any, member: Member, task: classifiers.Task, share: float) -> Outcome:
        began = time.perf_counter()
        try:
            predicted = self._predict(shared, task)
        except Exception as error:  # an error of a member is its result and does not affect the others
            return _shard.failure(member, error, time.perf_counter() - began, self.where)
        arrays = {"predictions": np.full(self.n, labels.OUTSIDE, dtype=np.int32)}
        arrays["predictions"][self.asked] = predicted.classes
        if predicted.probabilities is not None:
            arrays["probabilities"] = self._whole(predicted.probabilities, 0.0)
        if predicted.decision is not None:
            arrays["decision"] = self._whole(predicted.decision, np.nan)
        info = {**predicted.info, "label_digest": labels.named_digest(arrays["predictions"])}
        return Outcome(member.hash, info=info, arrays=arrays, seconds=time.perf_counter() - began + share)

    def _predict(self, shared: Any, task: classifiers.Task) -> classifiers.Prediction:
        train_x, train_y, queries = self.data
        problems = self.plugin.problems(task.params, len(train_x), train_x.shape[1], len(np.unique(train_y)))
        if problems:
            raise ValueError("; ".join(problems))
        if isinstance(self.plugin, classifiers.Selecting) and len(self.held_y):
            return self.plugin.select(shared, train_x, train_y, queries, self.held_y, task)
        return self.plugin.predict(shared, train_x, train_y, queries, task)

    def _whole(self, scores: np.ndarray, untrained: float) -> np.ndarray:
        """Scores (n, classes) float32 of all rows and classes, from those (queries, trained classes) of the queries."""
        whole = np.full((self.n, self.classes), np.nan, dtype=np.float32)
        whole[self.asked] = untrained
        whole[np.ix_(self.asked, self.trained)] = scores
        return whole


def _task(member: Member) -> classifiers.Task:
    return classifiers.Task(plugins.params("classifier", member.config["classifier"]), member.config.get("seed"))
