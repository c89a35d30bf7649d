"""The clustering stage: fits. `stages.scores` computes the metrics of the labelings.

Scopes: `all` fits all rows; `train` the training rows alone; `per_split` fits training, validation and test rows
separately: it reports what the clusterer returns for the test rows, and `info["parts"]` holds that of each split. Rows
out of scope have label -2, noise -1. A metric that only the fit knows (`bic`) is a metric of its record. A member whose
config holds `bootstraps` is fitted again on that many samples of the reported rows; its metric `stability` is the
agreement of these fits, and its array `refits` (samples, n) holds their labels, -2 for rows that were not drawn. A
member's `seconds` are those of its fit and an equal share of the work that members share.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench import clusterers, plugins, threads
from backbench.metrics import labels, near
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _shard, _stability

FROM_INFO = ("bic",)


@dataclass(frozen=True)
class _Part:
    """The numbers `rows` (m,) of rows that are clustered together, and their values `x` (m, d)."""

    name: str
    rows: np.ndarray
    x: np.ndarray
    near: near.Near


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Labels (n,) int32 of each member."""
    x, splits, graphs = _shard.matrix(inputs), _shard.Splits(inputs), _shard.graphs(inputs)
    done, where = 0, _shard.representation(inputs)
    for (name, scope, _), group in _shard.families(members, _shared):
        try:
            _shard.refuse_non_finite(x)
            split = splits.of(group[0].config)
            parts = _parts(scope, x, split, graphs)
            family = _Family(clusterers.load(name), parts, scope, len(x), where, _shard.groups(inputs))
        except Exception as error:  # affects every member of the family, and no other
            yield from (_shard.failure(member, error, where=where) for member in group)
            continue
        for outcome in family.outcomes(group, context):
            done += 1
            yield outcome
            context.progress(done, len(members))


def _shared(member: Member) -> tuple[str, str, str]:
    """Members of one clusterer on the same rows share their work."""
    return member.config["clusterer"]["name"], member.config["scope"], _shard.division(member.config)


def _parts(scope: str, x: np.ndarray, split: np.ndarray, graphs: Mapping[str, near.Graph]) -> list[_Part]:
    """The rows of `x` (n, d) that are clustered together, by `scope` and `split` (n,)."""
    if scope == "all":
        return [_Part("all", np.arange(len(x)), x, near.Near(x, stored=graphs))]
    parts = _shard.scoped(scope, split).items()
    return [_Part(name, rows, x[rows], near.among(x, rows, rows, graphs)) for name, rows in parts]


