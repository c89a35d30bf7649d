"""Few labels: the training images of each class that a classifier learns from, drawn by number.

As in `_split`, rows are ranked by raw PCG64 output, which NumPy promises never to change. Which rows are drawn depends
on the number of the draw, the class and the order of its training images alone. Draws are nested: the images of 4 a
class are among those of 8 of the same number.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backbench.datasets import TRAIN, _split

if TYPE_CHECKING:
    import numpy as np

# Beside the numbers in `_split`, so that no draw repeats the order of a split.
LABELLED = 4


def drawn(rows: "np.ndarray", labels: "np.ndarray", shots: int | None, draw: int | None) -> "np.ndarray":
    """Of training rows (m,), ascending, at most `shots` of each class, ascending; all of them where `shots` is None.

    Parameters
    ----------
    labels : the class of every row of the collection, (n,)
    draw : number of the draw; of no effect without `shots`
    """
    import numpy as np

    if shots is None:
        return rows
    of_rows = labels[rows]
    taken = [
        _split.ranked(rows[of_rows == label], (draw or 0, LABELLED, int(label)))[:shots] for label in np.unique(of_rows)
    ]
    return np.sort(np.concatenate(taken)) if taken else rows


def learnt(config: Mapping[str, Any], split: "np.ndarray", labels: "np.ndarray") -> "np.ndarray":
    """Row numbers (m,), ascending, that a classification of this configuration learns from.

    `split` and `labels` (n,) are those of the collection.
    """
    import numpy as np

    return drawn(np.flatnonzero(split == TRAIN), labels, config.get("shots"), config.get("draw"))
