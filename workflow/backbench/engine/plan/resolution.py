"""What it costs to give a network fewer pixels than its weights were made for."""

import functools
from typing import Any

import yaml

from backbench import paths

# Width and height of the known collections that are arrays of pixels. Where images are no larger than what a network
# is given, they lose nothing.
SIDES = {"fashion_mnist": 28, "mnist": 28, "cifar10": 32, "stl10": 96}
COST = (
    "measured with EfficientNet-Lite0 at 96 instead of 224 pixels, means over 13 collections: k-means 0.53 instead of "
    "0.64 AMI, 1-NN 80 % instead of 85 % right"
)


def notice(name: str, params: Any, dataset: str) -> str | None:
    """What is lost with the `params` of a backbone on a data set, in a sentence; None if its images may lose nothing.

    The size that weights were made for is the one in the YAML file of the backbone.
    """
    size, made_for = params.image.size, own_size(name)
    if made_for is None or size >= made_for or size >= SIDES.get(dataset, made_for):
        return None
    if getattr(params, "weights", "random") == "random":
        return None
    return (
        f"{name} gets {size} pixels, and its weights were made for {made_for}, which photographs need ({COST}). "
        "Without backbone.image.size, on the command line and in the experiment, it gets its own size."
    )


@functools.cache
def own_size(name: str) -> int | None:
    """The size in the YAML file of a backbone with weights; None where it has none, or the model decides."""
    options = yaml.safe_load((paths.conf() / "backbone" / f"{name}.yaml").read_text(encoding="utf-8"))
    return options["image"]["size"] if "weights" in options else None
