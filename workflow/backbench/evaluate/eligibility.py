"""What is no clustering: results that are shown with the reason and never ranked, chosen or recommended."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LEAST_CLUSTERS = 2
# Significant digits of a share in percent; more where fewer would show the limit itself.
DIGITS = (3, 4, 6, 9)


@dataclass(frozen=True)
class Limits:
    """The largest share of noise and the largest share of the images in one cluster; None: no limit."""

    noise_at_most: float | None = 0.3
    largest_at_most: float | None = 0.95


USUAL = Limits()


@dataclass(frozen=True)
class Fault:
    """Why a result is no clustering: `about` says it in words, with a ``{}`` for the share that is too large."""

    about: str
    share: float = math.nan
    most: float = math.nan

    def __str__(self) -> str:
        return self.about.format(_percent(self.share, self.most))


def fault(metrics: Mapping[str, float], limits: Limits = USUAL) -> str | None:
    """Why a result is no clustering, None where it is one; what was not measured is not held against it."""
    reason = find(metrics, limits)
    return None if reason is None else str(reason)


def find(metrics: Mapping[str, float], limits: Limits = USUAL) -> Fault | None:
    """As `fault`, for those who count reasons."""
    noise, clusters = metrics.get("noise_fraction", 0.0), metrics.get("clusters", float(LEAST_CLUSTERS))
    largest = metrics.get("largest_share", 0.0)
    if noise >= 1:
        return Fault("all images are noise")
    if clusters < LEAST_CLUSTERS:
        return Fault("one cluster only")
    if limits.noise_at_most is not None and noise > limits.noise_at_most:
        return _over(noise, limits.noise_at_most, "noise")
    if limits.largest_at_most is not None and largest > limits.largest_at_most:
        return _over(largest, limits.largest_at_most, "of the images in one cluster")
    return None


def counted(faults: Iterable[Fault]) -> str:
    """How many there are of each kind: ``3 (53 to 58 % noise, more than 30 %), 1 (one cluster only)``."""
    groups: dict[str, list[Fault]] = {}
    for reason in faults:
        groups.setdefault(reason.about, []).append(reason)
    kinds = sorted(groups.items(), key=lambda item: -len(item[1]))
    return ", ".join(f"{len(group)} ({about.format(_between(group))})" for about, group in kinds)


def _over(share: float, most: float, what: str) -> Fault:
    return Fault(f"{{}} {what}, more than {_percent(most)}", share, most)


def _between(group: Iterable[Fault]) -> str:
    """``53 to 58 %``: the least and the largest share of some faults."""
    ordered = sorted(group, key=lambda reason: reason.share)
    ends = list(dict.fromkeys(_percent(reason.share, reason.most) for reason in (ordered[0], ordered[-1])))
    return " to ".join([*(end.removesuffix(" %") for end in ends[:-1]), ends[-1]])


def _percent(share: float, beside: float = math.nan) -> str:
    """A share in percent, with so many digits that it differs from the limit that it stands beside."""
    texts = [f"{100 * share:.{digits}g} %" for digits in DIGITS]
    return next((text for text in texts if text != f"{100 * beside:.3g} %"), texts[-1])
