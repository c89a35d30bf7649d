"""How long a backbone trains that learns from the images themselves: epochs x images x multiplications."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench import plugins
from backbench.backbones import _contract
from backbench.backbones._contract import Learner

# Forward, and backward to the weights and to the inputs: three passes of a multiplication and an addition each.
OPERATIONS = 6
# Adam reads and writes every weight at every step, on one core.
STEP_SECONDS = 4e-9
# A GPU is at least so many times as quick as one core.
GPU = 40.0
# Epochs that are counted where nothing similar has been trained: so many times the patience.
PATIENCES = 8


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
    name = config.get("name")
    return name in plugins.names("backbone") and isinstance(_contract.load(name), Learner)


def of(config: Mapping[str, Any], image: Mapping[str, Any], rows: float, past: Past = NOTHING) -> Training:
    """The training of a backbone with the options `config` on `rows` images as the policy `image` makes them."""
    products, weights = (sum(part) for part in zip(*layers(config, image), strict=True))
    steps = math.ceil(rows / config["batch_size"])
    work = rows * products * OPERATIONS / (_learner(config).CORE_GFLOPS * 1e9) + steps * weights * STEP_SECONDS
    most = config["epochs"]
    counted = past.epochs or PATIENCES * (config["patience"] or most)
    return Training(past.pace * work, min(counted, most) if config["patience"] else most, most)


def layers(config: Mapping[str, Any], image: Mapping[str, Any]) -> Sequence[tuple[int, int]]:
    """(multiplications of an image, weights) of each layer of a network of these options."""
    module = _learner(config)
    fields = {field.name for field in dataclasses.fields(plugins.load("backbone", config["name"]).Params)}
    options = {key: value for key, value in config.items() if key in fields}
    return module.layers(plugins.params("backbone", {**options, "name": config["name"], "image": image}))


def _learner(config: Mapping[str, Any]) -> Learner[Any]:
    module = _contract.load(config["name"])
    assert isinstance(module, Learner), f"{config['name']} is not trained"
    return module


def learnt(config: Mapping[str, Any], dataset: Mapping[str, Any], n: int) -> float:
    """About how many of the n images of a data set with the options `dataset` are learnt from."""
    split = dataset.get("split") or {}
    validation = split.get("validation") or 0.0
    train = 1.0 if config["fit"] == "all" else (1 - (split.get("test") or 0.0)) * (1 - validation)
    return n * train * (1.0 if validation and config["fit"] != "all" else 1 - config["validation"])


def past(records: Iterable[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]], gpu: bool = False) -> Past:
    """What trainings of one family teach: records of features, policies of their images, records of
    their data sets.

    Those on another kind of device teach the epochs alone.
    """
    paces, epochs = [], []
    for features, image, dataset in records:
        history, about = features["info"]["training"], features["provenance"]
        rows = learnt(features["config"], dataset["config"], features["arrays"]["features"]["shape"][0])
        model = of(features["config"], image, rows).work * history["epochs"]
        if gpu != str(about["device"]).startswith("cpu") and history["seconds"]:
            paces.append(history["seconds"] * (1 if gpu else about["threads"]) / model)
        if history["epochs"] < features["config"]["epochs"]:
            epochs.append(history["epochs"])
    return Past(_middle(paces) or (1 / GPU if gpu else 1.0), math.ceil(_middle(epochs)) or None)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
