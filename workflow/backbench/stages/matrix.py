"""The matrix stage: a chain of transforms, each fitted on the fit rows of the previous one's output.

Chains of a job that begin with the same steps share them. A member's `seconds` include the steps that it was the first
to ask for.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backbench import hashing, plugins, threads, transforms
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _shard


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """The float32 array `matrix` (n, d') of each member."""
    features = inputs.array("features", "features")
    chains = _Chains(features, _fit_rows(features, inputs, members), members)
    with _shard.computing(context):
        for done, member in enumerate(members):
            yield _outcome(chains, member)
            context.progress(done + 1, len(members))


def _fit_rows(features: np.ndarray, inputs: Inputs, members: Sequence[Member]) -> dict[str, np.ndarray]:
    """The numbers (m,) of the rows of `features` (n, d) that the members are fitted on, by `_scope`."""
    fit_rows, splits = {"all": np.arange(len(features))}, _shard.Splits(inputs)
    for member in members:
        if member.config["fit"] == "train" and _scope(member) not in fit_rows:
            fit_rows[_scope(member)] = np.flatnonzero(splits.of(member.config) == _shard.TRAIN)
    return fit_rows


def _scope(member: Member) -> str:
    """What the rows that a member is fitted on are called: ``all``, or ``train`` with the split that they are of."""
    config = member.config
    return str(config["fit"]) + (f" {_shard.division(config)}" if "split" in config else "")


def _outcome(chains: "_Chains", member: Member) -> Outcome:
    began = time.perf_counter()
    try:
        matrix = chains.apply(member.config["steps"], _scope(member))
        _shard.refuse_non_finite(matrix)
    except Exception as error:  # an error of a member is its result and does not affect the others
        return _shard.failure(member, error, time.perf_counter() - began)
    labels = [_label(step) for step in member.config["steps"]]
    info = {"n": len(matrix), "d": matrix.shape[1], "steps": labels}
    return Outcome(member.hash, info=info, arrays={"matrix": matrix}, seconds=time.perf_counter() - began)


class _Chains:
    """Outputs of chains of transforms; those that several members begin with are cached."""

    def __init__(self, features: np.ndarray, fit_rows: Mapping[str, np.ndarray], members: Sequence[Member]):
        """Of chains on `features` (n, d); `fit_rows` are row numbers (m,) by the name of the fit scope."""
        self._features, self._fit_rows = features, fit_rows
        self._shared = threads.Once()
        self._asked = Counter(key for member in members for key in _prefixes(member.config["steps"], _scope(member)))

    def apply(self, steps: Sequence[Mapping[str, Any]], fit: str) -> np.ndarray:
        """The output (n, d') of a chain; that of an empty chain is the features."""
        if not steps:
            return self._features
        key = _key(steps, fit)
        if self._asked[key] > 1:
            shared: np.ndarray = self._shared.get(key, lambda: self._step(steps, fit))
            return shared
        return self._step(steps, fit)

    def _step(self, steps: Sequence[Mapping[str, Any]], fit: str) -> np.ndarray:
        """The output (n, d') of the last step on that of the steps before it."""
        rows = self.apply(steps[:-1], fit)
        _shard.refuse_non_finite(rows)
        plugin = transforms.load(steps[-1]["name"])
        fitted = rows if fit == "all" else rows[self._fit_rows[fit]]
        if plugin.FITTED and not len(fitted):
            raise ValueError(f"{steps[-1]['name']} has no {fit.partition(' ')[0]} rows to fit on")
        return plugin.fit_transform(plugins.params("transform", steps[-1]), fitted, rows)


def _prefixes(steps: Sequence[Mapping[str, Any]], fit: str) -> Iterator[str]:
    return (_key(steps[:stop], fit) for stop in range(1, len(steps) + 1))


def _key(steps: Sequence[Mapping[str, Any]], fit: str) -> str:
    return hashing.canonical_json({"steps": list(steps), "fit": fit})


def _label(step: Mapping[str, Any]) -> str:
    return transforms.load(step["name"]).label(plugins.params("transform", step))
