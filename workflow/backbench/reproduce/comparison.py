"""The values of a recorded run beside those of the same run computed again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbench import hashing
from backbench.engine.plan import frozen as plans
from backbench.engine.results.joined_run import Row
from backbench.engine.run import scored
from backbench.metrics import external, labels
from backbench.reproduce import environment
from backbench.reproduce.record import Recorded, label_digests
from backbench.store import Store, StoreError

if TYPE_CHECKING:
    import numpy as np

# As many differences of the environment stand in the verdict; all of them stand below it.
NAMED = 2


@dataclass(frozen=True)
class Line:
    """One compared value; `exact` says whether it is equal to the last bit, `agrees` whether it is near enough."""

    name: str
    recorded: str
    reproduced: str
    difference: str
    exact: bool
    agrees: bool


@dataclass(frozen=True)
class Comparison:
    """All compared values, by how much they may differ, and what of the environment is not as it was recorded."""

    lines: Sequence[Line]
    tolerance: float
    changes: Sequence[str] = ()

    @property
    def agrees(self) -> bool:
        return all(line.agrees for line in self.lines)

    @property
    def verdict(self) -> str:
        """``agrees: bit for bit``, ``agrees: same result within 1e-04 (another BLAS kernel: SkylakeX, recorded
        Haswell)``, ``DIFFERS: ...``."""
        if all(line.exact for line in self.lines):
            return "agrees: bit for bit"
        if not self.changes:
            return "DIFFERS: not bit for bit, although processor, BLAS kernel and versions are those recorded"
        more = f"; {len(self.changes) - NAMED} more below" if len(self.changes) > NAMED else ""
        cause = f"({'; '.join(self.changes[:NAMED])}{more})"
        if self.agrees:
            return f"agrees: same result within {self.tolerance:g} {cause}"
        return f"DIFFERS: by more than {self.tolerance:g} {cause}"


def compare(recorded: Recorded, fresh: Row, tolerance: float, stores: tuple[Store, Store]) -> Comparison:
    """Every metric and all labels of a run against what was recorded.

    With the processor, the BLAS kernel and the versions that were recorded they must be equal to the last bit.
    Elsewhere metrics may differ by `tolerance`, relative to the larger of 1 and their size, and so may the share of
    images whose label is another one. Where that cannot be counted, digests are shown only.

    Parameters
    ----------
    stores : where the labels were recorded, and where those of `fresh` are; opened only where digests differ
    """
    changes = environment.differences(recorded.environment, environment.of_row(fresh))
    allowed = tolerance if changes else 0.0
    lines = [_metric(name, value, fresh.metrics, allowed) for name, value in recorded.metrics.items()]
    now = label_digests(fresh)
    for kind, then in recorded.digests.items():
        share = None if then == now.get(kind) else _agreement(kind, recorded, fresh, stores)
        lines.append(_labels(kind, then, now.get(kind, "-"), share, allowed))
    return Comparison(lines, tolerance, changes)


def _metric(name: str, then: float, metrics: Mapping[str, float], tolerance: float) -> Line:
    now = metrics.get(name)
    if now is None:
        return Line(name, f"{then:.6g}", "absent", "", False, False)
    if math.isnan(then) or math.isnan(now):
        same = math.isnan(then) and math.isnan(now)
        return Line(name, f"{then:.6g}", f"{now:.6g}", "", same, same)
    gap = abs(now - then)
    near = gap <= tolerance * max(1.0, abs(then))
    return Line(name, f"{then:.6g}", f"{now:.6g}", f"{gap:.2g}", gap == 0.0, near)


def _labels(kind: str, then: str, now: str, share: float | None, tolerance: float) -> Line:
    same = then == now
    words = "" if same else "other labels" if share is None else f"{100 * share:.4g} % the same"
    near = same or (tolerance > 0 and (share is None or 1 - share <= tolerance))
    return Line(f"{kind} labels", hashing.short(then), hashing.short(now), words, same, near)


def _agreement(kind: str, recorded: Recorded, fresh: Row, stores: tuple[Store, Store]) -> float | None:
    """The share of images with the same label; None where the recorded labels are gone."""
    member = fresh.run.stages.get(kind)
    name = scored.SCORED[kind]
    if member is None:
        return None
    try:
        codes = plans.codes(recorded.stages)
        then, now = (store.of(codes).array(kind, member, name) for store in stores)
    except (OSError, StoreError, KeyError):
        return None
    digest = labels.digest(then) if kind == "clustering" else labels.named_digest(then)
    if digest != recorded.digests[kind] or then.shape != now.shape:
        return None
    return agreement(then, now, kind == "clustering")


def agreement(then: "np.ndarray", now: "np.ndarray", matched: bool) -> float:
    """The share of images that two labelings (n,) agree on, images that neither is of left out.

    With `matched`, the names of clusters do not count: those of one are matched with those of the other, one to one,
    so that as many images as possible agree; noise agrees with noise alone.
    """
    import numpy as np

    judged = (then != labels.OUTSIDE) | (now != labels.OUTSIDE)
    then, now = then[judged], now[judged]
    if not len(then):
        return 1.0
    if not matched:
        return float(np.mean(then == now))
    both = (then >= 0) & (now >= 0)
    right = external.cluster_accuracy(then[both], now[both]) * both.sum() if both.any() else 0.0
    return float((right + np.sum((then == now) & ~both)) / len(then))
