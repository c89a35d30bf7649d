"""The classification stage: fitted on the training rows, chosen on validation, reported on test.

A member's `seconds` are its own fit and an equal share of what the shard shares.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from backbench import classifiers, plugins, threads
from backbench.metrics import labels, near, supervised
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _shard


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Predictions (n,) int32, -2 for training rows, and the metrics of each member."""
    done = 0
    x = _shard.matrix(inputs)
    for name, group in _shard.families(members, lambda member: member.config["classifier"]["name"]):
        try:
            _shard.refuse_non_finite(x)
            family = _Family(name, x, inputs)
        except Exception as error:  # the fault of every member of the family, and of no other
            yield from (_shard.failure(member, error, where=_shard.representation(inputs)) for member in group)
            continue
        for outcome in family.outcomes(group, context):
            done += 1
            yield outcome
            context.progress(done, len(members))


class _Family:
    """Members of one classifier, and the rows that they share."""

    def __init__(self, name: str, x: np.ndarray, inputs: Inputs):
        self.plugin = plugins.load("classifier", name)
        truth = _shard.truth(inputs)
        if truth is None:
            raise ValueError("the dataset has no labels to learn from")
        split = inputs.array("dataset", "split")
        rows = {part: np.flatnonzero(split == code) for part, code in _shard.PARTS.items()}
        if not len(rows["train"]):
            raise ValueError("there are no training rows")
        self.names = [str(name) for name in inputs.info("dataset")["classes"]]
        self.truth, self.rows, self.where = truth, rows, _shard.representation(inputs)
        self.asked = np.concatenate([rows["validation"], rows["test"]])
        self.data = (x[rows["train"]], truth[rows["train"]], x[self.asked])
        self.near = near.among(x, self.asked, rows["train"], _shard.graphs(inputs))

    def outcomes(self, members: Sequence[Member], context: Context) -> Iterator[Outcome]:
        tasks: dict[str, classifiers.Task] = {}
        for member in members:
            try:
                tasks[member.hash] = _task(member)
            except Exception as error:  # a member's fault is its result
                yield _shard.failure(member, error, where=self.where)
        sound = [member for member in members if member.hash in tasks]
        with _shard.computing(context):
            began = time.perf_counter()
            try:
                shared = self.plugin.prepare(*self.data, list(tasks.values()), self.near)
            except Exception as error:  # what all need failed, so all do
                yield from (_shard.failure(member, error, where=self.where) for member in sound)
                return
            share = (time.perf_counter() - began) / max(len(sound), 1)
            yield from threads.as_done(lambda member: self._outcome(shared, member, tasks[member.hash], share), sound)

    def _outcome(self, shared: Any, member: Member, task: classifiers.Task, share: float) -> Outcome:
        began = time.perf_counter()
        try:
            found, info = self._predict(shared, task)
        except Exception as error:  # a member's fault is its result and leaves the others alone
            return _shard.failure(member, error, time.perf_counter() - began, self.where)
        metrics, notes = self._metrics(found)
        test = self.rows["test"]
        info = {
            **info,
            "label_digest": labels.named_digest(found),
            "per_class": supervised.per_class(self.truth[test], found[test], self.names),
        }
        seconds = time.perf_counter() - began + share
        return Outcome(member.hash, metrics, notes, info, {"predictions": found}, seconds)

    def _predict(self, shared: Any, task: classifiers.Task) -> tuple[np.ndarray, dict[str, Any]]:
        train_x, train_y, queries = self.data
        problems = self.plugin.problems(task.params, *train_x.shape, len(np.unique(train_y)))
        if problems:
            raise ValueError("; ".join(problems))
        answers, info = self.plugin.predict(shared, train_x, train_y, queries, task)
        found = np.full(len(self.truth), labels.OUTSIDE, dtype=np.int32)
        found[self.asked] = answers
        return found, info

    def _metrics(self, found: np.ndarray) -> tuple[dict[str, float], dict[str, str]]:
        test, validation = self.rows["test"], self.rows["validation"]
        values = supervised.scores(self.truth[test], found[test])
        values["val_accuracy"] = supervised.accuracy(self.truth[validation], found[validation])
        reasons = {"val_accuracy": "there are no validation rows"}
        return values, {
            name: reasons.get(name, "there are no test rows") for name, value in values.items() if np.isnan(value)
        }


def _task(member: Member) -> classifiers.Task:
    return classifiers.Task(plugins.params("classifier", member.config["classifier"]), member.config.get("seed"))
