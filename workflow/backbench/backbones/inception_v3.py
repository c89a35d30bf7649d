"""Inception-v3: 2,048 features from the global average pool.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR 2016;
torchvision's model and weights (ImageNet-1k, ported from TensorFlow). The network expects pixels in -1..1. With
``normalise: imagenet`` torchvision's ``transform_input`` converts normalised pixels to that range, as its official
weights expect; ``symmetric`` gives the same pixels directly.

Keras excludes the padding from its average pools: weights from Keras need ``average_pool: keras`` and ``normalise:
symmetric``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

if TYPE_CHECKING:
    from torch import fx


@dataclass(frozen=True)
class Params(_torchvision.Params):
    """Options: those of every torchvision backbone, and whether padding counts in an average."""

    average_pool: Literal["torchvision", "keras"]


def _options(params: Params) -> dict[str, Any]:
    # torchvision's initialisation takes seconds, and weights from a file replace it.
    from_file = params.weights != "random"
    return {
        "aux_logits": True,
        "init_weights": not from_file,
        "transform_input": params.normalise == "imagenet",
    }


def _average_as_keras(network: "fx.GraphModule", params: Params) -> None:
    if params.average_pool == "keras":
        for node in network.graph.nodes:
            if node.op == "call_function" and node.target.__name__ == "avg_pool2d":
                node.kwargs = {**node.kwargs, "count_include_pad": False}
        network.recompile()


MODEL = Model(
    name="inception_v3",
    gflops=5.713,
    layers={
        "avgpool": Layer("flatten", 2048),
        "features": Layer("Mixed_7c.cat_2", 2048, MAP),
        "logits": Layer("fc", 1000),
    },
    weights={
        "IMAGENET1K_V1": "inception_v3_google-0cc3c7bd.pth",
    },
    options=_options,
    adjust=_average_as_keras,
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
