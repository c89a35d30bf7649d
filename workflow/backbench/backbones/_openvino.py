"""OpenVINO on the CPU (layer 1; imported when a network is opened).

The PyTorch network is traced and converted with its normalisation. Every lane has an infer request on a stream of one
core, so that features do not depend on the number of threads, as in :mod:`backbench.backbones._torch`; the first axis
is dynamic, which is as quick as a fixed one and takes batches of any size.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from backbench.backbones import _engine, _torch
from backbench.schema import ConfigError
from backbench.stage import Context

# OpenVINO sends usage statistics by this package unless it is absent.
sys.modules.setdefault("openvino_telemetry", None)

import openvino  # noqa: E402

CHANNELS = {"RGB": 3, "L": 1}
COSINE = 0.9999


def open(
    network: torch.nn.Module, normalise: Callable[[torch.Tensor], torch.Tensor], params: Any, context: Context
) -> _engine.Extractor:
    """The extractor of a network, checked against PyTorch on two images.

    Raises
    ------
    ConfigError
        If the network cannot be converted, or computes something else then.
    """
    prepared = _torch.Prepared(network, normalise).to(memory_format=torch.channels_last)
    size = params.image.size
    trial = np.random.default_rng(0).integers(0, 256, (2, size, size, CHANNELS[params.image.mode]), np.uint8)
    try:
        compiled = _compiled(prepared, trial, max(1, context.threads))
        lanes = [_Lane(compiled) for _ in range(max(1, context.threads))]
        extractor = _engine.Extractor(lanes, "cpu")
        found = extractor(trial)
    except Exception as error:  # the tracer and the converter raise dozens of kinds for what they do not know
        raise _refusal(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from error
    with torch.inference_mode():
        expected = prepared(torch.from_numpy(trial)).numpy()
    if found.shape != expected.shape or _cosine(found, expected).min() < COSINE:
        raise _refusal("its features are not those of PyTorch")
    return extractor


class _Lane:
    """An infer request, which works on one batch at a time."""

    def __init__(self, compiled: openvino.CompiledModel):
        self.request = compiled.create_infer_request()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        # A copy of the result: the request writes its next one to the same place.
        self.request.infer([np.ascontiguousarray(images)], share_inputs=True)
        return np.array(self.request.get_output_tensor(0).data, dtype=np.float32)


def _compiled(prepared: torch.nn.Module, trial: np.ndarray, threads: int) -> openvino.CompiledModel:
    with _logging_kept(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's own deprecation, and constants that it is right about
        model = openvino.convert_model(prepared, example_input=torch.from_numpy(trial))
    model.reshape([-1, *trial.shape[1:]])
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        # Jobs beside each other would be pinned to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.Core().compile_model(model, "CPU", options)


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """OpenVINO's converter holds the root logger at errors, and leaves it so where it fails."""
    root = logging.getLogger()
    level, filters, handlers = root.level, root.filters[:], root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters[:], root.handlers[:] = filters, handlers


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(lengths > 0, (a * b).sum(axis=1) / np.maximum(lengths, 1e-30), np.abs(a - b).max(axis=1) == 0)


def _refusal(reason: str) -> ConfigError:
    return ConfigError(f"OpenVINO cannot run this network ({reason}); give backbone.engine=torch.")
