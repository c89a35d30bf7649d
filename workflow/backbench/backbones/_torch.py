"""PyTorch, eager or compiled, on CPU cores or CUDA devices (imported when a network is opened).

Inference mode, channels_last (the layout that uint8 images already have), float32 without TF32, or autocast to the
requested precision, deterministic cuDNN algorithms. The images are moved to the device as uint8 and normalised there.

On a CPU a call uses one core, and concurrent batches use the others. This is faster than cores that wait for each other
after every layer, especially on a busy machine, and makes the features independent of the number of threads. A CUDA
device has three lanes: while the batch of one is computed, the next is there already, and one is staged in page-locked
memory. Copies to the device and back have a stream for each lane, so that they do not wait for the kernels of others.
"""

import contextlib
import copy
import gc
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from backbench.backbones._extractor import DeviceLost, Extractor, OutOfMemory
from backbench.stage import Context

LANES = 3
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
) -> Extractor:
    """The extractor of a network; the device ``cuda`` without a number means all of them."""
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    prepared, precision = Prepared(network, normalise), getattr(torch, params.precision)
    compiled = params.engine == "inductor"
    if context.device == "cpu":
        run = Run(prepared, torch.device("cpu"), precision, compiled)
        return Extractor([run] * max(1, context.threads), "cpu")
    # Compiled networks refer to themselves: those that nobody uses any longer would stay on the device.
    gc.collect()
    with translated():
        # Each device has its own network.
        runs = [Run(copy.deepcopy(prepared), device, precision, compiled) for device in devices(context.device)]
        # Lanes of different devices alternate, so that the first batches go to all of them.
        lanes = [Lane(run) for _ in range(LANES) for run in runs]
    return Extractor(lanes, context.device)


class Run:
    """A network on one device, called with uint8 images that lie on the CPU."""

    def __init__(self, prepared: Prepared, device: torch.device, precision: torch.dtype, compiled: bool):
        self.device, self.precision, self.compiled = device, precision, compiled
        module = prepared.to(device).to(memory_format=torch.channels_last)
        self.module: Callable[[torch.Tensor], torch.Tensor] = _Compiled(module, device) if compiled else module
        self.turn, self.sizes = threading.Lock(), set[int]()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (n, d) float32 of images (n, h, w, c) uint8."""
        _on_one_core()
        with translated():
            # A copy, because the images may be a read-only map of a file, which a tensor must not share.
            batch = torch.from_numpy(np.array(images, order="C"))
            # The first call of a size compiles, which two threads must not do at once.
            with self.turn if self.compiled and len(batch) not in self.sizes else contextlib.nullcontext():
                return self.features(batch).numpy()

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        """Features of a batch on the device; on a CUDA device they may not be computed yet."""
        # Freezing needs gradients off, and does not work in inference mode.
        mode = torch.no_grad() if self.compiled else torch.inference_mode()
        with mode, torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            rows = self.module(batch)
        self.sizes.add(len(batch))
        return rows


class Lane:
    """Takes one batch at a time to a CUDA device and back, through its own page-locked memory."""

    def __init__(self, run: Run):
        self.run = run
        stream: Callable[[torch.device], torch.cuda.Stream] = torch.cuda.Stream  # its constructor has no annotations
        self.copying = stream(run.device)
        self.staged = self.landed = torch.empty(0)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (n, d) float32 of images (n, h, w, c) uint8."""
        _on_one_core()
        with translated(), torch.cuda.device(self.run.device), torch.no_grad():
            self.staged = _room(self.staged, images.shape, torch.uint8)
            np.copyto(self.staged.numpy(), images)
            self._compute()
            return self.landed.numpy().copy()

    def _compute(self) -> None:
        with torch.cuda.stream(self.copying):
            batch = self.staged.to(self.run.device, non_blocking=True)
        # In turn: if the kernels of two batches alternate, both finish late.
        with self.run.turn:
            computing = torch.cuda.current_stream(self.run.device)
            computing.wait_stream(self.copying)
            features = self.run.features(batch)
            computed = computing.record_event()
        with torch.cuda.stream(self.copying):
            self.copying.wait_event(computed)
            self.landed = _room(self.landed, features.shape, torch.float32)
            self.landed.copy_(features, non_blocking=True)
        # `batch` and `features` are held until here: each belongs to one stream, which would reuse its memory while the
        # other still reads it.
        self.copying.synchronize()


def _on_one_core() -> None:
    # PyTorch stores this number per thread; setting it again would empty the caches of its kernels. A compiled network
    # is compiled again for a thread that has another number.
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def _room(buffer: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Page-locked memory of a shape; `buffer` itself, or its beginning, if it is large enough."""
    if buffer.shape[1:] != shape[1:] or len(buffer) < shape[0]:
        return torch.empty(tuple(shape), dtype=dtype, pin_memory=torch.cuda.is_available())
    return buffer[: shape[0]]


def devices(asked: str) -> list[torch.device]:
    """The devices that a name means: ``cuda`` without a number means all of them."""
    device = torch.device(asked)
    numbers = range(torch.cuda.device_count()) if device.index is None else [device.index]
    return [torch.device(device.type, number) for number in numbers]


class _Compiled:
    """A compiled network. Each shape of a batch has a function of its own, with code of its own.

    PyTorch keeps eight variants of a piece of code, and runs what comes after them uncompiled: without this, the ninth
    network of a process, or a batch that was halved often, would have the features of another engine.
    """

    def __init__(self, module: Prepared, device: torch.device):
        # One core per call, as above; frozen weights are laid out for the kernels of the CPU in advance.
        on_cpu: dict[str, str | int | bool | Callable[..., Any]] = {"freezing": True, "cpp.threads": 1}
        self._module, self._options = module, on_cpu if device.type == "cpu" else None
        self._by_shape: dict[torch.Size, Callable[[torch.Tensor], torch.Tensor]] = {}

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features (n, d) of images (n, h, w, c) uint8."""
        if images.shape not in self._by_shape:
            module, forward = copy.copy(self._module), Prepared.forward
            code = types.FunctionType(forward.__code__.replace(), forward.__globals__)
            module.forward = types.MethodType(code, module)  # type: ignore[method-assign]
            self._by_shape[images.shape] = torch.compile(module, dynamic=False, options=self._options)
        return self._by_shape[images.shape](images)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn errors of exhausted memory and of a lost device into OutOfMemory and DeviceLost."""
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
        return OutOfMemory
    accelerator = getattr(torch, "AcceleratorError", ())
    lost = isinstance(error, accelerator) or any(words in text for words in LOST)
    return DeviceLost if lost else None
