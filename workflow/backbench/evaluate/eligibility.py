"""What is no clustering: results that are shown with the reason and never ranked, chosen or recommended."""

from collections.abc import Mapping
from dataclasses import dataclass

LEAST_CLUSTERS = 2


@dataclass(frozen=True)
class Limits:
    """The largest share of noise and the largest share of the images in one cluster; None: no limit."""

    noise_at_most: float | None = 0.3
    largest_at_most: float | None = 0.95


STANDARD = Limits()


def fault(metrics: Mapping[str, float], limits: Limits = STANDARD) -> str | None:
    """Why a result is no clustering, None where it is one; what was not measured is not held against it."""
    noise, clusters = metrics.get("noise_fraction", 0.0), metrics.get("clusters", float(LEAST_CLUSTERS))
    largest = metrics.get("largest_share", 0.0)
    if noise >= 1:
        return "all images are noise"
    if clusters < LEAST_CLUSTERS:
        return "one cluster only"
    if limits.noise_at_most is not None and noise > limits.noise_at_most:
        return f"{_percent(noise)} noise, more than {_percent(limits.noise_at_most)}"
    if limits.largest_at_most is not None and largest > limits.largest_at_most:
        return f"{_percent(largest)} of the images in one cluster, more than {_percent(limits.largest_at_most)}"
    return None


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
