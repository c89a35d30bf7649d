"""Images per second of the extractor on a device, end to end and of the bare forward pass.

End to end is what the stage ``features`` does: uint8 images in ordinary memory, through `backbench.stages._extraction`
and the lanes of `backbench.backbones._torch` (page-locked memory, device, normalisation, network), to a file of
features. The bare pass calls the same network, normalisation included, with one batch that lies on the device.
"""

import gc
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import _networks
import numpy as np
from _gpu_machine import lacking, wait
from _gpu_plan import BARS, configurations

from backbench.backbones import _engine, _normalise, _torch
from backbench.stage import Context
from backbench.stages import _extraction
from backbench.stages._partial import Partial

SIDE = {"full": 224, "small": 56, "tiny": 32}
# Different images that are held: a multiple of every batch.
HELD = {"full": 2048, "small": 32, "tiny": 16}
SECONDS = {"full": 0.5, "small": 0.1, "tiny": 0.02}
ROUNDS = {"full": 3, "small": 2, "tiny": 2}
# How much longer rounds end to end are: they have a beginning and an end, which may count even less beside a bar.
WHOLE, BARRED = 1.6, 4.0
# Seconds that a configuration is taken to need before there has been one of its engine.
GUESSES = {"torch": 6.0, "inductor": 40.0}


