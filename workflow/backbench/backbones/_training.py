"""Training of a network that reconstructs its input (torch is imported at the top).

The result does not depend on the number of threads: a batch is cut into slices, the gradient of each slice is computed
on one core, and the gradients are summed in the order of the slices; each array of weights is updated on one core.
Random numbers depend on the seed, epoch, batch and slice alone. So a checkpoint needs no random state, and a training
that was killed continues with the same bits as one that was not. On a GPU a batch is one slice.
"""

import logging
import math
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from backbench import code, hashing, schema
from backbench.backbones import _autoencoder, _checkpoint, _engine, _learning, _torch
from backbench.backbones._extractor import Extractor
from backbench.backbones._learning import Learning
from backbench.schema import ConfigError
from backbench.stage import Context

log = logging.getLogger(__name__)

LEAST_SLICES = 2
EVALUATION_ROWS = 512
# A checkpoint is written after so many seconds, and at least so many times the seconds that the last one took.
SAVE_SECONDS, SAVE_FACTOR = 10.0, 20.0
CHECKPOINT = "training.pt"
ORDER, DROPOUT = 0, 1
PROBED = 64


Network = _autoencoder.Dense | _autoencoder.Convolutional


@dataclass(frozen=True)
class _Plain:
    """The options by which the encoder is run after the training."""

    engine: str = "torch"
    precision: str = "float32"


@dataclass
class _State:
    """The progress of a training: completed epochs, batches of the current epoch, and its summed loss."""

    epoch: int = 0
    batch: int = 0
    total: float = 0.0
    best_epoch: int = 0
    seconds: float = 0.0
    done: bool = False
    history: dict[str, list[float]] = field(default_factory=lambda: {"loss": [], "validation_loss": []})


