"""The classification stage: fits on the training rows, and their predictions for the other rows.

If a classifier provides them, its `probabilities` or `decision` scores (n, classes) float32 are stored too: rows in the
order of the dataset, NaN for training rows, and one column for each class of the dataset. A class without training rows
has probability 0, and decision scores of NaN. `stages.scores` computes the metrics. A member's `seconds` are those of
its fit and an equal share of the work that members share. A classifier that chooses by the validation rows is told
their classes (`classifiers.Selecting`).

With `shots`, a member learns from so many training images of each class (`datasets._shots`). Those that are not drawn
are training rows still: nothing is predicted for them. Validation rows may choose then, and are not learnt from.

A classifier that is `Worded` learns from no rows. What stands for the classes, by the text tower of the backbone of the
features, is stored as `words` (classes, d).
"""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from backbench import classifiers, hashing, plugins, threads
from backbench.backbones import _contract, _texts
from backbench.datasets import _shots
from backbench.metrics import labels, near
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _extraction, _shard

SHOTS = "shots"
Draw = tuple[int | None, int | None]


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Predictions (n,) int32 of each member, -2 for training rows, and its scores if it has any."""
    done = 0
    x, splits = _shard.matrix(inputs), _shard.Splits(inputs)
    for (name, _), group in _shard.families(members, _family):
        try:
            _shard.refuse_non_finite(x)
            family = _Family(name, x, inputs, splits.of(group[0].config))
        except Exception as error:  # affects every member of the family, and no other
            yield from (_shard.failure(member, error, where=_shard.representation(inputs)) for member in group)
            continue
        for outcome in family.outcomes(group, context):
            done += 1
            yield outcome
            context.progress(done, len(members))


def _family(member: Member) -> tuple[str, str]:
    """Members of one classifier and one split share their work."""
    return member.config["classifier"]["name"], _shard.division(member.config)


class _Family:
    """Members of one classifier, and the rows that they share."""

    def __init__(self, name: str, x: np.ndarray, inputs: Inputs, split: np.ndarray):
        """The members work on the rows of `x` (n, d), which `split` (n,) divides."""
        self.plugin = classifiers.load(name)
        truth = _shard.truth(inputs)
        if truth is None:
            raise ValueError("the dataset has no labels to learn from")
        rows = {part: np.flatnonzero(split == code) for part, code in _shard.PARTS.items()}
        if not len(rows["train"]):
            raise ValueError("there are no training rows")
        self.x, self.truth, self.train, self.graphs = x, truth, rows["train"], _shard.graphs(inputs)
        self.where, self.names = _shard.representation(inputs), inputs.info("dataset")["classes"]
        self.classes, self.towers = len(self.names), threads.Once()
        self.worded = isinstance(self.plugin, classifiers.Worded)
        self.asked = np.concatenate([rows["validation"], rows["test"]])
        self.queries, self.held_y = x[self.asked], truth[rows["validation"]]

    def outcomes(self, members: Sequence[Member], context: Context) -> Iterator[Outcome]:
        tasks: dict[str, classifiers.Task] = {}
        for member in members:
            try:
                tasks[member.hash] = _task(member)
            except Exception as error:  # an error of a member is its result
                yield _shard.failure(member, error, where=self.where)
        sound = [member for member in members if member.hash in tasks]
        with _shard.computing(context):
            fits: list[tuple[_Lesson, Member]] = []
            for draw, group in _shard.families(sound, _draw):
                try:
                    lesson = self._lesson(draw, [tasks[member.hash] for member in group])
                except Exception as error:  # what all members of a draw need failed, so all of these fail
                    yield from (_shard.failure(member, error, where=self.where) for member in group)
                else:
                    fits += [(lesson, member) for member in group]
                # What a plugin prepared for a draw is held while its fits wait: of no more than are fitted at once.
                if len(fits) >= context.threads:
                    yield from threads.as_done(lambda fit: self._outcome(*fit, tasks[fit[1].hash]), fits)
                    fits = []
            yield from threads.as_done(lambda fit: self._outcome(*fit, tasks[fit[1].hash]), fits)

    def _lesson(self, draw: Draw, tasks: Sequence[classifiers.Task]) -> "_Lesson":
        """What the members of a draw learn from, and what the plugin prepares for them."""
        began = time.perf_counter()
        rows = _shots.drawn(self.train, self.truth, *draw)
        x, y = self.x[rows], self.truth[rows]
        nearby = near.among(self.x, self.asked, rows, self.graphs)
        shared = self.plugin.prepare(x, y, self.queries, tasks, nearby)
        trained = np.arange(self.classes) if self.worded else np.unique(y)
        return _Lesson(x, y, trained, shared, (time.perf_counter() - began) / len(tasks))

    def _outcome(self, lesson: "_Lesson", member: Member, task: classifiers.Task) -> Outcome:
        began = time.perf_counter()
        try:
            if self.worded:
                task = dataclasses.replace(task, words=self._words(member, task))
            predicted = self._predict(lesson, task)
        except Exception as error:  # an error of a member is its result and does not affect the others
            return _shard.failure(member, error, time.perf_counter() - began, self.where)
        arrays = {"predictions": np.full(len(self.x), labels.OUTSIDE, dtype=np.int32)}
        arrays["predictions"][self.asked] = predicted.classes
        if predicted.probabilities is not None:
            arrays["probabilities"] = self._whole(predicted.probabilities, lesson.trained, 0.0)
        if predicted.decision is not None:
            arrays["decision"] = self._whole(predicted.decision, lesson.trained, np.nan)
        if task.words is not None:
            arrays["words"] = task.words
        few = {"training_rows": len(lesson.x)} if SHOTS in member.config else {}
        info = {**predicted.info, **few, "label_digest": labels.named_digest(arrays["predictions"])}
        return Outcome(member.hash, info=info, arrays=arrays, seconds=time.perf_counter() - began + lesson.seconds)

    def _predict(self, lesson: "_Lesson", task: classifiers.Task) -> classifiers.Prediction:
        n, d = lesson.x.shape
        problems = self.plugin.problems(task.params, n, d, len(lesson.trained))
        if problems:
            raise ValueError("; ".join(problems))
        if isinstance(self.plugin, classifiers.Selecting) and len(self.held_y):
            return self.plugin.select(lesson.shared, lesson.x, lesson.y, self.queries, self.held_y, task)
        return self.plugin.predict(lesson.shared, lesson.x, lesson.y, self.queries, task)

    def _words(self, member: Member, task: classifiers.Task) -> np.ndarray:
        """What stands for the classes, (classes, d) float32; a text tower is opened once."""
        about = member.config["backbone"]

        def tower() -> _texts.Encoder:
            return _texts.encoder(about["name"], _extraction.parameters(_contract.load(about["name"]), about))

        texts = self.towers.get(hashing.digest(about), tower)
        return cast(classifiers.Worded, self.plugin).words(task.params, self.names, texts)

    def _whole(self, scores: np.ndarray, trained: np.ndarray, untrained: float) -> np.ndarray:
        """Scores (n, classes) float32 of all rows and classes, from those (queries, trained classes) of the queries."""
        whole = np.full((len(self.x), self.classes), np.nan, dtype=np.float32)
        whole[self.asked] = untrained
        whole[np.ix_(self.asked, trained)] = scores
        return whole


@dataclass(frozen=True)
class _Lesson:
    """Training rows `x` (m, d) and `y` (m,) with the classes `trained` (t,) among them, what the plugin prepared for
    the members that learn from these, and the seconds of each member's share in that."""

    x: np.ndarray
    y: np.ndarray
    trained: np.ndarray
    shared: Any
    seconds: float


def _draw(member: Member) -> Draw:
    """The images of each class that a member learns from, and the number of their draw; None for all images."""
    return member.config.get(SHOTS), member.config.get("draw")


def _task(member: Member) -> classifiers.Task:
    return classifiers.Task(
        plugins.params("classifier", member.config["classifier"]), member.config.get("seed"), SHOTS not in member.config
    )