class _Family:
    """Members of one clusterer and scope."""

    def __init__(
        self,
        plugin: clusterers.Clusterer,
        parts: list[_Part],
        scope: str,
        n: int,
        where: str,
        groups: np.ndarray | None = None,
    ):
        """The members work on the rows of `parts`, of n rows in `groups` (n,), if there are any."""
        self.plugin, self.parts, self.scope, self.n, self.where = plugin, parts, scope, n, where
        self.groups = groups
        self.steady: dict[str, _stability.Steady] = {}

    def outcomes(self, members: Sequence[Member], context: Context) -> Iterator[Outcome]:
        tasks: dict[str, clusterers.Task] = {}
        for member in members:
            try:
                tasks[member.hash] = _task(member)
            except Exception as error:  # an error of a member is its result
                yield _shard.failure(member, error, where=self.where)
        # The most clusters first: they take the longest, and the others fill what is left of the last threads.
        sound = sorted((m for m in members if m.hash in tasks), key=lambda m: tasks[m.hash].k or 0, reverse=True)
        with _shard.computing(context):
            began = time.perf_counter()
            try:
                shared = [self.plugin.prepare(part.x, list(tasks.values()), part.near) for part in self.parts]
            except Exception as error:  # what all members need failed, so all fail
                yield from (_shard.failure(member, error, where=self.where) for member in sound)
                return
            self.steady = self._stability(sound, tasks)
            share = (time.perf_counter() - began) / max(len(sound), 1)
            yield from threads.as_done(lambda member: self._fit(shared, member, tasks[member.hash], share), sound)

    def _stability(
        self, members: Sequence[Member], tasks: Mapping[str, clusterers.Task]
    ) -> dict[str, _stability.Steady]:
        """The stability of each member that asks for it; members that ask for equally many samples share them."""
        asked: dict[tuple[int, float | None], list[str]] = {}
        for member in members:
            if samples := member.config.get("bootstraps", 0):
                asked.setdefault((samples, member.config.get("sample_share")), []).append(member.hash)
        part = next((part for part in self.parts if part.name == _shard.REPORTED[self.scope]), None)
        if part is None:
            none = _stability.Steady(float("nan"), _shard.NO_TEST_ROWS)
            return {key: none for keys in asked.values() for key in keys}
        steady: dict[str, _stability.Steady] = {}
        for (samples, share), keys in asked.items():
            asking, groups = {key: tasks[key] for key in keys}, None if self.groups is None else self.groups[part.rows]
            steady |= _stability.scores(self.plugin, part.x, asking, samples, share, groups)
        return steady

    def _fit(self, shared: list[Any], member: Member, task: clusterers.Task, share: float) -> Outcome:
        began = time.perf_counter()
        full, infos = np.full(self.n, labels.OUTSIDE, dtype=np.int32), {}
        try:
            for prepared, part in zip(shared, self.parts, strict=True):
                full[part.rows], infos[part.name] = self._fit_part(prepared, part, task)
        except Exception as error:  # an error of a member is its result and does not affect the others
            return _shard.failure(member, error, time.perf_counter() - began, self.where)
        info = {**infos.get(_shard.REPORTED[self.scope], {}), "label_digest": labels.digest(full), "scope": self.scope}
        if self.scope == "per_split":
            info["parts"] = infos
        metrics, notes = self._metrics(member.hash, infos)
        arrays = {"labels": full, **self._refits(member.hash)}
        return Outcome(member.hash, metrics, notes, info, arrays, time.perf_counter() - began + share)

    def _refits(self, member: str) -> dict[str, np.ndarray]:
        """Labels (samples, n) of the refits of a member, where there are any."""
        refits = self.steady[member].refits if member in self.steady else None
        if refits is None:
            return {}
        rows = next(part.rows for part in self.parts if part.name == _shard.REPORTED[self.scope])
        full = np.full((len(refits), self.n), labels.OUTSIDE, dtype=refits.dtype)
        full[:, rows] = refits
        return {"refits": full}

    def _fit_part(self, shared: Any, part: _Part, task: clusterers.Task) -> tuple[np.ndarray, dict[str, Any]]:
        """Labels (m,) of the rows of a part, and what else the clusterer returns."""
        problems = self.plugin.problems(task.params, len(part.x), part.x.shape[1], task.k)
        if problems:
            raise ValueError(f"{part.name} rows: {'; '.join(problems)}")
        labeling, info = self.plugin.fit(shared, part.x, task)
        return labels.canonical(labeling), info

    def _metrics(self, member: str, infos: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, str]]:
        """Metrics that cannot be computed from the labels, and the reasons for those that are NaN."""
        values: dict[str, float] = {}
        notes: dict[str, str] = {}
        reported = infos.get(_shard.REPORTED[self.scope])
        for name in FROM_INFO:
            if reported is not None and name in reported:
                values[name] = float(reported[name])
            elif reported is None and any(name in info for info in infos.values()):
                values[name], notes[name] = float("nan"), _shard.NO_TEST_ROWS
        if member in self.steady:
            steady = self.steady[member]
            values[_stability.METRIC] = steady.value
            notes |= {_stability.METRIC: steady.reason} if steady.reason else {}
        return values, notes


def _task(member: Member) -> clusterers.Task:
    params = plugins.params("clusterer", member.config["clusterer"])
    return clusterers.Task(params, member.config.get("k"), member.config.get("seed"))