def fit(
    network: Network,
    params: Learning,
    images: np.ndarray,
    rows: np.ndarray,
    validation_rows: np.ndarray,
    context: Context,
    plugin: str,
) -> tuple[Extractor, dict[str, Any]]:
    """Train `network` or resume an interrupted training; returns its encoder as an extractor, and facts as JSON.

    `images` (n, h, w, c) uint8 are all of the data set, `rows` (r,) and `validation_rows` (s,) the splits. The `arrays`
    of the extractor are :meth:`Training.reconstructions`.

    Raises
    ------
    ConfigError
        If there are too few rows, or the loss is no longer finite.
    DeviceLost, OutOfMemory
        If the device stops responding or runs out of memory; the checkpoint stays, and can be used on any device.
    """
    rows, validation_rows = _learning.split(params, len(images), rows, validation_rows)
    key = _key(params, images, rows, validation_rows, plugin)
    workers = 1 if _on_device(context) else max(1, context.threads)
    with (
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        training = Training(network, params, images, rows, validation_rows, context, key, pool)
        with _torch.translated():
            training.run()
            shown = training.reconstructions()
    encoder = _autoencoder.Encoder(network).requires_grad_(False)
    extract = _engine.open(encoder, lambda x: x.div_(255), _Plain(), context)
    extract.arrays = shown
    return extract, training.info()


class Training:
    """A training that can be interrupted at any time; see :func:`fit`."""

    def __init__(
        self,
        network: Network,
        params: Learning,
        images: np.ndarray,
        rows: np.ndarray,
        validation_rows: np.ndarray,
        context: Context,
        key: str,
        pool: ThreadPoolExecutor,
    ):
        """Prepare a training on `images` (n, h, w, c) uint8: `rows` (m,) to learn from, `validation_rows` (v,)."""
        self.params, self.images, self.rows, self.validation_rows = params, images, rows, validation_rows
        self.context, self.key, self.pool = context, key, pool
        self.device = torch.device(context.device)
        self.network: Network = _autoencoder.initialise(network, params.seed).to(self.device)
        self.weights = list(self.network.parameters())
        self.optimisers = [torch.optim.Adam([w], lr=params.learning_rate, fused=True) for w in self.weights]
        self.best = [w.detach().clone() for w in self.weights]
        self.batches = math.ceil(len(rows) / params.batch_size)
        self.state = _State()
        self.counted = time.monotonic()
        self.save_at = self.counted + SAVE_SECONDS
        self._resume()

    def run(self) -> None:
        """Train to the end; then the network has the weights of the best epoch."""
        self.context.progress(self.state.epoch, self.params.epochs)
        while not self.state.done:
            self._epoch()
        with torch.no_grad():
            for weights, best in zip(self.weights, self.best, strict=True):
                weights.copy_(best)

    def info(self) -> dict[str, Any]:
        """The epochs, the best one (from 1), the loss curves, the number of weights, the seconds of all attempts."""
        state = self.state
        return {
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "history": state.history,
            "parameters": sum(weights.numel() for weights in self.weights),
            "seconds": round(state.seconds, 2),
        }

    def reconstructions(self) -> dict[str, np.ndarray]:
        """Reconstructions (m, h, w, c) uint8 of images that were not learnt from, and their rows (m,) int32."""
        rows = _learning.shown(len(self.images), self.rows, self.validation_rows)
        return {"reconstructions": self.pool.submit(self._reconstructed, rows).result(), "reconstructed_rows": rows}

    def _reconstructed(self, rows: np.ndarray) -> np.ndarray:
        """Reconstructions (m, h, w, c) uint8 of the images in `rows` (m,)."""
        with torch.no_grad():
            raw = self.network(self._input(rows))
            output = raw.sigmoid() if self.params.output == "sigmoid" else raw
            pixels = output.clamp(0, 1).mul(255).round().to(torch.uint8)
        return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy())

    def _epoch(self) -> None:
        state, size = self.state, self.params.batch_size
        order = torch.randperm(len(self.rows), generator=self._generator("cpu", ORDER, state.epoch)).numpy()
        for batch in range(state.batch, self.batches):
            rows = self.rows[order[batch * size : (batch + 1) * size]]
            state.total += self._step(rows) * len(rows)
            state.batch = batch + 1
            if time.monotonic() > self.save_at and state.batch < self.batches:
                self._save()
        self._close_epoch()

    def _step(self, rows: np.ndarray) -> float:
        """One step of Adam on the images in `rows` (m,); returns the mean loss of the batch before it."""
        slices = np.array_split(rows, 1 if self.device.type != "cpu" else self._slices(len(rows)))
        results = list(self.pool.map(self._gradients, slices, range(len(slices)), [len(rows)] * len(slices)))
        loss = math.fsum(value for value, _ in results)
        if not math.isfinite(loss):
            raise ConfigError(
                f"the loss of the autoencoder is {loss} in epoch {self.state.epoch + 1}, batch {self.state.batch + 1}: "
                f"received learning_rate = {self.params.learning_rate:g}; give a smaller backbone.learning_rate."
            )
        largest_first = sorted(range(len(self.weights)), key=lambda i: -self.weights[i].numel())
        gradients = [[of_slice[i] for _, of_slice in results] for i in largest_first]
        list(self.pool.map(self._update, largest_first, gradients))
        return loss

    def _slices(self, count: int) -> int:
        return min(max(LEAST_SLICES, count // self.network.slice_rows), count)

    def _gradients(self, rows: np.ndarray, number: int, count: int) -> tuple[float, tuple[torch.Tensor, ...]]:
        """Loss and gradients of the slice `rows` (m,), which is the one of that number in a batch of `count` images."""
        x = self._input(rows)
        generator = self._generator(self.device, DROPOUT, self.state.epoch, self.state.batch, number)
        loss = self._loss(self.network(x, generator), x) / (count * x[0].numel())
        return loss.item(), torch.autograd.grad(loss, self.weights)

    def _update(self, number: int, gradients: list[torch.Tensor]) -> None:
        weights, total = self.weights[number], gradients[0]
        for other in gradients[1:]:
            total += other
        weights.grad = total
        self.optimisers[number].step()
        weights.grad = None

    def _input(self, rows: np.ndarray) -> torch.Tensor:
        """The images in `rows` (m,) as float32 (m, c, h, w) in 0..1, with channels last in memory."""
        return torch.from_numpy(self.images[rows]).to(self.device).permute(0, 3, 1, 2).float().div_(255)

    def _loss(self, raw: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if self.params.loss == "bce":
            return functional.binary_cross_entropy_with_logits(raw, x, reduction="sum")
        output = raw.sigmoid() if self.params.output == "sigmoid" else raw
        return functional.mse_loss(output, x, reduction="sum")

    def _generator(self, device: Any, *place: int) -> torch.Generator:
        raw = np.random.SeedSequence((self.params.seed, *place)).generate_state(1, np.uint64)[0]
        return torch.Generator(device).manual_seed(int(raw >> np.uint64(1)))

    def _validation_loss(self) -> float:
        def block(rows: np.ndarray) -> float:
            """Summed loss of the images in `rows` (m,)."""
            with torch.no_grad():
                x = self._input(rows)
                return self._loss(self.network(x), x).item()

        rows = self.validation_rows
        blocks = [rows[first : first + EVALUATION_ROWS] for first in range(0, len(rows), EVALUATION_ROWS)]
        return math.fsum(self.pool.map(block, blocks)) / (len(rows) * math.prod(self.images.shape[1:]))

    def _close_epoch(self) -> None:
        state, history = self.state, self.state.history
        history["loss"].append(state.total / len(self.rows))
        history["validation_loss"].append(self._validation_loss())
        state.epoch, state.batch, state.total = state.epoch + 1, 0, 0.0
        if state.best_epoch == 0 or history["validation_loss"][-1] < history["validation_loss"][state.best_epoch - 1]:
            state.best_epoch = state.epoch
            self.best = [weights.detach().clone() for weights in self.weights]
        waited = state.epoch - state.best_epoch
        state.done = state.epoch == self.params.epochs or waited >= (self.params.patience or math.inf)
        if state.done or time.monotonic() > self.save_at:
            self._save()
        self.context.progress(state.epoch, self.params.epochs)

    def _save(self) -> None:
        """Write a checkpoint, so that the training survives a kill; at the end, only the best weights are needed."""
        now = time.monotonic()
        self.state.seconds, self.counted = self.state.seconds + now - self.counted, now
        body = {"key": self.key, "state": vars(self.state), "best": self.best}
        if not self.state.done:
            body["weights"] = [weights.detach() for weights in self.weights]
            body["optimisers"] = [optimiser.state_dict() for optimiser in self.optimisers]
        _checkpoint.write(self.context.scratch / CHECKPOINT, body)
        done = time.monotonic()
        self.save_at = done + max(SAVE_SECONDS, SAVE_FACTOR * (done - now))
        self._report()

    def _report(self) -> None:
        """Log the progress of the training."""
        state, history = self.state, self.state.history
        done = state.epoch * self.batches + state.batch
        remaining = (self.params.epochs * self.batches - done) * state.seconds / max(done, 1)
        best = f"{history['validation_loss'][state.best_epoch - 1]:.6f}" if state.best_epoch else "none yet"
        last = f"{history['loss'][-1]:.6f}" if history["loss"] else "none yet"
        end = "finished" if state.done else f"at most {remaining:.0f} s remaining"
        log.info(
            "epoch %d of %d, batch %d of %d: loss %s, best validation loss %s (epoch %d); %s",
            *(min(state.epoch + (state.batch > 0), self.params.epochs), self.params.epochs, state.batch, self.batches),
            *(last, best, state.best_epoch, end),
        )

    def _resume(self) -> None:
        """Continue from the checkpoint of an earlier attempt with the same key, if it can be read."""
        path = self.context.scratch / CHECKPOINT
        body = _checkpoint.read(path)
        if body.get("key") != self.key:
            return
        self.state = _State(**body["state"])
        self.best = [weights.to(self.device) for weights in body["best"]]
        with torch.no_grad():
            for weights, saved in zip(self.weights, body.get("weights", body["best"]), strict=True):
                weights.copy_(saved)
        for optimiser, saved in zip(self.optimisers, body.get("optimisers", ()), strict=False):
            optimiser.load_state_dict(saved)
        log.info("resuming after epoch %d, batch %d", self.state.epoch, self.state.batch)


def _on_device(context: Context) -> bool:
    return torch.device(context.device).type != "cpu"


def _key(params: Learning, images: np.ndarray, rows: np.ndarray, validation_rows: np.ndarray, plugin: str) -> str:
    """Digest of everything that a training depends on.

    Only a few dozen of the `images` (n, h, w, c) count, since the folder of a checkpoint is named by the hash of all.
    The rows are `rows` (m,) and `validation_rows` (v,).
    """
    probe = np.ascontiguousarray(images[:: max(1, len(images) // PROBED)])
    arrays: Iterable[np.ndarray] = (rows, validation_rows, probe)
    about = {"params": schema.canonical(params), "images": list(images.shape), "code": code.digest([plugin])}
    return hashing.digest({**about, "arrays": [hashing.array_digest(array) for array in arrays]})
