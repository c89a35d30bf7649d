"""Several backbones side by side in one matrix: ``backbone=[a,b]``.

The features of the parts are stages of their own, from which this one is made: nothing is extracted again. With `rms`,
every part is divided by the root mean square of the lengths of its rows, over all rows and without labels, so that
squared distances are sums to which all parts contribute alike; with `l2`, each of its rows is divided by its own
length. The columns of the parts stay together, in the order of the stage's ``about["parts"]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

BATCH = 1
ENGINE = "numpy"
# Rows whose lengths are summed at a time.
BLOCK = 4096


@dataclass(frozen=True)
class Params:
    """Options. `parts` are the configurations of the backbones by their keys; their stages stand for them in hashes."""

    scale: Literal["rms", "l2", "none"]
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def width(params: Params, widths: Sequence[int]) -> int:
    """Number of columns, of parts that have so many."""
    return sum(widths)


def gflops(params: Params) -> float:
    """What a row costs beside its parts, which are computed before."""
    return 0.0


def identity(params: Params) -> dict[str, Any]:
    """Nothing: the hashes of the parts' stages say all."""
    return {}


def factors(params: Params, parts: "Sequence[np.ndarray]") -> list[float]:
    """What each part (n, d_i) is multiplied by; 1 where rows are scaled by themselves or not at all."""
    return [_factor(part) if params.scale == "rms" else 1.0 for part in parts]


def join(params: Params, parts: "Sequence[np.ndarray]", scales: Sequence[float]) -> "np.ndarray":
    """The parts (n, d_i), scaled by what :func:`factors` gave for all rows, side by side: (n, sum of d_i) float32.

    A row depends on no other row.
    """
    import numpy as np

    rows = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), np.float32)
    start = 0
    for part, factor in zip(parts, scales, strict=True):
        columns = rows[:, start : start + part.shape[1]]
        if params.scale == "l2":
            _to_unit_length(part, columns)
        else:
            np.multiply(part, factor, out=columns, casting="unsafe")
        start += part.shape[1]
    return rows


def _to_unit_length(part: "np.ndarray", columns: "np.ndarray") -> None:
    """Write rows (n, d), each divided by its length, into `columns` (n, d); a row of zeros stays."""
    import numpy as np

    for at in range(0, len(part), BLOCK):
        block = part[at : at + BLOCK]
        lengths = np.sqrt(np.square(block, dtype=np.float64).sum(axis=1, keepdims=True))
        columns[at : at + BLOCK] = block / np.where(lengths > 0, lengths, 1.0)


def _factor(part: "np.ndarray") -> float:
    """One over the root mean square of the lengths of rows (n, d); 1 where all are zero."""
    import numpy as np

    sums = (np.square(part[at : at + BLOCK], dtype=np.float64).sum() for at in range(0, len(part), BLOCK))
    mean = sum(map(float, sums)) / max(len(part), 1)
    return mean**-0.5 if mean > 0 else 1.0
