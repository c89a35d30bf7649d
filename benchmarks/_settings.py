"""OpenVINO's settings in float32 beside those of the package: how quick, and whether the features are the same."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import _bare
import _rounding
import numpy as np

from backbench.stage import Context

Ours = dict[str, Any]
# What differs from the package: a fixed first axis, options of OpenVINO, lanes, and the number of requests in a queue.
SETTINGS: dict[str, Ours] = {
    "as the package": {},
    "batches of 1": {"batch": 1},
    "batches of 8": {"batch": 8},
    "batches of 16": {"batch": 16},
    "fixed first axis": {"fixed": True},
    "fixed first axis, batches of 8": {"fixed": True, "batch": 8},
    "one stream of all cores": {"options": {"NUM_STREAMS": 1}, "lanes": 1},
    "one stream of all cores, batches of 16": {"options": {"NUM_STREAMS": 1}, "lanes": 1, "batch": 16},
    "hint THROUGHPUT, queue of 4": {"options": {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": None}, "queue": 4},
    "hint LATENCY": {"options": {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": None}, "lanes": 1},
    "queue of 4 requests": {"queue": 4},
    "pinned cores": {"options": {"ENABLE_CPU_PINNING": True}},
}
OPENING = """
import sys, time
import torch
from backbench.backbones import _openvino
import _rounding
trace = torch.jit.trace
if sys.argv[1] == "checked":
    torch.jit.trace = lambda *args, **kwargs: trace(*args, **{**kwargs, "check_trace": True})
print(_rounding.Opened("efficientnet_lite0", _rounding.options("efficientnet_lite0", 96), "float32", 2, None).opening)
"""


def ways(name: str, size: int, threads: int, images: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """A function for each setting that gives the features (n, d) of `images` (n, size, size, 3)."""
    from backbench.backbones import _openvino, _torch

    asked = _rounding.options(name, size)
    model = _openvino._converted(_torch.Prepared(*_bare.network(name, asked, Context())), images[:2])
    least = _rounding._engine.batch(asked, "cpu", 32)
    return {title: _way(model, least, threads, images, **about) for title, about in SETTINGS.items()}


def _way(
    model: Any,
    size: int,
    threads: int,
    images: np.ndarray,
    *,
    batch: int | None = None,
    fixed: bool = False,
    options: Ours | None = None,
    lanes: int | None = None,
    queue: int | None = None,
) -> Callable[[], np.ndarray]:
    from backbench.backbones._openvino import openvino

    size, model = batch or size, model.clone()
    model.reshape([size if fixed else -1, *images.shape[1:]])
    ours: Ours = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads}
    ours |= {"ENABLE_CPU_PINNING": False, **(options or {})}
    ours = {key: value for key, value in ours.items() if value is not None}
    compiled = openvino.Core().compile_model(model, "CPU", ours)
    batches = np.split(images, len(images) // size)
    if queue:
        return lambda: _queued(openvino.AsyncInferQueue(compiled, queue), batches)
    from backbench.backbones import _openvino
    from backbench.backbones._extractor import Extractor

    extract = Extractor([_openvino._Lane(compiled) for _ in range(lanes or threads)], "cpu")

    def work() -> np.ndarray:
        with ThreadPoolExecutor(extract.lanes) as pool:
            return np.concatenate(list(pool.map(extract, batches)))

    return work


def _queued(requests: Any, batches: list[np.ndarray]) -> np.ndarray:
    """Features (n, d) by a queue of asynchronous requests."""
    rows: list[Any] = [None] * len(batches)

    def keep(request: Any, place: int) -> None:
        rows[place] = np.array(request.get_output_tensor(0).data)

    requests.set_callback(keep)
    for place, images in enumerate(batches):
        requests.start_async([images], place, share_inputs=True)
    requests.wait_all()
    return np.concatenate(rows)


def seconds(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def opening(way: str) -> float:
    """Seconds of opening EfficientNet-Lite0 in a process that has loaded torch, ``checked`` by the tracer or not."""
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", OPENING, way], capture_output=True, text=True, check=True, cwd=here)
    return float(done.stdout.split()[-1])
