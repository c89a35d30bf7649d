"""The clustering stage: fits, and the scores of all labelings of a shard in shared passes over the distances.

Scopes: `all` fits and scores all rows; `train` the training rows alone; `per_split` fits training, validation and test
rows apart, its metrics are those of the test rows and `info["parts"]` holds those of each part. Rows out of scope have
label -2, noise -1, and neither has a silhouette width. A member whose config holds `bootstraps` is fitted again on so
many samples of the reported rows; its metric `stability` says how far these fits agree. A member's `seconds` are its
own fit and an equal share of what the shard shares.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from backbench import clusterers, plugins, threads
from backbench.metrics import external, internal, labels, near
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _shard, _stability

# Fits that a kill may cost, and how many times as long they take as the pass over the distances that scores them.
SCORE_AFTER_SECONDS = 30.0
FIT_TO_SCORE = 8.0
FROM_INFO = ("bic",)
REPORTED = {"all": "all", "train": "train", "per_split": "test"}


@dataclass(frozen=True)
class _Part:
    """Rows that are clustered together."""

    name: str
    rows: np.ndarray
    x: np.ndarray
    truth: np.ndarray | None
    near: near.Near


@dataclass(frozen=True)
class _Fitted:
    """The labels of a member and what its plugin says of them, part by part."""

    member: Member
    labels: tuple[np.ndarray, ...]
    infos: tuple[dict[str, Any], ...]
    seconds: float


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Labels (n,) int32, internal metrics, and external ones where the dataset is labelled, of each member.

    A member whose config holds `silhouette_rows` has its silhouette estimated on so many rows (`internal.scores`); the
    others have the width of each row as the array `silhouettes` (n,) float32, where the reported part has any.
    """
    x, truth = _shard.matrix(inputs), _shard.compared(inputs)
    split, graphs = inputs.array("dataset", "split"), _shard.graphs(inputs)
    done, where = 0, _shard.representation(inputs)
    for (name, scope), group in _shard.families(members, lambda m: (m.config["clusterer"]["name"], m.config["scope"])):
        try:
            _shard.refuse_non_finite(x)
            family = _Family(
                plugins.load("clusterer", name), _parts(scope, x, truth, split, graphs), scope, len(x), where
            )
        except Exception as error:  # the fault of every member of the family, and of no other
            yield from (_shard.failure(member, error, where=where) for member in group)
            continue
        for outcome in family.outcomes(group, context):
            done += 1
            yield outcome
            context.progress(done, len(members))


def _parts(
    scope: str, x: np.ndarray, truth: np.ndarray | None, split: np.ndarray, graphs: Mapping[str, near.Graph]
) -> list[_Part]:
    if scope == "all":
        return [_Part("all", np.arange(len(x)), x, truth, near.Near(x, stored=graphs))]
    wanted = ("train",) if scope == "train" else tuple(_shard.PARTS)
    rows = {name: np.flatnonzero(split == _shard.PARTS[name]) for name in wanted}
    found = [
        _Part(name, own, x[own], None if truth is None else truth[own], near.among(x, own, own, graphs))
        for name, own in rows.items()
        if len(own)
    ]
    if not found:
        raise ValueError(f"scope {scope}: the dataset has no such rows")
    return found


