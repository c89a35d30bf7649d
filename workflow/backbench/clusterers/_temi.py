"""The training of TEMI in PyTorch, on one core or a device (torch is imported at the top).

All heads are trained at once: arrays of weights have the heads as their first axis. Draws are those of numpy, so that
they are the same on every device.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from backbench import device

# Of the moving average of how large the clusters are.
SHARE_MOMENTUM = 0.9
DEVIATION = 0.02
# Shares of the updates: those at the start that leave the last layer alone, and those at the end that judge the heads.
FROZEN, JUDGED = 0.01, 0.2
# Rows that are labelled at once.
LABELLED = 4096


def train(
    rows: np.ndarray, near: np.ndarray, k: int, seed: int | None, options: Any
) -> tuple[np.ndarray, dict[str, float]]:
    """Labels (n,) of the rows (n, w), whose neighbours have the numbers `near` (n, m), and the loss of the head."""
    torch.set_num_threads(1)
    random = np.random.RandomState(seed)
    student = _heads(random, rows.shape[1], k, options)
    training = _Training(student, device.tensor(rows, "float32"), near, options)
    losses = training.run(random)
    head = int(losses.argmin())
    return training.labels(head), {"loss": float(losses[head])}


def _heads(random: np.random.RandomState, width: int, k: int, options: Any) -> list[torch.Tensor]:
    """Weights and offsets of the hidden layer and of the bottleneck, and directions and lengths of the clusters."""
    shapes = (width, options.hidden), (options.hidden, options.bottleneck)
    arrays: list[np.ndarray] = []
    for shape in shapes:
        # Normal, and cut off at two units as `torch.nn.init.trunc_normal_` does by default: never reached here.
        arrays += [DEVIATION * random.standard_normal((options.heads, *shape)), np.zeros((options.heads, 1, shape[1]))]
    bound = 1 / math.sqrt(options.bottleneck)
    directions = random.uniform(-bound, bound, (options.heads, options.bottleneck, k))
    arrays += [directions, np.ones((options.heads, 1, k))]
    return [device.tensor(array, "float32").requires_grad_() for array in arrays]


def _logits(weights: Sequence[torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
    """Logits (heads, b, k) of rows (b, w)."""
    first, first_offsets, second, second_offsets, directions, lengths = weights
    hidden = functional.gelu(torch.matmul(rows, first) + first_offsets)
    placed = functional.normalize(torch.matmul(hidden, second) + second_offsets, dim=-1)
    return torch.matmul(placed, lengths * functional.normalize(directions, dim=1))


class _Training:
    """Student, teacher and optimiser."""

    def __init__(self, student: list[torch.Tensor], rows: torch.Tensor, near: np.ndarray, options: Any):
        """For rows (n, w) with neighbours `near` (n, m)."""
        self.student, self.rows, self.near, self.options = student, rows, near, options
        self.teacher = [weights.detach().clone() for weights in student]
        matrices, offsets = student[0::2][:2] + student[4:5], student[1:4:2] + student[5:]
        groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": offsets, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=options.learning_rate, foreach=False)
        k = student[4].shape[-1]
        self.shares = torch.full((options.heads, 1, k), 1 / k, device=rows.device)
        self.batch = min(options.batch_size, len(rows))

    def run(self, random: np.random.RandomState) -> np.ndarray:
        """Train, each pair a row and one of its neighbours; the mean loss (heads,) of the last updates."""
        count, order = self.options.iterations, np.zeros(0, dtype=np.int64)
        losses = []
        for update in range(count):
            if len(order) < self.batch:
                order = random.permutation(len(self.near))
            rows, order = order[: self.batch], order[self.batch :]
            partners = self.near[rows, random.randint(self.near.shape[1], size=self.batch)]
            for group in self.optimiser.param_groups:
                group["lr"] = self.options.learning_rate * min(1, (update + 1) / max(self.options.warmup, 1))
            losses.append(self._update(rows, partners, last=update >= FROZEN * count))
        return np.mean(losses[-max(1, int(JUDGED * count)) :], axis=0)

    def _update(self, left: np.ndarray, right: np.ndarray, last: bool) -> np.ndarray:
        """Losses (heads,) of pairs of rows with the numbers (b,); `last` also trains the last layer."""
        pairs = [self.rows[torch.as_tensor(places, device=self.rows.device)] for places in (left, right)]
        with torch.no_grad():
            taught = [self._probabilities(self.teacher, rows) for rows in pairs]
            mean = (taught[0].mean(1, keepdim=True) + taught[1].mean(1, keepdim=True)) / 2
            self.shares = SHARE_MOMENTUM * self.shares + (1 - SHARE_MOMENTUM) * mean
            alike = (taught[0] * taught[1]).sum(-1).mean(0)
        learnt = [self._probabilities(self.student, rows) for rows in pairs]
        both = [taught[0] * learnt[1], taught[1] * learnt[0]]
        information = [(joint**self.options.beta / self.shares).sum(-1).log() for joint in both]
        losses = -(alike * (information[0] + information[1])).mean(-1) / 2
        self.optimiser.zero_grad()
        losses.mean().backward()
        if not last:
            self.student[4].grad = self.student[5].grad = None
        self.optimiser.step()
        with torch.no_grad():
            for slow, fast in zip(self.teacher, self.student, strict=True):
                slow.lerp_(fast, 1 - self.options.teacher_momentum)
        return losses.detach().cpu().numpy()

    def _probabilities(self, weights: Sequence[torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
        """Shares (heads, b, k) of rows (b, w)."""
        return torch.softmax(_logits(weights, rows) / self.options.temperature, dim=-1)

    def labels(self, head: int) -> np.ndarray:
        """Labels (n,) by a head of the teacher."""
        weights = [each[head : head + 1] for each in self.teacher]
        with torch.no_grad():
            parts = [_logits(weights, part)[0].argmax(-1) for part in torch.split(self.rows, LABELLED)]
        return torch.cat(parts).cpu().numpy().astype(np.int64)
