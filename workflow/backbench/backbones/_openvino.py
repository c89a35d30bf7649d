"""OpenVINO on the CPU (imported when a network is opened).

The PyTorch network is traced and converted together with its normalisation. Every lane has an infer request on a stream
of one core, so that features do not depend on the number of threads, as in :mod:`backbench.backbones._torch`. The first
axis is dynamic, which is nearly as fast as a fixed one and allows batches of any size.

In bfloat16 it is the same network, whose float32 features are checked as well; the weights and activations of its
layers are rounded to 8 significant bits, and sums are kept in float32. For int8, `_quantised` makes another network.
"""

import contextlib
import ctypes
import importlib.metadata
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backbench.backbones import _agreement, _processor, _torch
from backbench.backbones._extractor import Extractor, Uncalibrated
from backbench.schema import ConfigError
from backbench.stage import Context

# OpenVINO sends usage statistics through this package unless it is absent. An entry of None makes an import fail.
modules: dict[str, Any] = sys.modules
modules.setdefault("openvino_telemetry", None)


def _share_tbb() -> None:
    """Load the TBB that scikit-learn-intelex comes with, if it is installed.

    A process has one library of that name, and oneDAL does not load with the older one that OpenVINO brings along.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, OSError):
        for file in importlib.metadata.files("tbb") or []:
            if file.name == "libtbb.so.12":
                ctypes.CDLL(str(file.locate()))


_share_tbb()
import openvino  # noqa: E402

CHANNELS = {"RGB": 3, "L": 1}
HINTS = {"float32": "f32", "bfloat16": "bf16"}
# Least cosine between the features of an image and those of PyTorch in float32. Rounding to bfloat16 took noise through
# EfficientNet-Lite0 to 0.996; what is not even so near is not the same network.
COSINE = {"float32": 0.9999, "bfloat16": 0.95}


def open(
    network: torch.nn.Module, normalise: Callable[[torch.Tensor], torch.Tensor], params: Any, context: Context
) -> Extractor:
    """The extractor of a network, checked against PyTorch on two images.

    Raises
    ------
    ConfigError
        If the network cannot be converted, or its features change by that.
    """
    prepared = _torch.Prepared(network, normalise).to(memory_format=torch.channels_last)
    size = params.image.size
    trial, other = np.random.default_rng(0).integers(0, 256, (2, 2, size, size, CHANNELS[params.image.mode]), np.uint8)
    _check_processor(params.precision)
    precisions = [precision for precision in dict.fromkeys(("float32", params.precision)) if precision in HINTS]
    try:
        model = _converted(prepared, other)
        extractors = {precision: _extractor(model, precision, context) for precision in precisions}
        features = {precision: extract(trial) for precision, extract in extractors.items()}
    except Exception as error:  # the tracer and the converter raise many kinds for networks that they do not support
        raise _refusal(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from error
    with torch.inference_mode():
        expected = prepared(torch.from_numpy(trial)).numpy()
    for precision, rows in features.items():
        # Not "<": features that are not finite may have a cosine of NaN, and no number is greater than it.
        if rows.shape != expected.shape or not _agreement.cosine(rows, expected).min() >= COSINE[precision]:
            raise _refusal(f"its features in {precision} differ from those of PyTorch, or are not finite")
    return extractors.get(params.precision) or Uncalibrated(model, extractors["float32"])


class _Lane:
    """An infer request, which works on one batch at a time."""

    def __init__(self, compiled: openvino.CompiledModel):
        self.request = compiled.create_infer_request()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (n, d) float32 of images (n, h, w, c) uint8."""
        # A copy of the result: the request writes the next one to the same memory.
        self.request.infer([np.ascontiguousarray(images)], share_inputs=True)
        return np.array(self.request.get_output_tensor(0).data, dtype=np.float32)


def _converted(prepared: torch.nn.Module, example: np.ndarray) -> openvino.Model:
    """The network for images like `example` (n, h, w, c) uint8, as many as there are."""
    images = torch.from_numpy(example)
    trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace  # it has no annotations
    with _logging_kept(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer is deprecated, and it warns of constants that are meant
        # The features are checked on other images, which the tracer's own check would not do; it takes a second.
        traced = trace(prepared, images, check_trace=False)
        model = openvino.convert_model(traced, example_input=images)
    model.reshape([-1, *example.shape[1:]])
    return model


def write(model: openvino.Model, folder: Path) -> tuple[bytes, bytes]:
    """A network as `read` takes it: its graph as XML, and its numbers. Files in `folder` are what it goes through."""
    graph = folder / "network.xml"
    openvino.save_model(model, graph, compress_to_fp16=False)
    return graph.read_bytes(), graph.with_suffix(".bin").read_bytes()


def read(graph: bytes, weights: bytes, context: Context) -> Extractor:
    """The extractor of a network that OpenVINO wrote; what is rounded in it is computed in integers.

    Raises
    ------
    ConfigError
        If this processor has no instructions for that: a job may run where nobody planned.
    """
    _check_processor("int8")
    return _extractor(openvino.Core().read_model(graph, weights), "float32", context)


def _extractor(model: openvino.Model, precision: str, context: Context) -> Extractor:
    """The model compiled, with a lane and a stream for each thread."""
    threads = max(1, context.threads)
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        # Otherwise, concurrent jobs would be pinned to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(model, "CPU", options)
    return Extractor([_Lane(compiled) for _ in range(threads)], "cpu")


def computes_in(precision: str) -> bool:
    """Whether OpenVINO computes in that precision on this processor, and not in float32 without a word.

    It names int8 on any processor; without instructions for it, sums of products overflow on some.
    """
    if precision == "int8":
        return _processor.native(precision)
    return precision != "bfloat16" or "BF16" in _capabilities()


def _capabilities() -> list[str]:
    able: list[str] = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return able


def _check_processor(precision: str) -> None:
    """Refuse a precision that OpenVINO would not compute in on this processor: a job may run where nobody planned."""
    if not computes_in(precision):
        raise ConfigError(
            f"these features are planned in {precision} by OpenVINO, which does not compute in it on this processor "
            f"({', '.join(_capabilities())}). Compute them on a machine with {_processor.NEEDS[precision]}; a new "
            "sweep can have backbone.precision=float32 or backbone.engine=torch, whose features are others."
        )


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """Restore the root logger, which OpenVINO's converter restricts to errors, and leaves like that if it fails."""
    root = logging.getLogger()
    level, filters, handlers = root.level, root.filters[:], root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters[:], root.handlers[:] = filters, handlers


def _refusal(reason: str) -> ConfigError:
    return ConfigError(f"OpenVINO cannot run this network ({reason}); give backbone.engine=torch.")