def measure(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One record for each configuration for which there is time."""
    device, size, clock = asked["device"], asked["size"], asked["clock"]
    images = np.random.default_rng(0).integers(0, 256, (HELD[size], SIDE[size], SIDE[size], 3), np.uint8)
    taken, reason = dict(GUESSES) if size == "full" else {}, lacking(device)
    for configuration in configurations(device, size):
        if reason and configuration[2] == "inductor":  # the page says so
            continue
        engine, name = configuration[2], " ".join(configuration)
        if clock.left() < taken.get(engine, 0.0) or not asked["begin"](name):
            continue
        start = time.perf_counter()
        yield _measured(configuration, images, asked)
        taken[engine] = time.perf_counter() - start


def warm(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Compile some of the networks, so that the kernels are in the cache on disk when they are measured."""
    size = asked["size"]
    images = np.zeros((HELD[size], SIDE[size], SIDE[size], 3), np.uint8)
    for name, precision in asked["networks"]:
        extract, batch, _ = _opened((name, precision, "inductor"), asked)
        start = time.perf_counter()
        extract(images[:batch])
        yield {"compiled": name, "precision": precision, "seconds": time.perf_counter() - start}


def _opened(configuration: tuple[str, str, str], asked: dict[str, Any]) -> tuple[Any, int, Context]:
    name, precision, engine = configuration
    side = SIDE[asked["size"]]
    params = SimpleNamespace(engine=engine, precision=precision, image=SimpleNamespace(size=side))
    context = Context(device=asked["device"], threads=asked["threads"] if asked["device"] != "cpu" else 1)
    network = _networks.build(name, side)
    extract = _torch.open(network, _normalise.named("imagenet"), params, context)
    return extract, min(_engine.batch(params, asked["device"], 4), HELD[asked["size"]]), context


def _measured(configuration: tuple[str, str, str], images: np.ndarray, asked: dict[str, Any]) -> dict[str, Any]:
    name, precision, engine = configuration
    barred = BARS.get(name) if engine == "inductor" and precision != "float32" else None
    _emptied(asked["device"])
    start = time.perf_counter()
    extract, batch, context = _opened(configuration, asked)
    opening, start = time.perf_counter() - start, time.perf_counter()
    width = extract(images[:batch]).shape[1]
    first = time.perf_counter() - start
    _reset_peak(asked["device"])
    used = stretch(extract, Repeated(images, 2 * batch * extract.lanes), batch, width, context)
    bare = Bare(extract, images, used["batch_size"], asked["device"])
    seconds, speeds, bares = SECONDS[asked["size"]], [], []
    longer = seconds * (BARRED if barred else WHOLE)
    count = max(2 * batch, int(longer * bare.speed(seconds / 4)) // batch * batch)
    for _ in range(ROUNDS[asked["size"]]):
        bares.append(bare.speed(seconds))
        begin = time.perf_counter()
        used = stretch(extract, Repeated(images, count), batch, width, context)
        speeds.append(count / (time.perf_counter() - begin))
    return {
        **{"network": name, "precision": precision, "engine": engine, "batch": used["batch_size"], "images": count},
        **{"rounds": speeds, "bare": bares, "opening_s": opening, "first_batch_s": first},
        **{"peak_gib": _peak(asked["device"]), "others": _others(configuration, bare, seconds, asked["device"])},
        "bar": barred,
    }


class Repeated:
    """`count` images (h, w, c) uint8: those of an array, again and again."""

    def __init__(self, images: np.ndarray, count: int):
        self._images, self.shape = images, (count, *images.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Images (m, h, w, c); a view where they lie together."""
        held = len(self._images)
        start, stop = rows.start % held, rows.start % held + rows.stop - rows.start
        return self._images[start:stop] if stop <= held else self._images[np.arange(start, stop) % held]

    def release(self) -> None:
        """Nothing is mapped."""


def stretch(extract: Any, images: Any, batch: int, width: int, context: Context) -> dict[str, Any]:
    """Features (n, width) of all images, in a file; what of the context was used."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Partial(Path(folder), (len(images), width), "float32", "speed", lambda done, total: None) as partial,
    ):
        return _extraction.run(partial, images, extract, batch, context)


class Bare:
    """The network of an extractor on one batch that lies on the device."""

    def __init__(self, extract: Any, images: np.ndarray, batch: int, device: str):
        import torch

        lane = extract._free.get()
        extract._free.put(lane)
        self._run, self._device, self._count = getattr(lane, "run", lane), device, batch
        self._batch = torch.from_numpy(images[:batch].copy()).to(device)

    def speed(self, seconds: float) -> float:
        """Images per second over at least so many seconds, after one batch that does not count."""
        self._timed(1)
        batches = 1
        while True:
            elapsed = self._timed(batches)
            if elapsed > seconds / 2:
                break
            batches = max(2 * batches, int(batches * seconds / max(elapsed, 1e-6)))
        return batches * self._count / elapsed

    def _timed(self, batches: int) -> float:
        wait(self._device)
        start = time.perf_counter()
        for _ in range(batches):
            self._run.features(self._batch)
        wait(self._device)
        return time.perf_counter() - start


def _others(configuration: tuple[str, str, str], bare: Bare, seconds: float, device: str) -> dict[str, float]:
    """The bare pass with what the engine leaves out for the sake of equal bits: what that costs."""
    import torch

    if device == "cpu" or configuration[2] != "torch":
        return {}
    backends = torch.backends
    before = backends.cudnn.benchmark, backends.cudnn.deterministic
    try:
        if configuration[1] == "float32":
            backends.cudnn.allow_tf32 = backends.cuda.matmul.allow_tf32 = True
            return {"TensorFloat-32": bare.speed(seconds)}
        if configuration[0] in BARS:
            backends.cudnn.benchmark, backends.cudnn.deterministic = True, False
            bare.speed(seconds / 4)
            return {"cuDNN's own trials": bare.speed(seconds)}
        return {}
    finally:
        backends.cudnn.allow_tf32 = backends.cuda.matmul.allow_tf32 = False
        backends.cudnn.benchmark, backends.cudnn.deterministic = before


def _emptied(device: str) -> None:
    """Free what networks before held on the device; compiled ones refer to themselves."""
    gc.collect()
    if device != "cpu":
        import torch

        torch.cuda.empty_cache()


def _reset_peak(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> float | None:
    """GiB of the device's memory that tensors took at most."""
    if device == "cpu":
        return None
    import torch

    return torch.cuda.max_memory_allocated() / 2**30
