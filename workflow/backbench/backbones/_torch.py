"""PyTorch, eager or compiled, on CPU cores or CUDA devices (layer 1; imported when a network is opened).

Inference mode, channels_last (the layout in which uint8 images already lie), float32 without TF32 or autocast to the
asked precision, deterministic cuDNN algorithms. The images are moved to the device as uint8 and normalised there.

On a CPU a call takes one core: batches beside each other use the others, which is quicker than cores that wait for each
other after every layer, by far so on a busy machine, and makes the features independent of the number of threads. A
CUDA device has two lanes: one stages its next batch in page-locked memory while the batch of the other is computed.
"""

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from backbench.backbones import _engine
from backbench.stage import Context

LANES = 2
NO_ROOM = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
LOST = ("CUDA error", "CUDA driver error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS")


class Prepared(torch.nn.Module):
    """From uint8 images (n, h, w, c) to float32 features (n, d): what every engine runs."""

    def __init__(self, network: torch.nn.Module, normalise: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__()
        self.network, self.normalise = network.eval(), normalise

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(self.normalise(images.permute(0, 3, 1, 2).float())).float()


def open(
    network: torch.nn.Module, normalise: Callable[[torch.Tensor], torch.Tensor], params: Any, context: Context
) -> _engine.Extractor:
    """The extractor of a network; the device ``cuda`` without a number is every one that there is."""
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    prepared, precision = Prepared(network, normalise), getattr(torch, params.precision)
    compiled = params.engine == "inductor"
    if context.device == "cpu":
        run = Run(prepared, torch.device("cpu"), precision, compiled)
        return _engine.Extractor([run] * max(1, context.threads), "cpu")
    with translated():
        # Each device has a network of its own.
        runs = [Run(copy.deepcopy(prepared), device, precision, compiled) for device in devices(context.device)]
        # Lanes of different devices alternate, so that the first batches go to all of them.
        lanes = [Lane(run) for _ in range(LANES) for run in runs]
    return _engine.Extractor(lanes, context.device)


class Run:
    """A network on one device, called with uint8 images that lie on the CPU."""

    def __init__(self, prepared: Prepared, device: torch.device, precision: torch.dtype, compiled: bool):
        self.device, self.precision, self.compiled = device, precision, compiled
        module = prepared.to(device, memory_format=torch.channels_last)
        self.module = _compile(module, device) if compiled else module
        self.turn, self.sizes = threading.Lock(), set[int]()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        # PyTorch keeps this number for each thread; to set it again would empty the caches of its kernels.
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        with translated():
            # A copy, for the images may be a read-only map of a file, which a tensor must not share.
            batch = torch.from_numpy(np.array(images, order="C"))
            # The first call of a size compiles, which is not for two threads at once.
            with self.turn if self.compiled and len(batch) not in self.sizes else contextlib.nullcontext():
                return self.features(batch).numpy()

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        """Features of a batch that lies on the device; on a CUDA device they may still be on their way."""
        # Freezing wants gradients off and knows no inference mode.
        mode = torch.no_grad() if self.compiled else torch.inference_mode()
        with mode, torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            rows = self.module(batch)
        self.sizes.add(len(batch))
        return rows


class Lane:
    """One batch at a time on its way to a CUDA device and back, through page-locked memory of its own."""

    def __init__(self, run: Run):
        self.run = run
        self.copying = torch.cuda.Stream(run.device)
        self.staged = self.landed = torch.empty(0)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        with translated(), torch.cuda.device(self.run.device), torch.no_grad():
            self.staged = _room(self.staged, images.shape, torch.uint8)
            np.copyto(self.staged.numpy(), images)
            self._compute()
            return self.landed.numpy().copy()

    def _compute(self) -> None:
        with torch.cuda.stream(self.copying):
            batch = self.staged.to(self.run.device, non_blocking=True)
        # In turn: of two batches whose kernels alternate, both are late.
        with self.run.turn:
            computing = torch.cuda.current_stream(self.run.device)
            computing.wait_stream(self.copying)
            features = self.run.features(batch)
            self.landed = _room(self.landed, features.shape, torch.float32)
            self.landed.copy_(features, non_blocking=True)
            done = computing.record_event()
        # `batch` is held until here: its memory belongs to the other stream, which would give it away.
        done.synchronize()


def _room(buffer: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Page-locked memory of a shape; `buffer` itself, or its beginning, where that is large enough."""
    if buffer.shape[1:] != shape[1:] or len(buffer) < shape[0]:
        return torch.empty(tuple(shape), dtype=dtype, pin_memory=torch.cuda.is_available())
    return buffer[: shape[0]]


def devices(asked: str) -> list[torch.device]:
    """The devices that a name means: ``cuda`` without a number is every one that there is."""
    device = torch.device(asked)
    numbers = range(torch.cuda.device_count()) if device.index is None else [device.index]
    return [torch.device(device.type, number) for number in numbers]


def _compile(module: torch.nn.Module, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    # One core for each call, as above; frozen weights are laid out for the CPU's kernels ahead.
    options = {"freezing": True, "cpp.threads": 1} if device.type == "cpu" else None
    return torch.compile(module, dynamic=False, options=options)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Tell exhausted memory and a lost device from other errors."""
    try:
        yield
    except RuntimeError as error:
        kind = _kind(error)
        if kind is None:
            raise
        raise kind(str(error).strip().splitlines()[0]) from error


def _kind(error: RuntimeError) -> type[RuntimeError] | None:
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or any(words in text for words in NO_ROOM):
        return _engine.OutOfMemory
    accelerator = getattr(torch, "AcceleratorError", ())
    lost = isinstance(error, accelerator) or any(words in text for words in LOST)
    return _engine.DeviceLost if lost else None
