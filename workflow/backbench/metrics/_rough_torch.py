"""Candidates for nearest rows by PyTorch on the device of the job; what is measured afterwards decides, as ever."""

import numpy as np
import torch

from backbench import device
from backbench.metrics import _rough

QUERIES, TILE = 1024, 1 << 15
SCORES = 1 << 25


class Scan:
    """Candidates by products of float32, or of float64 where PyTorch is set to compute in less than float32."""

    def __init__(self, space: _rough.Space):
        self._space, self._on = space, device.torch_device()
        precise = torch.get_float32_matmul_precision() == "highest"
        self._kind = np.float32 if precise else np.float64
        parts = (space.rows(*span, self._kind) for span in _rough.chunks(len(space), space.d))
        self._right = torch.cat([torch.from_numpy(part).to(self._on) for part in parts])

    def size(self, count: int) -> int:
        """Queries in a block."""
        return max(16, min(QUERIES, SCORES // (TILE + count)))

    def candidates(
        self, which: np.ndarray, excluded: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As on the CPU, for queries `which` (m,) and their `excluded` rows (m,); each tile gives its least scores."""
        most = 2 * count + _rough.SPARE
        left = torch.from_numpy(self._space.queries(which, self._kind)).to(self._on)
        slack = torch.from_numpy(2 * self._space.slack(which, self._kind)).to(self._on)
        wide = torch.zeros(len(which), dtype=torch.bool, device=self._on)
        least, hits = left[:, :0], []
        for start in range(0, len(self._right), TILE):
            scores = left @ self._right[start : start + TILE].T
            here = np.flatnonzero((excluded >= start) & (excluded < start + scores.shape[1]))
            scores[torch.from_numpy(here), torch.from_numpy(excluded[here] - start)] = torch.inf
            both = torch.cat([least, scores.topk(min(count, scores.shape[1]), largest=False).values], dim=1)
            least = both.topk(min(count, both.shape[1]), largest=False).values
            limit = self._limit(least, slack, count)
            near = scores <= limit[:, None]
            if torch.isfinite(limit).all():
                wide |= near.sum(dim=1) > most
                near[wide] = False
            query, row = near.nonzero(as_tuple=True)
            hits.append((query, row + start, scores[query, row]))
        query, row, score = (torch.cat(parts) for parts in zip(*hits, strict=True))
        kept, many = (score <= self._limit(least, slack, count)[query]).cpu().numpy(), wide.cpu().numpy()
        return *_rough.settled(query.cpu().numpy(), row.cpu().numpy(), kept, many, most), many

    def _limit(self, least: torch.Tensor, slack: torch.Tensor, count: int) -> torch.Tensor:
        if least.shape[1] < count:
            return torch.full((len(least),), torch.inf, dtype=least.dtype, device=self._on)
        return (least[:, -1] + slack).to(least.dtype)
