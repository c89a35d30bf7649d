"""Networks in int8: calibrated by NNCF, run by OpenVINO (imported inside functions only).

The network that OpenVINO runs in float32 is quantised after its training: weights are rounded to 8 bits by channel,
activations by tensor, between bounds that calibration images give. What comes out is a network of its own, which is
kept with its features: whoever has it needs neither the calibration images nor the weights.

NNCF is by the makers of OpenVINO. The networks of ONNX Runtime's quantiser are as near to float32, but OpenVINO 2026.4
does not compute those of MobileNetV2 and InceptionV3 as they are written.
"""

import contextlib
import importlib.util
import io
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.backbones._contract import Frozen
from backbench.backbones._extractor import Extractor, Uncalibrated
from backbench.schema import ConfigError
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

INT8 = "int8"
# Images whose features are compared with those in float32, and the least median of their cosines: EfficientNet-Lite0
# has 0.98 on Fashion-MNIST and 0.95 on noise. What is not even so near is not the same network.
CHECKED, COSINE = 32, 0.9
# The arrays that a network is stored as.
GRAPH, WEIGHTS = "network", "network_weights"


@dataclass(frozen=True)
class Network:
    """A network in int8, as OpenVINO writes it: its graph as XML, and its numbers."""

    graph: bytes
    weights: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of both."""
        return hashing.digest([hashing.array_digest(array) for array in self.arrays().values()])

    def arrays(self) -> "dict[str, np.ndarray]":
        """Both as arrays (bytes,) uint8, as they are stored beside the features."""
        import numpy as np

        return {GRAPH: np.frombuffer(self.graph, np.uint8), WEIGHTS: np.frombuffer(self.weights, np.uint8)}

    @classmethod
    def of(cls, arrays: Any) -> "Network":
        """The network in a mapping from names to arrays (bytes,) uint8."""
        return cls(arrays[GRAPH].tobytes(), arrays[WEIGHTS].tobytes())


def wanted(params: Any) -> bool:
    """Whether the options of a backbone ask for a network in int8."""
    return getattr(params, "precision", None) == INT8


def missing() -> bool:
    """Whether the package that calibrates is not installed."""
    return importlib.util.find_spec("nncf") is None


def calibrated(
    module: Frozen[Any], params: Any, images: "np.ndarray", held: "np.ndarray", context: Context
) -> tuple[Network, dict[str, Any]]:
    """The network of a backbone in int8, and how far its features agree with those in float32.

    Parameters
    ----------
    module, params
        The plugin of the backbone and its options.
    images
        The images (n, h, w, c) uint8 that it is calibrated on.
    held
        Images (m, h, w, c) uint8 that it is compared on.

    Returns
    -------
    tuple
        The network, and ``images``, ``compared``, ``cosine_median`` and ``cosine_least``.

    Raises
    ------
    ConfigError
        If NNCF is not installed, or the network cannot be quantised or is no longer the same after that.
    """
    import numpy as np

    from backbench.backbones import _agreement

    if missing():
        raise ConfigError('calibrating a network in int8 needs nncf, not installed: pip install "backbench[int8]".')
    opened = module.open(params, context)
    assert isinstance(opened, Uncalibrated), "engines that know int8 say so"
    network = _quantise(opened.model, images)
    cosines = _agreement.cosine(open(network, context)(held), opened.exact(held))
    median = float(np.median(cosines))
    # Not "<": features that are not finite may have a cosine of NaN, and no number is greater than it.
    if not median >= COSINE:
        raise ConfigError(
            f"this network cannot be computed in int8 (on {len(held)} images the median cosine of its features and "
            f"those in float32 is {median:.2f}); give backbone.precision=bfloat16 or float32."
        )
    about = {"images": len(images), "compared": len(held)}
    return network, about | {"cosine_median": round(median, 5), "cosine_least": round(float(cosines.min()), 5)}


def open(network: Network, context: Context) -> Extractor:
    """The extractor of a network, with a lane for each thread.

    Raises
    ------
    ConfigError
        If this processor has no instructions for it: a job may run where nobody planned.
    """
    from backbench.backbones import _openvino

    return _openvino.read(network.graph, network.weights, context)


def _quantise(model: Any, images: "np.ndarray") -> Network:
    """A model of OpenVINO in int8, calibrated on `images` (n, h, w, c) uint8."""
    from backbench.backbones import _openvino  # before NNCF, which would load OpenVINO with a TBB of its own

    with _quiet():
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

        # By default, weights have 7 bits where sums of products could overflow: on processors that are refused.
        options = AdvancedQuantizationParameters(overflow_fix=OverflowFix.DISABLE)
        single = nncf.Dataset([images[row : row + 1] for row in range(len(images))])
        rounded = nncf.quantize(model, single, subset_size=len(images), advanced_parameters=options)
    with tempfile.TemporaryDirectory(prefix="backbench-") as folder:
        return Network(*_openvino.write(rounded, Path(folder)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and notes of NNCF, which it writes to stdout and to its logger."""
    log = logging.getLogger("nncf")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        log.setLevel(level)
