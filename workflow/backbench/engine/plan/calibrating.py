"""Networks in int8 when a sweep is planned: what they depend on, and where there can be none."""

from collections.abc import Iterable, Mapping
from typing import Any

from backbench.backbones import _quantised
from backbench.engine.grid import Stage
from backbench.schema import ConfigError

# As few images calibrate a network.
LEAST = 10
OTHERS = "backbone.precision=bfloat16 or float32"


def shared_with(params: Any, dataset: Stage) -> list[str]:
    """The data set with its split, outside which features in int8 are no use: their network was calibrated on it."""
    return [dataset.hash] if _quantised.wanted(params) else []


def refuse_few(name: str, params: Any, train: int) -> None:
    """Refuse a network that there are too few training images for.

    Raises
    ------
    ConfigError
        With the way out.
    """
    if _quantised.wanted(params) and train < params.calibration:
        fewer = f", or backbone.calibration={train}" if train >= LEAST else ""
        raise ConfigError(
            f"backbone={name}: int8 is calibrated on {params.calibration} training images, and there are {train}; "
            f"give {OTHERS}{fewer}."
        )


def refuse_other_splits(features: Stage, split: Mapping[str, Any]) -> None:
    """Refuse another split than that of the data set, whose training images calibrated the network.

    Raises
    ------
    ConfigError
        With the way out.
    """
    if split and _in_int8(features):
        raise ConfigError(
            f"split: backbone={features.family} in int8 is calibrated on the training images of one split, which are "
            f"test images of others. Give {OTHERS}, or leave split.repeats and split.folds out."
        )


def refuse_parts(name: str, parts: Iterable[Stage]) -> None:
    """Refuse networks in int8 side by side with others.

    Raises
    ------
    ConfigError
        With the way out.
    """
    if any(map(_in_int8, parts)):
        raise ConfigError(f"backbone={name}: received a part in int8; give the parts precision=bfloat16 or float32.")


def refuse_judge(name: str, params: Any) -> None:
    """Refuse a judge in int8, which sees a sample of the images alone.

    Raises
    ------
    ConfigError
        With the way out.
    """
    if _quantised.wanted(params):
        raise ConfigError(f"selection.judges: received {name!r} in int8; allowed: float32 or bfloat16.")


def _in_int8(stage: Stage) -> bool:
    return bool(stage.config["precision"] == _quantised.INT8)
