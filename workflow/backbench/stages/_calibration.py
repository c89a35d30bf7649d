"""Networks in int8: the images that one is calibrated on, and the network of a stage of features, made once.

Which images of the training split these are follows from their content and not from their order, so that the same
collection with the same split always gives the same network. It is kept in the scratch folder while features are
computed, so that a killed job goes on with the very network that made its first rows, and then with the features.
"""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from backbench.backbones import _quantised
from backbench.backbones._contract import Frozen
from backbench.backbones._quantised import CHECKED, Network
from backbench.datasets import TRAIN
from backbench.files import make_folder, write_bytes, write_text
from backbench.stage import Context, Inputs
from backbench.stages import pixels

log = logging.getLogger(__name__)

SALT = b"calibration"
ABOUT = "network.json"


def drawn(keys: np.ndarray, split: np.ndarray, count: int) -> np.ndarray:
    """Row numbers (m,) of at most `count` distinct training images, in an order that their content alone decides.

    Parameters
    ----------
    keys
        Digests (n, 32) uint8 that identify the image of each row.
    split
        The part (n,) that each row belongs to.
    """
    rows = np.flatnonzero(split == TRAIN)
    first = {keys[row].tobytes(): int(row) for row in rows[::-1]}
    ordered = sorted(first, key=lambda key: hashlib.sha256(SALT + key).digest())
    return np.array([first[key] for key in ordered[:count]], np.int64)


def network(
    module: Frozen[Any], params: Any, images: pixels.Prepared, inputs: Inputs, made_by: str, context: Context
) -> tuple[Network, dict[str, Any]]:
    """The network in int8, and facts about its calibration.

    An interrupted attempt that was `made_by` the same has left both. The network is compared with float32 on training
    images that it was not calibrated on (``held_out``), or on those of the calibration where there are no others.

    Raises
    ------
    ConfigError
        If it cannot be calibrated.
    """
    kept = _kept(context.scratch, made_by)
    if kept is not None:
        log.info("continuing with the network that was calibrated before")
        return kept
    rows = drawn(pixels.row_keys(inputs), inputs.array("dataset", "split"), params.calibration + CHECKED)
    chosen, others = rows[: params.calibration], rows[params.calibration :]
    held = others if len(others) else chosen
    name = module.__name__.rpartition(".")[2]
    log.info("calibrating %s on %d images", name, len(chosen))
    fewer = len(chosen) < params.calibration
    if fewer:
        words = "%s is calibrated on %d images instead of %d: the other training images are duplicates of these"
        log.warning(words, name, len(chosen), params.calibration)
    made, about = _quantised.calibrated(module, params, images[chosen], images[held], context)
    about |= {"held_out": len(others) > 0, "digest": made.digest} | ({"asked": params.calibration} if fewer else {})
    _keep(context.scratch, made, {"made_by": made_by, "about": about})
    return made, about


def _keep(folder: Path, made: Network, about: dict[str, Any]) -> None:
    """Write a network whole or not at all: what says that it is there comes last."""
    make_folder(folder)
    write_bytes(folder / _quantised.GRAPH, made.graph)
    write_bytes(folder / _quantised.WEIGHTS, made.weights)
    write_text(folder / ABOUT, json.dumps(about))


def _kept(folder: Path, made_by: str) -> tuple[Network, dict[str, Any]] | None:
    """The network of an earlier attempt; None where there is none, or it is damaged or was made by something else."""
    try:
        body = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        made = Network((folder / _quantised.GRAPH).read_bytes(), (folder / _quantised.WEIGHTS).read_bytes())
        right = body["made_by"] == made_by and body["about"]["digest"] == made.digest
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (made, dict(body["about"])) if right else None
