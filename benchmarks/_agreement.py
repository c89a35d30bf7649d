"""Whether two sides that computed the same grid came to the same labels and metrics, in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import _features
import _loops
import _measure
import numpy as np

from backbench.metrics import labels

METRICS_AGREE = 1e-6
# Labelings whose metrics are computed again where the labels, or the sums in float32, differ.
CHECKED = 2


def told(kind: str, data: _features.Data, loops: _measure.Measured, engine: _measure.Measured, folder: Path) -> str:
    """How far the two sides agree; nothing of it is timed."""
    if loops.failure or engine.failure or engine.value["failed"]:
        return "not compared: one of the sides failed"
    ours, theirs = engine.value["metrics"], loops.value["metrics"]
    if kind == "retrieval":
        return _metrics(range(len(ours)), ours, theirs)
    own, other = np.load(folder / "engine.npy"), np.load(folder / "loops.npy")
    same = _clusterings if kind == "clustering" else _classifications
    return same(data, own, other, ours, theirs)


def _classifications(data: _features.Data, own: np.ndarray, other: np.ndarray, ours: Sequence, theirs: Sequence) -> str:
    share = (own == other).mean(axis=1)
    equal = np.flatnonzero(share == 1.0)
    words = f"predictions equal in {len(equal)} of {len(own)} members"
    if len(equal) < len(own):
        gap = max(abs(a["accuracy"] - b["accuracy"]) for a, b in zip(ours, theirs, strict=True))
        words += f" (elsewhere at least {100 * share.min():.2f} % of the rows, accuracy within {gap:.1e})"
    return f"{words}; {_metrics(equal, ours, theirs)}"


def _clusterings(data: _features.Data, own: np.ndarray, other: np.ndarray, ours: Sequence, theirs: Sequence) -> str:
    equal = [i for i in range(len(own)) if np.array_equal(labels.canonical(own[i]), labels.canonical(other[i]))]
    words = [f"labels equal in {len(equal)} of {len(own)} members"]
    rest = [i for i in range(len(own)) if i not in equal]
    if rest:
        words.append(_different(data.x, own, other, rest))
    words.append(_metrics(equal, ours, theirs))
    doubtful = rest[:CHECKED] + [i for i in equal if not _close(_gaps([i], ours, theirs))][:CHECKED]
    if doubtful:
        exact = data.x.astype(np.float64)
        again = {i: _loops.scored(exact, data.truth, own[i]) for i in doubtful}
        gaps = _gaps(doubtful, ours, again)
        words.append(f"scikit-learn in float64 on the engine's labels of {len(doubtful)} of them: {_shown(gaps)}")
    return "; ".join(words)


def _different(x: np.ndarray, own: np.ndarray, other: np.ndarray, rest: Sequence[int]) -> str:
    from sklearn.metrics import adjusted_rand_score

    agreement = [adjusted_rand_score(other[i], own[i]) for i in rest]
    spread = [_within(x, own[i]) / max(_within(x, other[i]), 1e-300) for i in rest]
    rows = max(int(_moved(own[i], other[i])) for i in rest)
    return (
        f"elsewhere ARI between the sides {min(agreement):.6f} to {max(agreement):.6f}, at most {rows} rows moved, "
        f"WCSS {min(spread):.6f} to {max(spread):.6f} times scikit-learn's"
    )


def _moved(own: np.ndarray, other: np.ndarray) -> int:
    """Rows that the best match of the clusters of both leaves over."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(own, other)
    return len(own) - table[linear_sum_assignment(table, maximize=True)].sum()


def _within(x: np.ndarray, found: np.ndarray) -> float:
    """Sum of squared distances to the centroids, noise left out."""
    parts = (x[found == label].astype(np.float64) for label in np.unique(found[found >= 0]))
    return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts))


def _gaps(which: Sequence[int], ours: Sequence[Mapping], theirs: Sequence[Mapping] | Mapping) -> dict[str, float]:
    """Largest difference of each metric, relative to the larger of 1 and its size."""
    found: dict[str, float] = {}
    for i in which:
        for name, value in theirs[i].items():
            gap = abs(ours[i][name] - value) / max(1.0, abs(value))
            found[name] = max(found.get(name, 0.0), float(np.nan_to_num(gap, nan=np.inf)))
    return found


def _close(gaps: Mapping[str, float]) -> bool:
    return all(gap <= METRICS_AGREE for gap in gaps.values())


def _metrics(which: Sequence[int], ours: Sequence[Mapping], theirs: Sequence[Mapping]) -> str:
    gaps = _gaps(which, ours, theirs)
    return f"their metrics: {_shown(gaps)}" if gaps else "no metrics to compare"


def _shown(gaps: Mapping[str, float]) -> str:
    if _close(gaps):
        return f"within {max(gaps.values()):.0e}"
    far = {name: gap for name, gap in gaps.items() if gap > METRICS_AGREE}
    return "they differ by " + ", ".join(f"{name} {gap:.0e}" for name, gap in far.items())
