"""Estimates as sentences show them: no more digits than their intervals bear."""

from dataclasses import dataclass

from backbench.evaluate.estimates import Estimate
from backbench.evaluate.leaderboards import REPEATS, SEEDS
from backbench.evaluate.verdicts import Reading
from backbench.metrics import catalogue

# An interval that is wider than this leaves no meaning in the next digit.
WIDE = 0.02


@dataclass(frozen=True)
class Figures:
    """``82 %`` with ``79`` and ``86``, the ends of its interval, "" where there is none; `seeds` or `repeats` (splits
    of the images) if it is over them."""

    value: str
    low: str = ""
    high: str = ""
    seeds: int = 0
    repeats: int = 0


def figures(reading: Reading) -> Figures:
    """A share in percent, any other metric with two decimals; one digit more where the interval is narrow."""
    estimate, share = reading.estimate, catalogue.metric(reading.metric).share
    factor, digits = (100, 0) if share else (1, 2)
    low, high = estimate.low, estimate.high
    narrow = low is None or high is None or high - low < WIDE
    digits += narrow if share or low is not None else 0
    text = f"{factor * estimate.mean:.{digits}f}{' %' if share else ''}"
    if low is None or high is None:
        return Figures(text)
    seeds, repeats = (estimate.n if estimate.over == over else 0 for over in (SEEDS, REPEATS))
    return Figures(text, f"{factor * low:.{digits}f}", f"{factor * high:.{digits}f}", seeds, repeats)


def points(difference: Estimate) -> Figures:
    """A difference of two shares in points: ``3`` with ``1`` and ``6``; one digit more where the interval is narrow."""
    low, high = difference.low, difference.high
    if low is None or high is None:
        return Figures(_signless(100 * difference.mean, 1))
    digits = int(high - low < WIDE)
    value, least, most = (_signless(100 * end, digits) for end in (difference.mean, low, high))
    return Figures(value, least, most)


def _signless(value: float, digits: int) -> str:
    """A number whose zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if not float(text) else text
