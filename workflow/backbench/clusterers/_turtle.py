"""The search of TURTLE in float32, by numpy or on a device, with gradients in closed form.

Arrays of logits and labels are (k, n), and rows are there in both orders: a product of a narrow matrix with wide rows
is several times faster that way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from backbench import device
from backbench.clusterers._adam import Adam

# The rows (n, w) of a space, and the same as columns (w, n), both in the order of the memory.
Space: TypeAlias = tuple[Any, Any]
# Weights (k, w) and offsets (k, 1) of a linear map.
Linear: TypeAlias = list[Any]


@dataclass(frozen=True)
class End:
    """Labels (n,), the cross-entropy of the classifiers summed over the spaces, and the entropy of the labelling."""

    labels: np.ndarray
    error: float
    entropy: float
    objective: float


def search(rows: Sequence[np.ndarray], k: int, seed: int | None, options: Any) -> End:
    """The labelling with the lowest objective at the end of `options.n_init` searches in spaces (n, w)."""
    placed = [device.tensor(each, "float32") for each in rows] if device.accelerated() else list(rows)
    random = np.random.RandomState(seed)
    ends = [_Search(placed, k, random, options).end() for _ in range(options.n_init)]
    return min(ends, key=lambda end: end.objective)


class _Search:
    """One search: the linear maps that label the rows, and the classifiers that learn the labels, of each space."""

    def __init__(self, rows: Sequence[Any], k: int, random: np.random.RandomState, options: Any):
        """From rows (n, w) of each space."""
        self.rows, self.k, self.random, self.options = rows, k, random, options
        self.spaces = [_both(each) for each in rows]
        self.n = len(rows[0])
        self.batch = min(options.batch_size or self.n, self.n)
        self.maps = [[weights, _lengths(weights), offsets] for weights, offsets in map(self._linear, rows)]
        self.outer = Adam([part for parts in self.maps for part in parts], options.outer_rate)
        self._begin()

    def end(self) -> End:
        """Where it leads."""
        for _ in range(self.options.iterations):
            if not self.options.warm_start:
                self._begin()
            self._step(self._drawn())
        shares = self._shares(self.spaces)
        mean = sum(shares[1:], shares[0]) / len(shares)
        error = -float(sum((mean * logs).sum() for logs in self._logs(self.spaces))) / self.n
        entropy = -float(sum((each * _log(each)).sum() for each in (part.mean(1) for part in shares)))
        labels = _numpy(mean.argmax(0)).astype(np.int64)
        return End(labels, error, entropy, error - self.options.gamma * entropy)

    def _begin(self) -> None:
        """Classifiers that have learnt nothing yet."""
        self.classifiers = [self._linear(each) for each in self.rows]
        self.inner = [Adam(classifier, self.options.inner_rate) for classifier in self.classifiers]

    def _linear(self, rows: Any) -> Linear:
        """Random weights (k, w) and offsets (k, 1) for rows (n, w), as wide as those of `torch.nn.Linear`."""
        width = rows.shape[1]
        bound = 1 / np.sqrt(width)
        drawn = [self.random.uniform(-bound, bound, (self.k, size)).astype(np.float32) for size in (width, 1)]
        return [device.tensor(each, "float32") for each in drawn] if device.accelerated() else drawn

    def _drawn(self) -> Sequence[Space]:
        """A batch of the rows of each space, or all."""
        if self.batch == self.n:
            return self.spaces
        places = self.random.choice(self.n, self.batch, replace=False)
        return [_both(rows[places]) for rows in self.rows]

    def _step(self, spaces: Sequence[Space]) -> None:
        """Let the classifiers learn the labelling of the rows in each space, and move it to where they err less."""
        shares = self._shares(spaces)
        labels = sum(shares[1:], shares[0]) / len(shares)
        for classifier, adam, space in zip(self.classifiers, self.inner, spaces, strict=True):
            for _ in range(self.options.inner_steps):
                wrong = (_softmax(_logits(classifier, space)) - labels) / self.batch
                adam.step(_gradients(wrong, space))
        logs = self._logs(spaces)
        errors = -sum(logs[1:], logs[0]) / len(shares)
        gradients: list[Any] = []
        for parts, share, space in zip(self.maps, shares, spaces, strict=True):
            # Of the error and minus gamma times the entropy, with respect to the labels.
            slopes = errors + self.options.gamma * (_log(share.mean(1)) + 1)[:, None]
            slopes = share * (slopes - (share * slopes).sum(0)) / self.batch
            gradients += _through_norm(parts, *_gradients(slopes, space))
        self.outer.step(gradients)

    def _shares(self, spaces: Sequence[Space]) -> list[Any]:
        """The labelling (k, b) by each space."""
        maps = ([weights * (lengths / _lengths(weights)), offsets] for weights, lengths, offsets in self.maps)
        return [_softmax(_logits(each, space)) for each, space in zip(maps, spaces, strict=True)]

    def _logs(self, spaces: Sequence[Space]) -> list[Any]:
        """Logarithms (k, b) of what each classifier says."""
        return [_log_softmax(_logits(each, space)) for each, space in zip(self.classifiers, spaces, strict=True)]


def _both(rows: Any) -> Space:
    """Rows (n, w) and columns (w, n)."""
    return rows, np.ascontiguousarray(rows.T) if isinstance(rows, np.ndarray) else rows.T.contiguous()


def _logits(linear: Linear, space: Space) -> Any:
    """Logits (k, b) of rows (b, w)."""
    logits = linear[0] @ space[1]
    logits += linear[1]
    return logits


def _gradients(slopes: Any, space: Space) -> list[Any]:
    """Gradients of weights (k, w) and offsets (k, 1), from those of the logits (k, b) of rows (b, w)."""
    return [slopes @ space[0], slopes.sum(1)[:, None]]


def _through_norm(parts: Sequence[Any], weights: Any, offsets: Any) -> list[Any]:
    """Gradients of directions (k, w), lengths (k, 1) and offsets (k, 1), from those of normalised weights (k, w)."""
    direction = parts[0] / _lengths(parts[0])
    along = (direction * weights).sum(1)[:, None]
    return [parts[1] / _lengths(parts[0]) * (weights - along * direction), along, offsets]


def _lengths(weights: Any) -> Any:
    """Lengths (k, 1) of rows (k, w)."""
    return (weights * weights).sum(1)[:, None] ** 0.5


def _softmax(logits: Any) -> Any:
    """Shares (k, b) of logits (k, b), which are overwritten."""
    logits -= _largest(logits)
    powers = _exp(logits)
    powers /= powers.sum(0)
    return powers


def _log_softmax(logits: Any) -> Any:
    """Logarithms (k, b) of the shares of logits (k, b)."""
    shifted = logits - _largest(logits)
    return shifted - _log(_exp(shifted).sum(0))


def _largest(logits: Any) -> Any:
    """The largest of each column (b,) of logits (k, b)."""
    return logits.max(0) if isinstance(logits, np.ndarray) else logits.amax(0)


def _exp(values: Any) -> Any:
    return np.exp(values) if isinstance(values, np.ndarray) else values.exp()


def _log(values: Any) -> Any:
    """Logarithms of values (k, ...), of zero that of the smallest number."""
    least = np.finfo(np.float32).tiny
    return np.log(np.maximum(values, least)) if isinstance(values, np.ndarray) else values.clamp(min=least).log()


def _numpy(array: Any) -> np.ndarray:
    """A tensor or array (n,) as a numpy array."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()
