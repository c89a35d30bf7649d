"""Linear classifiers with different learning rates, trained side by side by SGD in float32: one matrix product a step.

A head is a column block of one weight matrix. The heads see the same batches and do not influence each other. numpy
computes on a CPU, PyTorch where the device is an accelerator; batches and first weights are numpy's on both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench import device

# Standard deviation of the first weights.
INITIAL = 0.01
# Learning rates are for batches of so many rows, and in proportion for others.
UNIT = 256


@dataclass(frozen=True)
class Schedule:
    """How heads are trained; the learning rate falls to zero along half a cosine."""

    epochs: int
    batch_size: int
    momentum: float
    weight_decay: float


def train(
    rows: np.ndarray, codes: np.ndarray, heads: Sequence[tuple[float, int]], schedule: Schedule, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coefficients (k, d) and intercepts (k,) of each head, from rows (n, d) float32 and classes (n,) as numbers.

    Parameters
    ----------
    heads : the learning rate of each, and how many of the first columns it sees
    """
    count, (n, d) = int(codes.max()) + 1, rows.shape
    draw = np.random.default_rng(seed)
    weights = draw.normal(0.0, INITIAL, (d, len(heads), count)).astype(np.float32)
    mask = np.arange(d)[:, None] < np.array([columns for _, columns in heads])
    weights = np.where(mask[:, :, None], weights, np.float32(0)).reshape(d, -1)
    size = min(schedule.batch_size, n)
    steps = max(1, round(schedule.epochs * n / size))
    rates = np.repeat(np.array([rate for rate, _ in heads]) * size / UNIT, count).astype(np.float32)
    masked = None if mask.all() else np.repeat(mask, count, axis=1).astype(np.float32)
    with np.errstate(all="ignore"):
        coef, intercept = _descend(rows, codes, weights, masked, rates, _batches(draw, n, size, steps), schedule)
    blocks = (slice(at * count, (at + 1) * count) for at in range(len(heads)))
    return [(coef[:, block].T, intercept[block]) for block in blocks]


def _batches(draw: np.random.Generator, n: int, size: int, steps: int) -> Iterator[tuple[np.ndarray, float]]:
    """Row numbers (size,) of each batch, from one permutation after another, and the share of the learning rate."""
    left = draw.permutation(n)
    for step in range(steps):
        while len(left) < size:
            left = np.concatenate([left, draw.permutation(n)])
        yield left[:size], 0.5 * (1 + float(np.cos(np.pi * step / steps)))
        left = left[size:]


def _descend(
    rows: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    masked: np.ndarray | None,
    rates: np.ndarray,
    batches: Iterator[tuple[np.ndarray, float]],
    schedule: Schedule,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, heads x k) and intercepts (heads x k,) after all batches."""
    library, put = _library()
    x, w, by, allowed = put(rows), put(weights), put(rates), None if masked is None else put(masked)
    b, w_speed, b_speed = w[0] * 0, w * 0, w[0] * 0
    count = int(codes.max()) + 1
    truth = put(np.eye(count, dtype=np.float32)[codes])
    for batch, share in batches:
        chosen = put(batch)
        part, right = x[chosen], truth[chosen]
        error = _error(library, part @ w + b, right)
        slope = part.T @ error + w * schedule.weight_decay
        w_speed = w_speed * schedule.momentum + (slope if allowed is None else slope * allowed)
        b_speed = b_speed * schedule.momentum + error.sum(0) + b * schedule.weight_decay
        w -= w_speed * (by * share)
        b -= b_speed * (by * share)
    return _taken(w), _taken(b)


def _error(library: Any, logits: Any, right: Any) -> Any:
    """Gradients (batch, heads x k) of the mean cross-entropy by logits of that shape and the classes (batch, k)."""
    batch, count = right.shape
    logits = logits.reshape(batch, -1, count)
    powers = library.exp(logits - library.amax(logits, 2)[:, :, None])
    return ((powers / powers.sum(2)[:, :, None] - right[:, None, :]) / batch).reshape(batch, -1)


def _library() -> tuple[Any, Any]:
    """The library that computes, and what brings an array to it."""
    if not device.accelerated():
        return np, np.array
    import torch

    return torch, lambda array: torch.as_tensor(array).to(device.torch_device(), copy=True)


def _taken(values: Any) -> np.ndarray:
    """Values (m, ...) of whichever library as an array."""
    return values if isinstance(values, np.ndarray) else np.asarray(values.cpu().numpy())
