"""OpenVINO on the CPU (imported when a network is opened).

The PyTorch network is traced and converted together with its normalisation. Every lane has an infer request on a stream
of one core, so that features do not depend on the number of threads, as in :mod:`backbench.backbones._torch`. The first
axis is dynamic, which is as fast as a fixed one and allows batches of any size.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from backbench.backbones import _torch
from backbench.backbones._extractor import Extractor
from backbench.schema import ConfigError
from backbench.stage import Context

# OpenVINO sends usage statistics through this package unless it is absent. An entry of None makes an import fail.
modules: dict[str, Any] = sys.modules
modules.setdefault("openvino_telemetry", None)

import openvino  # noqa: E402

CHANNELS = {"RGB": 3, "L": 1}
COSINE = 0.9999


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
    trial = np.random.default_rng(0).integers(0, 256, (2, size, size, CHANNELS[params.image.mode]), np.uint8)
    try:
        compiled = _compiled(prepared, trial, max(1, context.threads))
        lanes = [_Lane(compiled) for _ in range(max(1, context.threads))]
        extractor = Extractor(lanes, "cpu")
        features = extractor(trial)
    except Exception as error:  # the tracer and the converter raise many kinds for networks that they do not support
        raise _refusal(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from error
    with torch.inference_mode():
        expected = prepared(torch.from_numpy(trial)).numpy()
    if features.shape != expected.shape or _cosine(features, expected).min() < COSINE:
        raise _refusal("its features differ from those of PyTorch")
    return extractor


class _Lane:
    """An infer request, which works on one batch at a time."""

    def __init__(self, compiled: openvino.CompiledModel):
        self.request = compiled.create_infer_request()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (n, d) float32 of images (n, h, w, c) uint8."""
        # A copy of the result: the request writes the next one to the same memory.
        self.request.infer([np.ascontiguousarray(images)], share_inputs=True)
        return np.array(self.request.get_output_tensor(0).data, dtype=np.float32)


def _compiled(prepared: torch.nn.Module, trial: np.ndarray, threads: int) -> openvino.CompiledModel:
    """The network compiled for images like `trial` (n, h, w, c) uint8, with as many streams as there are threads."""
    with _logging_kept(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer is deprecated, and it warns of constants that are meant
        model = openvino.convert_model(prepared, example_input=torch.from_numpy(trial))
    model.reshape([-1, *trial.shape[1:]])
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        # Otherwise, concurrent jobs would be pinned to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.Core().compile_model(model, "CPU", options)


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


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine (n,) between the rows of `a` (n, d) and `b` (n, d); 1 for two rows of zeros."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(lengths > 0, (a * b).sum(axis=1) / np.maximum(lengths, 1e-30), np.abs(a - b).max(axis=1) == 0)


def _refusal(reason: str) -> ConfigError:
    return ConfigError(f"OpenVINO cannot run this network ({reason}); give backbone.engine=torch.")
