"""Any node of a torchvision model as a feature layer (imports torch inside functions).

Nodes are those of ``torchvision.models.feature_extraction.get_graph_node_names`` in evaluation mode. ``pool`` turns the
output of a node into one vector per image:

- ``avg``, ``max``: over the positions of a map, or over the tokens of a sequence (n, tokens, width). Images are square,
  so the two equal sides of a map are its positions: (n, channels, h, w), or (n, h, w, channels) inside Swin.
- ``flatten``: all values of an image, in order.
- ``none``: the output already is vectors.
"""

import functools
import math
from typing import TYPE_CHECKING, Any, Literal

from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    from torch import fx, nn

Pool = Literal["auto", "avg", "max", "flatten", "none"]
Options = tuple[tuple[str, Any], ...]
Shape = tuple[int, ...]
BATCH = 3


def build(name: str, options: Options) -> "nn.Module":
    """A torchvision model without weights, in evaluation mode."""
    from torchvision import models

    return models.get_model(name, weights=None, **dict(options)).eval()


def cut(network: "nn.Module", node: str) -> "fx.GraphModule":
    """The part of `network` up to `node`; it shares the parameters and returns ``{"out": values}``."""
    from torch import fx
    from torchvision.models.feature_extraction import create_feature_extractor

    both = create_feature_extractor(network.eval(), {node: "out"}, suppress_diff_warning=True)
    # Only the graph of evaluation: no auxiliary classifiers, and nothing that depends on the mode.
    return fx.GraphModule(both, both.eval_graph).eval()


def pooled(network: "fx.GraphModule", shape: Shape, pool: str) -> "nn.Module":
    """The module from images to vectors; `shape` is the output shape of the node for one image."""
    from torch import nn

    axes = _places(shape)

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Any) -> Any:
            values = self.network(x)["out"]
            if pool == "avg":
                return values.mean(axes)
            return values.amax(axes) if pool == "max" else values.flatten(1)

    return Pooled().eval()


def columns(shape: Shape, pool: str) -> int:
    """Number of features of a node whose output for one image has `shape`."""
    if pool in ("flatten", "none"):
        return math.prod(shape)
    return math.prod(side for axis, side in enumerate(shape, 1) if axis not in _places(shape))


def settled(where: str, layer: str, dimensions: int, pool: Pool) -> Pool:
    """`pool` for a layer whose output for one image has so many dimensions; ``auto`` becomes ``avg`` or ``none``.

    Raises
    ------
    ConfigError
        If there is nothing to pool, or something that must be pooled.
    """
    if dimensions == 1:
        allowed: tuple[str, ...] = ("auto", "none")
    elif dimensions in (2, 3):
        allowed = ("auto", "avg", "max", "flatten")
    else:
        allowed = ("flatten",)
    if pool not in allowed:
        gives = "vectors" if dimensions == 1 else f"{dimensions}-dimensional values for each image"
        raise ConfigError(
            f"{where}.pool: received {pool!r}; allowed: {', '.join(allowed)}, because {layer!r} gives {gives}."
        )
    return pool if pool != "auto" else "none" if dimensions == 1 else "avg"


@functools.cache
def names(name: str, options: Options) -> tuple[str, ...]:
    """All nodes of a model."""
    from torchvision.models.feature_extraction import get_graph_node_names

    return tuple(get_graph_node_names(outline(name, options), suppress_diff_warning=True)[1])


@functools.cache
def shape(where: str, name: str, options: Options, node: str, size: int, known: tuple[str, ...] = ()) -> Shape:
    """Output shape of `node` for one image of `size` pixels, found without computing anything.

    Raises
    ------
    ConfigError
        If there is no such node (names the nearest, and the `known` names), it gives no values per image, or the model
        does not accept images of this size.
    """
    import torch

    if node not in names(name, options):
        raise refuse(f"{where}.layer", node, (*known, *names(name, options)))
    try:
        with torch.inference_mode():
            output = cut(outline(name, options), node)(torch.empty(BATCH, 3, size, size, device="meta"))["out"]
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{where}: {name} does not accept images of {size} pixels: {error}") from error
    if not isinstance(output, torch.Tensor) or output.ndim < 2 or len(output) != BATCH:
        raise ConfigError(f"{where}.layer: received {node!r}, which gives no values per image; allowed: other nodes.")
    return tuple(output.shape[1:])


def last_linear_input(name: str, options: Options) -> str | None:
    """The node before the last fully connected layer and its dropout: a classifier's features. None without one."""
    from torch import fx, nn

    modules = dict(outline(name, options).named_modules())
    nodes = _named(name, options)
    linear = [node for node in nodes.values() if isinstance(modules.get(str(node.target)), nn.Linear)]
    if not linear:
        return None
    before = linear[-1].args[0]
    while isinstance(before, fx.Node) and isinstance(modules.get(str(before.target)), nn.Dropout):
        before = before.args[0]
    return next(word for word, node in nodes.items() if node is before)


def _named(name: str, options: Options) -> "dict[str, fx.Node]":
    """All nodes of a model by torchvision's names, in order, as an extractor of all of them maps them."""
    from torchvision.models.feature_extraction import create_feature_extractor

    every = {word: word for word in names(name, options)}
    extractor = create_feature_extractor(outline(name, options), every, suppress_diff_warning=True)
    return next(node for node in extractor.eval_graph.nodes if node.op == "output").args[0]


@functools.cache
def outline(name: str, options: Options) -> "nn.Module":
    """The model without memory for its parameters."""
    import torch

    try:
        with torch.device("meta"):
            return build(name, options)
    except NotImplementedError:  # a builder that computes its widths with tensors
        return build(name, options).to("meta")


def _places(shape: Shape) -> tuple[int, ...]:
    """Axes of a batch that are positions in an image, given the output shape for one image."""
    if len(shape) == 3:
        return (1, 2) if shape[0] == shape[1] != shape[2] else (2, 3)
    return (1,) if len(shape) == 2 else ()
