"""The difference of two paired proportions."""

import math


def newcombe(both: int, a_alone: int, b_alone: int, neither: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a difference of paired proportions: Newcombe, Statistics in Medicine 17, 1998, 2635, method 10.

    Combines Wilson's score intervals of the two proportions, given their correlation. Releases of statsmodels after
    0.15 have it as `confint_proportions_paired`.
    """
    from statsmodels.stats.proportion import proportion_confint

    n = both + a_alone + b_alone + neither
    right_a, right_b = both + a_alone, both + b_alone
    (low_a, high_a), (low_b, high_b) = (
        proportion_confint(right, n, 1 - level, method="wilson") for right in (right_a, right_b)
    )
    product = both * neither - a_alone * b_alone
    margins = right_a * (n - right_a) * right_b * (n - right_b)
    phi = (max(product - n / 2, 0.0) if product > 0 else product) / math.sqrt(margins) if margins else 0.0
    p_a, p_b = right_a / n, right_b / n
    below = _joined(p_a - low_a, high_b - p_b, phi)
    above = _joined(high_a - p_a, p_b - low_b, phi)
    return p_a - p_b - below, p_a - p_b + above


def _joined(margin_a: float, margin_b: float, phi: float) -> float:
    return math.sqrt(max(margin_a**2 - 2 * phi * margin_a * margin_b + margin_b**2, 0.0))
