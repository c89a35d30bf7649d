"""Scores of clusterings: the labelings of a matrix share passes over the distances.

The metrics of a clustering of scope `per_split` are those of the test rows; `info["parts"]` holds those of each split.
Rows out of scope and noise have no silhouette width. A clustering with fewer clusters than its k has a note.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from backbench import transforms
from backbench.metrics import coding, external, generalising, internal, labels
from backbench.stage import Inputs, Outcome
from backbench.stages import _shard
from backbench.stages.scores import Fit


def scores(fits: Sequence[Fit], inputs: Inputs) -> Iterator[Outcome]:
    """Internal metrics of each fit, and external ones if the dataset is labelled.

    A fit whose config holds `silhouette_rows` has its silhouette estimated on that many rows (`internal.scores`); the
    others have the width of each row as the array `silhouettes` (n,) float32, if the reported rows have any.
    """
    x, truth, splits = _shard.matrix(inputs), _shard.compared(inputs), _shard.Splits(inputs)
    apart = _apart(inputs)
    for (scope, drawn, _), alike in _shard.families(fits, _pass):
        began = time.perf_counter()
        parts = _shard.scoped(scope, splits.of(alike[0].config))
        columns = {name: _part(x, truth, rows, alike, drawn, apart) for name, rows in parts.items()}
        share = (time.perf_counter() - began) / len(alike)
        for place, fit in enumerate(alike):
            by_part = {name: column[place] for name, column in columns.items()}
            yield _outcome(fit, parts, by_part, (len(x),), share)


def _pass(fit: Fit) -> tuple[str, int | None, str]:
    """Fits of the same scope, split and silhouette share a pass."""
    return fit.config["scope"], fit.config.get("silhouette_rows"), _shard.division(fit.config)


def _part(
    x: np.ndarray,
    truth: np.ndarray | None,
    rows: np.ndarray,
    fits: Sequence[Fit],
    drawn: int | None,
    apart: Sequence[int],
) -> list[internal.Scores]:
    """Scores of each fit on the rows of `x` (n, d) with the numbers `rows` (m,); `truth` is (n,).

    `apart` are the widths of representations side by side in the columns of `x`.
    """
    whole = len(rows) == len(x)
    labelings = [fit.array if whole else fit.array[rows] for fit in fits]
    inner = _linear(
        internal.scores(x if whole else x[rows], labelings, drawn), x if whole else x[rows], labelings, apart
    )
    if truth is None:
        return inner
    return [_joined(scores, truth[rows], labeling) for scores, labeling in zip(inner, labelings, strict=True)]


def _apart(inputs: Inputs) -> list[int]:
    """Widths of the representations side by side in the matrix; empty for one, or where its chain mixes them."""
    record = inputs.store.read(*inputs.refs["matrix"]) or {}
    if inputs.refs["matrix"][0] == "matrix":
        steps = record.get("config", {}).get("steps", ())
        if {step["name"] for step in steps} - transforms.APART:
            return []
        features = record.get("parents", {}).get("features")
        record = (inputs.store.read(*features) if features else None) or {}
    return list(record.get("info", {}).get("parts", ()))


def _linear(
    inner: Sequence[internal.Scores], x: np.ndarray, labelings: Sequence[np.ndarray], apart: Sequence[int]
) -> list[internal.Scores]:
    """The internal metrics of labelings (m,) of rows (m, d), and what linear models say of them.

    How far classifiers generalise is the mean over representations of the widths `apart`, if there are several.
    """
    reasons = [internal.undefined(labels.canonical(labeling)) for labeling in labelings]
    several = [labeling for labeling, reason in zip(labelings, reasons, strict=True) if reason is None]
    clustered = [labeling for labeling in labelings if (labeling >= 0).any()]
    general, lengths = generalising.scores(x, several, apart), coding.scores(x, clustered)
    kappas, bits = iter(general[0]), iter(lengths[0])
    joined = []
    for scores, labeling, reason in zip(inner, labelings, reasons, strict=True):
        kappa = next(kappas) if reason is None else float("nan")
        length = next(bits) if (labeling >= 0).any() else float("nan")
        values = {generalising.NAME: kappa, coding.NAME: length}
        why = {generalising.NAME: reason or general[1], coding.NAME: lengths[1] or reason or ""}
        notes = {name: why[name] for name, value in values.items() if np.isnan(value)}
        joined.append(internal.Scores({**scores.values, **values}, {**scores.notes, **notes}, scores.widths))
    return joined


def _joined(inner: internal.Scores, truth: np.ndarray, labeling: np.ndarray) -> internal.Scores:
    """Internal metrics, and those of `labeling` (m,) against the classes `truth` (m,)."""
    values, notes = external.scores(truth, labeling)
    return internal.Scores({**inner.values, **values}, {**inner.notes, **notes}, inner.widths)


def _outcome(
    fit: Fit,
    parts: Mapping[str, np.ndarray],
    by_part: Mapping[str, internal.Scores],
    shape: tuple[int, ...],
    seconds: float,
) -> Outcome:
    """The outcome of a fit; `parts` holds row numbers (m,) by the name of the split or scope, `shape` is (n,)."""
    scope = fit.config["scope"]
    reported = by_part.get(_shard.REPORTED[scope]) or _undefined(next(iter(by_part.values())))
    apart = {name: _shard.plain(part.values) for name, part in by_part.items()}
    arrays = {}
    if reported.widths is not None:
        arrays["silhouettes"] = np.full(shape, np.nan, dtype=np.float32)
        for name, rows in parts.items():
            widths = by_part[name].widths
            if widths is not None:
                arrays["silhouettes"][rows] = widths
    info = {"parts": apart} if scope == "per_split" else {}
    notes = reported.notes | _fewer(fit.config.get("k"), reported.values["clusters"])
    return Outcome(fit.hash, reported.values, notes, info, arrays, seconds)


def _fewer(k: int | None, clusters: float) -> dict[str, str]:
    """The note on a clustering with fewer clusters than were requested; empty where there is nothing to note."""
    if k is None or not clusters < k:
        return {}
    return {"clusters": f"{clusters:.0f} distinct clusters of k = {k} requested: some stayed without rows"}


def _undefined(some: internal.Scores) -> internal.Scores:
    names = list(some.values)
    return internal.Scores(dict.fromkeys(names, float("nan")), dict.fromkeys(names, _shard.NO_TEST_ROWS))
