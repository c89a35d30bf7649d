"""How long a backbone trains that learns from the images themselves: epochs x images x multiplications (layer 2)."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

# Forward, and backward to the weights and to the inputs: three passes of a multiplication and an addition each.
OPERATIONS = 6
# Of one core, in 10^9 operations of float32 a second; convolutions with few channels use a core less well.
GFLOPS = {"autoencoder": 80.0, "conv_autoencoder": 25.0}
# Adam reads and writes every weight at every step, on one core.
STEP_SECONDS = 4e-9
# A GPU is at least so many times as quick as one core.
GPU = 40.0
# Epochs that are counted where nothing similar has been trained: so many times the patience.
PATIENCES = 8
KERNEL = 9


@dataclass(frozen=True)
class Training:
    """A training to come: `work` are the seconds of one core that an epoch takes, `most` the epochs that are allowed.

    `epochs` are those that are counted: `most`, or fewer where it stops once nothing is gained any more.
    """

    work: float
    epochs: int
    most: int

    @property
    def seconds(self) -> float:
        """Seconds of one core."""
        return self.work * self.epochs


@dataclass(frozen=True)
class Past:
    """Trainings that are recorded: how long they took beside the model, and the epochs after which they stopped."""

    pace: float = 1.0
    epochs: int | None = None


NOTHING = Past()


def trained(config: Mapping[str, Any]) -> bool:
    """Whether a backbone of these options is trained on the images."""
    return config.get("name") in _MULTIPLICATIONS


def of(config: Mapping[str, Any], image: Mapping[str, Any], rows: float, past: Past = NOTHING) -> Training:
    """The training of a backbone with the options `config` on `rows` images as the policy `image` makes them."""
    products, weights = (sum(part) for part in zip(*layers(config, image), strict=True))
    steps = math.ceil(rows / config["batch_size"])
    work = rows * products * OPERATIONS / (GFLOPS[config["name"]] * 1e9) + steps * weights * STEP_SECONDS
    most = config["epochs"]
    counted = past.epochs or PATIENCES * (config["patience"] or most)
    return Training(past.pace * work, min(counted, most) if config["patience"] else most, most)


def layers(config: Mapping[str, Any], image: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(multiplications of an image, weights) of each layer of a network of these options."""
    return _MULTIPLICATIONS[config["name"]](config, image)


def learnt(config: Mapping[str, Any], dataset: Mapping[str, Any], n: int) -> float:
    """About how many of the n images of a data set with the options `dataset` are learnt from."""
    split = dataset.get("split") or {}
    validation = split.get("validation") or 0.0
    train = 1.0 if config["fit"] == "all" else (1 - (split.get("test") or 0.0)) * (1 - validation)
    return n * train * (1.0 if validation and config["fit"] != "all" else 1 - config["validation"])


def past(records: Iterable[tuple[Mapping, Mapping, Mapping]], gpu: bool = False) -> Past:
    """What trainings of one family teach: records of features, policies of their images, records of
    their data sets.

    Those on another kind of device teach the epochs alone.
    """
    paces, epochs = [], []
    for features, image, dataset in records:
        told, about = features["info"]["training"], features["provenance"]
        rows = learnt(features["config"], dataset["config"], features["arrays"]["features"]["shape"][0])
        model = of(features["config"], image, rows).work * told["epochs"]
        if gpu != str(about["device"]).startswith("cpu") and told["seconds"]:
            paces.append(told["seconds"] * (1 if gpu else about["threads"]) / model)
        if told["epochs"] < features["config"]["epochs"]:
            epochs.append(told["epochs"])
    return Past(_middle(paces) or (1 / GPU if gpu else 1.0), math.ceil(_middle(epochs)) or None)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def _dense(config: Mapping[str, Any], image: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Dense layers from the pixels to the code; the decoder mirrors the encoder."""
    widths = [image["size"] ** 2 * _colours(image), *config["widths"]]
    return [(a * b, a * b) for a, b in pairwise(widths)] * 2


def _convolutional(config: Mapping[str, Any], image: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Convolutions at the sides before each pooling, a dense layer to the code, and the same backwards."""
    channels, size = [_colours(image), *config["channels"]], image["size"]
    kernels = [KERNEL * a * b for a, b in pairwise(channels)]
    found = [(kernel * (size >> level) ** 2, kernel) for level, kernel in enumerate(kernels)]
    flat = channels[-1] * (size >> len(kernels)) ** 2 * config["code_width"]
    return [*found, (flat, flat)] * 2


def _colours(image: Mapping[str, Any]) -> int:
    return 1 if image["mode"] == "L" else 3


_MULTIPLICATIONS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], list[tuple[int, int]]]] = {
    "autoencoder": _dense,
    "conv_autoencoder": _convolutional,
}
