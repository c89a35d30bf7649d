"""A total divided in proportion, in whole numbers (standard library only)."""

from collections.abc import Sequence


def allocate(sizes: Sequence[int], total: int, caps: Sequence[int] | None = None) -> list[int]:
    """Divide `total` in proportion to `sizes` by the largest remainder, with no share above its cap.

    The shares sum to `total`, or to the sum of the caps where that is less.
    """
    whole, caps = sum(sizes), list(sizes if caps is None else caps)
    if whole == 0:
        return [0] * len(sizes)
    quotients = [divmod(size * total, whole) for size in sizes]
    shares = [min(quota, cap) for (quota, _), cap in zip(quotients, caps, strict=True)]
    order = sorted(range(len(sizes)), key=lambda i: (-quotients[i][1], i))
    while sum(shares) < total and any(shares[i] < caps[i] for i in order):
        for i in order:
            if shares[i] < caps[i] and sum(shares) < total:
                shares[i] += 1
    return shares
