"""Options that the backbones which are trained on a data set's own images share (layer 1; imports no torch)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench.backbones import Image
from backbench.schema import ConfigError, Range, refuse

if TYPE_CHECKING:
    import numpy as np

Activation = Literal["relu", "sigmoid"]
# Images whose reconstructions are kept.
SHOWN = 16


@dataclass(frozen=True)
class Learning:
    """Options. The images are 0..1; `code_activation` follows the code, `activation` every other hidden layer.

    Adam (Kingma and Ba, "Adam", ICLR 2015, with its published decay rates) minimises the mean `loss` per pixel, for at
    most `epochs` epochs; it stops when `patience` epochs (null: never) have brought no lower loss of the validation
    rows, and the weights of the best epoch are kept. `fit` says which images it learns from: the training part, with
    the validation part for the stopping, or ``all``; where there is no validation part, the fraction `validation` of
    the rows is drawn. `seed` is that of the first weights, of this draw and of the order of the images.
    """

    image: Image
    activation: Activation
    code_activation: Literal["linear", "relu", "sigmoid"]
    output: Literal["sigmoid", "linear"]
    loss: Literal["mse", "bce"]
    learning_rate: Annotated[float, Range(above=0.0)]
    batch_size: Annotated[int, Range(low=1)]
    epochs: Annotated[int, Range(low=1)]
    patience: Annotated[int | None, Range(low=1)]
    validation: Annotated[float, Range(above=0.0, high=0.9)]
    fit: Literal["train", "all"]
    seed: Annotated[int, Range(low=0, high=2**32 - 1)]


def check(params: Learning, where: str) -> None:
    """Raise ConfigError for options that exclude each other."""
    if params.loss == "bce" and params.output != "sigmoid":
        raise refuse(f"{where}.output", params.output, "sigmoid, for loss=bce is defined on 0..1 alone; or loss=mse")


def parts(
    params: Learning, n: int, rows: "np.ndarray", validation_rows: "np.ndarray"
) -> tuple["np.ndarray", "np.ndarray"]:
    """The rows to learn from and those that say when to stop; the latter are drawn where there are none.

    Raises
    ------
    ConfigError
        If there are too few rows for both.
    """
    import numpy as np

    rows, chosen = (np.arange(n), np.arange(0)) if params.fit == "all" else (rows, validation_rows)
    if len(chosen) and len(rows):
        return rows, chosen
    if len(rows) < 2:
        raise ConfigError(f"an autoencoder learns from 2 images or more; received {len(rows)}.")
    count = min(max(round(params.validation * len(rows)), 1), len(rows) - 1)
    # Raw output of PCG64, which NumPy promises never to change.
    drawn = np.argsort(np.random.PCG64(params.seed).random_raw(len(rows)), kind="stable")[:count]
    left = np.ones(len(rows), bool)
    left[drawn] = False
    return rows[left], rows[~left]


def shown(n: int, rows: "np.ndarray", validation_rows: "np.ndarray") -> "np.ndarray":
    """At most `SHOWN` of n rows, int32, spread evenly over those that had no part in the training.

    Where all had one, over those of the validation, which were not learnt from.
    """
    import numpy as np

    apart = np.ones(n, bool)
    apart[rows] = apart[validation_rows] = False
    unseen = np.flatnonzero(apart) if apart.any() else np.sort(validation_rows)
    return unseen[np.linspace(0, len(unseen) - 1, min(SHOWN, len(unseen))).astype(int)].astype(np.int32)
