"""How a device's results agree with the CPU's: what was compared, how far it is off, and how far it may be."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench import device, threads


@dataclass(frozen=True)
class Agreement:
    """How far a device is off, as `measure` says, and how far it may be."""

    what: str
    measure: str
    off: float
    allowed: float

    @property
    def holds(self) -> bool:
        return self.off <= self.allowed


def both(on: str, work: Callable[[], Any], lanes: int = 2) -> tuple[Any, Any]:
    """The results of `work` on the CPU and on the device."""
    results = []
    for place in ("cpu", on):
        with device.using(place), threads.one_core_each(lanes):
            results.append(work())
    return results[0], results[1]


def different(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> float:
    """The number of values that differ in their bits, NaN equal to NaN."""
    pairs = zip(left, right, strict=True)
    return float(sum(np.count_nonzero((a != b) & ~((a != a) & (b != b))) for a, b in pairs))


def relative(found: Any, expected: Any) -> float:
    """The largest difference, as a share of the largest value; infinite where one is not a number and one is."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf")
    return float(np.nanmax(np.abs(found - expected)) / max(np.nanmax(np.abs(expected)), 1e-300))


def each(found: Any, expected: Any) -> float:
    """The largest difference as a share of its own value; infinite where one is not a number and one is."""
    pairs = list(zip(found, expected, strict=True))
    if any(np.isnan(a) != np.isnan(b) for a, b in pairs):
        return float("inf")
    return max(abs(a - b) / max(abs(b), 1e-300) for a, b in pairs if not np.isnan(b))


def unlike(found: np.ndarray, expected: np.ndarray) -> float:
    """1 minus the adjusted Rand index of two labelings."""
    from sklearn.metrics import adjusted_rand_score

    return float(1 - adjusted_rand_score(expected, found))


def turned(found: np.ndarray, expected: np.ndarray) -> float:
    """1 minus the smallest cosine of corresponding rows."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (found.astype(float), expected.astype(float)))
    return float(1 - (a * b).sum(axis=1).min())


def as_record(agreement: Agreement) -> dict[str, Any]:
    """An agreement as plain JSON."""
    return {**dataclasses.asdict(agreement), "off": float(agreement.off), "holds": bool(agreement.holds)}
