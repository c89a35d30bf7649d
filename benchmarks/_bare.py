"""A network alone: the forward pass over images that lie in memory, in as many lanes as a job has."""

import functools
import itertools
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import yaml

from backbench import paths, plugins
from backbench.backbones import _engine
from backbench.stage import Context

SIZES = {"cpu": (4, 8, 16, 32), "cuda": (64, 128, 256, 512, 1024)}

# Runs one batch of a size.
Lane = Callable[[int], object]


class Counted:
    """Images that all lanes have computed so far."""

    images, guard = 0, threading.Lock()

    @classmethod
    def add(cls, count: int) -> None:
        with cls.guard:
            cls.images += count


def params(name: str, image: Mapping[str, Any], engine: str, device: str) -> Any:
    """The options of a backbone with random weights, for images that are prepared as `image` says."""
    values = yaml.safe_load((paths.conf() / "backbone" / f"{name}.yaml").read_text(encoding="utf-8"))
    asked = {"weights": "random", "engine": engine}
    values = {**values, **{key: value for key, value in asked.items() if key in values}, "image": dict(image)}
    module, made = plugins.load("backbone", name), plugins.params("backbone", values)
    return module.resolve(made, device) if hasattr(module, "resolve") else made


def member(name: str, asked: Any) -> dict[str, Any]:
    """The configuration of the features of a backbone, as a plan has it."""
    return {"name": name, **vars(asked), "image": vars(asked.image), **plugins.load("backbone", name).identity(asked)}


def network(name: str, asked: Any, context: Context) -> tuple[Any, Any]:
    """The network from normalised images to features, and what normalises float images of 0..255."""
    caught: list[tuple[Any, Any]] = []
    opened = _engine.open
    _engine.open = lambda network, normalise, *_: caught.append((network, normalise))
    try:
        plugins.load("backbone", name).open(asked, context)
    finally:
        _engine.open = opened
    return caught[0]


def lanes(name: str, asked: Any, context: Context) -> list[Lane]:
    """For each lane a function that runs one batch of a size through the network alone."""
    if not hasattr(asked, "engine"):
        return _plain_lanes(plugins.load("backbone", name), asked, context)
    make = _openvino_lanes if asked.engine == "openvino" else _torch_lanes
    return make(*network(name, asked, context), asked, context)


def best(lanes: Sequence[Lane], device: str, seconds: float, trials: int = 3) -> int:
    """The size of a batch that is quickest, after trials of some seconds each in turns."""
    sizes = SIZES["cpu" if device == "cpu" else "cuda"]
    speeds: dict[int, list[float]] = {size: [] for size in sizes}
    for _, size in itertools.product(range(trials), sizes):
        speeds[size].append(speed(lanes, size, seconds))
    return max(sizes, key=lambda size: statistics.median(speeds[size]))


def speed(lanes: Sequence[Lane], size: int, seconds: float) -> float:
    """Images per second of all lanes beside each other."""

    def work(lane: Lane) -> float:
        lane(size)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds or not count:
            lane(size)
            count += 1
        Counted.add((count + 1) * size)
        return count * size / (time.perf_counter() - start)

    with ThreadPoolExecutor(len(lanes)) as pool:
        return sum(pool.map(work, lanes))


def spend(lanes: Sequence[Lane], size: int, images: int) -> int:
    """Run `images` or a few more through the lanes, whoever is free taking the next batch; returns how many."""
    batches, count = iter(range(0, images, size)), -(-images // size) * size
    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(lambda lane: [lane(size) for _ in batches], lanes))
    return count


def _torch_lanes(network: Any, normalise: Any, asked: Any, context: Context) -> list[Lane]:
    import torch

    from backbench.backbones._torch import Prepared, Run

    run = Run(Prepared(network, normalise), torch.device(context.device), getattr(torch, asked.precision), False)
    run.module = run.module.network

    @functools.cache
    def batch(n: int) -> torch.Tensor:
        made = torch.zeros((n, 3, asked.image.size, asked.image.size), device=context.device)
        return made.contiguous(memory_format=torch.channels_last)

    def lane(n: int) -> None:
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        run.features(batch(n))
        if context.device != "cpu":
            torch.cuda.synchronize()

    return [lane] * (context.threads if context.device == "cpu" else 2)


def _openvino_lanes(network: Any, normalise: Any, asked: Any, context: Context) -> list[Lane]:
    from backbench.backbones import _openvino, _torch

    class Alone(_torch.Prepared):
        def forward(self, images: Any) -> Any:
            return self.network(images.permute(0, 3, 1, 2))

    size = asked.image.size
    model = _openvino._converted(Alone(network, normalise), np.zeros((2, size, size, 3), np.float32))
    extract = _openvino._extractor(model, asked.precision, context)
    batch = functools.cache(lambda n: np.zeros((n, size, size, 3), np.float32))
    return [lambda n: extract(batch(n))] * extract.lanes


def _plain_lanes(module: Any, asked: Any, context: Context) -> list[Lane]:
    """Of a backbone without an engine, which is arithmetic on the pixels."""
    extract, size = module.open(asked, context), asked.image.size
    batch = functools.cache(lambda n: np.zeros((n, size, size, module.CHANNELS[asked.image.mode]), np.uint8))
    return [lambda n: extract(batch(n))] * context.threads
