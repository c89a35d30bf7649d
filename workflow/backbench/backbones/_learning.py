"""Options shared by the backbones that are trained on the images of the data set (imports no torch)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench.backbones import Image
from backbench.schema import ConfigError, Range, refuse

if TYPE_CHECKING:
    import numpy as np

Activation = Literal["relu", "sigmoid"]
# Images whose reconstructions are stored.
SHOWN = 16


@dataclass(frozen=True)
class Learning:
    """Options. The images are 0..1; `code_activation` follows the code, `activation` every other hidden layer.

    Adam (Kingma and Ba, "Adam", ICLR 2015, with its published decay rates) minimises the mean `loss` per pixel for at
    most `epochs` epochs. It stops early after `patience` epochs (null: never) without a lower validation loss, and the
    weights of the best epoch are used. `fit` says which images it learns from: the training split, with the validation
    split for early stopping, or ``all``. If there is no validation split, the fraction `validation` of the rows is
    drawn. `seed` determines the initial weights, this draw and the order of the images.
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
    """Raise ConfigError for options that contradict each other."""
    if params.loss == "bce" and params.output != "sigmoid":
        raise refuse(
            f"{where}.output", params.output, "sigmoid, because loss=bce is defined on 0..1 alone; or loss=mse"
        )


def values(image: Image) -> int:
    """Number of values in an image."""
    return image.size**2 * (1 if image.mode == "L" else 3)


def gflops(layers: Sequence[tuple[int, int]]) -> float:
    """10^9 multiplications and additions of the first half of an autoencoder with these layers: the encoder."""
    return sum(products for products, _ in layers[: len(layers) // 2]) / 1e9


def split(
    params: Learning, n: int, rows: "np.ndarray", validation_rows: "np.ndarray"
) -> tuple["np.ndarray", "np.ndarray"]:
    """The rows to learn from (m,) and those for early stopping (v,), which are drawn if there are none.

    `rows` (r,) and `validation_rows` (s,) are the splits of `n` images.

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
        raise ConfigError(f"an autoencoder needs at least 2 images to learn from; received {len(rows)}.")
    count = min(max(round(params.validation * len(rows)), 1), len(rows) - 1)
    # Raw output of PCG64, which NumPy promises never to change.
    drawn = np.argsort(np.random.PCG64(params.seed).random_raw(len(rows)), kind="stable")[:count]
    learnt = np.ones(len(rows), bool)
    learnt[drawn] = False
    return rows[learnt], rows[~learnt]


def shown(n: int, rows: "np.ndarray", validation_rows: "np.ndarray") -> "np.ndarray":
    """At most `SHOWN` of n rows (m,) int32, spread evenly over those that were not used in training.

    If all were used, they are taken from `validation_rows` (v,), which the network did not learn from, as opposed to
    `rows` (r,).
    """
    import numpy as np

    unused = np.ones(n, bool)
    unused[rows] = unused[validation_rows] = False
    unseen = np.flatnonzero(unused) if unused.any() else np.sort(validation_rows)
    return unseen[np.linspace(0, len(unseen) - 1, min(SHOWN, len(unseen))).astype(int)].astype(np.int32)