class _Family:
    """Members of one clusterer and scope."""

    def __init__(self, plugin: ModuleType, parts: list[_Part], scope: str, n: int, where: str):
        self.plugin, self.parts, self.scope, self.n, self.where = plugin, parts, scope, n, where
        self.steady: dict[str, _stability.Steady] = {}

    def outcomes(self, members: Sequence[Member], context: Context) -> Iterator[Outcome]:
        tasks: dict[str, clusterers.Task] = {}
        for member in members:
            try:
                tasks[member.hash] = _task(member)
            except Exception as error:  # a member's fault is its result
                yield _shard.failure(member, error, where=self.where)
        sound = [member for member in members if member.hash in tasks]
        with _shard.computing(context):
            began = time.perf_counter()
            try:
                shared = [self.plugin.prepare(part.x, list(tasks.values()), part.near) for part in self.parts]
            except Exception as error:  # what all need failed, so all do
                yield from (_shard.failure(member, error, where=self.where) for member in sound)
                return
            self.steady = self._stability(sound, tasks)
            share = (time.perf_counter() - began) / max(len(sound), 1)
            fits = threads.as_done(lambda member: self._fit(shared, member, tasks[member.hash], share), sound)
            yield from self._scored(fits)

    def _stability(
        self, members: Sequence[Member], tasks: Mapping[str, clusterers.Task]
    ) -> dict[str, _stability.Steady]:
        """How steady each member is that asks for it; members that ask for as many samples share them."""
        asked: dict[int, list[str]] = {}
        for member in members:
            asked.setdefault(member.config.get("bootstraps", 0), []).append(member.hash)
        asked.pop(0, None)
        part = next((part for part in self.parts if part.name == REPORTED[self.scope]), None)
        if part is None:
            return {key: (float("nan"), "there are no test rows") for keys in asked.values() for key in keys}
        found: dict[str, _stability.Steady] = {}
        for samples, keys in asked.items():
            found |= _stability.scores(self.plugin, part.x, {key: tasks[key] for key in keys}, samples)
        return found

    def _fit(self, shared: list[Any], member: Member, task: clusterers.Task, share: float) -> _Fitted | Outcome:
        began = time.perf_counter()
        try:
            pairs = [self._fit_part(own, part, task) for own, part in zip(shared, self.parts, strict=True)]
        except Exception as error:  # a member's fault is its result and leaves the others alone
            return _shard.failure(member, error, time.perf_counter() - began, self.where)
        found, infos = zip(*pairs, strict=True)
        return _Fitted(member, found, infos, time.perf_counter() - began + share)

    def _fit_part(self, shared: Any, part: _Part, task: clusterers.Task) -> tuple[np.ndarray, dict[str, Any]]:
        problems = self.plugin.problems(task.params, *part.x.shape, task.k)
        if problems:
            raise ValueError(f"{part.name} rows: {'; '.join(problems)}")
        found, info = self.plugin.fit(shared, part.x, task)
        return labels.canonical(found), info

    def _scored(self, fits: Iterable[_Fitted | Outcome]) -> Iterator[Outcome]:
        """Score in batches, so that members are done soon and yet share the passes over the distances."""
        batch: list[_Fitted] = []
        since, cost = time.perf_counter(), 0.0
        for fitted in fits:
            if isinstance(fitted, Outcome):
                yield fitted
                continue
            batch.append(fitted)
            began = time.perf_counter()
            if began - since > max(SCORE_AFTER_SECONDS, FIT_TO_SCORE * cost):
                yield from self._score(batch)
                batch, since = [], time.perf_counter()
                cost = since - began
        yield from self._score(batch)

    def _score(self, batch: list[_Fitted]) -> Iterator[Outcome]:
        if not batch:
            return
        began = time.perf_counter()
        try:
            scores = self._scores(batch)
        except Exception as error:  # scored one by one, the member at fault is found
            if len(batch) == 1:
                yield _shard.failure(batch[0].member, error, batch[0].seconds, self.where)
                return
            for fitted in batch:
                yield from self._score([fitted])
            return
        share = (time.perf_counter() - began) / len(batch)
        for fitted, own in zip(batch, scores, strict=True):
            yield self._outcome(fitted, own, share)

    def _scores(self, batch: list[_Fitted]) -> list[list[internal.Scores]]:
        """Scores of each member, part by part."""
        columns = [self._part_scores(batch, i) for i in range(len(self.parts))]
        return [list(row) for row in zip(*columns, strict=True)]

    def _part_scores(self, batch: list[_Fitted], i: int) -> list[internal.Scores]:
        """Scores of each member on one part; those that ask for the same silhouette share a pass."""
        found: dict[str, internal.Scores] = {}
        asked = [fitted.member.config.get("silhouette_rows") for fitted in batch]
        for rows in dict.fromkeys(asked):
            group = [fitted for fitted, own in zip(batch, asked, strict=True) if own == rows]
            inner = internal.scores(self.parts[i].x, [fitted.labels[i] for fitted in group], rows)
            for fitted, own in zip(group, inner, strict=True):
                found[fitted.member.hash] = _joined(self.parts[i], fitted, i, own)
        return [found[fitted.member.hash] for fitted in batch]

    def _outcome(self, fitted: _Fitted, scores: list[internal.Scores], share: float) -> Outcome:
        names = [part.name for part in self.parts]
        full = np.full(self.n, labels.OUTSIDE, dtype=np.int32)
        for part, own in zip(self.parts, fitted.labels, strict=True):
            full[part.rows] = own
        parts = dict(zip(names, zip(scores, fitted.infos, strict=True), strict=True))
        reported, info = parts.get(REPORTED[self.scope], (_no_test_rows(scores[0]), {}))
        info = {**info, "label_digest": labels.digest(full), "scope": self.scope}
        if self.scope == "per_split":
            info["parts"] = {name: {**own, **_shard.plain(score.values)} for name, (score, own) in parts.items()}
        arrays = {"labels": full}
        if reported.widths is not None:
            arrays["silhouettes"] = self._widths(scores)
        values, notes = self._with_stability(fitted.member.hash, reported)
        return Outcome(fitted.member.hash, values, notes, info, arrays, fitted.seconds + share)

    def _with_stability(self, member: str, reported: internal.Scores) -> tuple[dict[str, float], dict[str, str]]:
        if member not in self.steady:
            return reported.values, reported.notes
        value, reason = self.steady[member]
        said = {_stability.METRIC: reason} if reason else {}
        return {**reported.values, _stability.METRIC: value}, {**reported.notes, **said}

    def _widths(self, scores: list[internal.Scores]) -> np.ndarray:
        """Silhouette width of each row among the rows that it was clustered with; NaN where it has none."""
        full = np.full(self.n, np.nan, dtype=np.float32)
        for part, own in zip(self.parts, scores, strict=True):
            if own.widths is not None:
                full[part.rows] = own.widths
        return full


def _task(member: Member) -> clusterers.Task:
    params = plugins.params("clusterer", member.config["clusterer"])
    return clusterers.Task(params, member.config.get("k"), member.config.get("seed"))


def _joined(part: _Part, fitted: _Fitted, i: int, inner: internal.Scores) -> internal.Scores:
    """Internal and external metrics, and what the clusterer says of itself that is a metric."""
    values, notes = dict(inner.values), dict(inner.notes)
    values |= {name: float(fitted.infos[i][name]) for name in FROM_INFO if name in fitted.infos[i]}
    if part.truth is not None:
        outer, reasons = external.scores(part.truth, fitted.labels[i])
        values, notes = values | outer, notes | reasons
    return internal.Scores(values, notes, inner.widths)


def _no_test_rows(some: internal.Scores) -> internal.Scores:
    return internal.Scores(
        dict.fromkeys(some.values, float("nan")), dict.fromkeys(some.values, "there are no test rows")
    )
