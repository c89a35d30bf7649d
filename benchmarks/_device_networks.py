"""Checks of networks: extraction, half precision, compiled networks, memory, training."""

import copy
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from _device_agreement import Agreement, different, relative, turned

from backbench import device
from backbench.stage import Context

# Of features in float32, as a share of the largest: sums in another order, and convolutions by other algorithms.
ROUNDING = 1e-4


def context(on: str, **changes: Any) -> Context:
    """What a stage is told of a device: PyTorch on the CPU is ``cpu`` there."""
    return Context(device="cpu" if on == "torch" else on, **changes)


def opened(network: Any, on: str, precision: str = "float32", engine: str = "torch") -> Any:
    """The extractor of a network on a device."""
    from backbench.backbones import _normalise, _torch

    params = SimpleNamespace(engine=engine, precision=precision)
    return _torch.open(copy.deepcopy(network), _normalise.named("imagenet"), params, context(on, threads=2))


def pictures(n: int, size: int) -> np.ndarray:
    """Smooth random images (n, size, size, 3) uint8, read-only as those of a mapped file are."""
    coarse = np.random.default_rng(0).integers(0, 256, (n, size // 8, size // 8, 3), np.uint8)
    images = coarse.repeat(8, axis=1).repeat(8, axis=2)
    images.flags.writeable = False
    return images


def _small() -> dict[str, Any]:
    import _networks
    from torch import nn

    block = _networks._Inverted(16, 16, 1, 4)
    layers = [*_networks._convolution(3, 16, 3, 2), nn.ReLU6(True), block]
    return {
        "convolutions": _networks._pooled(*layers).eval().requires_grad_(False),
        "transformer": _networks._Transformer(32, 16, 64, True).eval().requires_grad_(False),
    }


def extraction(on: str) -> list[Agreement]:
    """Features in float32 and in half precision; and whether company, lanes and repetition change a bit."""
    from concurrent.futures import ThreadPoolExecutor

    images, agreements = pictures(48, 32), []
    halves = {"bfloat16": 0.01, "float16": 1e-3}
    if on == "torch":
        del halves["float16"]
    for name, network in _small().items():
        expected = opened(network, "torch")(images)
        extract = opened(network, on)
        parts = np.split(images, 6)
        alone = np.concatenate([extract(part) for part in parts])
        with ThreadPoolExecutor(4) as pool:
            beside = np.concatenate(list(pool.map(extract, parts)))
        filled = extract(np.concatenate([parts[0][:5], np.zeros_like(parts[0][5:])]))[:5]
        agreements += [
            Agreement(f"features, {name}", "of the largest", relative(alone, expected), ROUNDING),
            Agreement(f"features in company, {name}", "values that differ", different([beside], [alone]), 0),
            Agreement(f"features of a filled batch, {name}", "values that differ", different([filled], [alone[:5]]), 0),
        ]
        for precision, allowed in halves.items():
            rough = opened(network, on, precision)(images)
            agreements.append(Agreement(f"{precision}, {name}", "1 - cosine", turned(rough, expected), allowed))
    return agreements


def compiled(on: str) -> list[Agreement]:
    """Features of the compiled network, which threads with other settings share."""
    from concurrent.futures import ThreadPoolExecutor

    import torch
    from torch._dynamo.utils import counters

    network, images = _small()["convolutions"], pictures(16, 32)
    expected = opened(network, "torch")(images)
    before = counters["stats"]["unique_graphs"]
    extract, count = opened(network, on, engine="inductor"), torch.get_num_threads()
    found = extract(images)
    torch.set_num_threads(max(2, count))
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(extract, [images] * 4))
    graphs = counters["stats"]["unique_graphs"] - before
    return [
        Agreement("features, compiled", "1 - cosine", turned(found, expected), 1e-4),
        Agreement("features, compiled, in company", "values that differ", different(again, [found] * 4), 0),
        Agreement("compilations of one shape", "beyond the first", graphs - 1, 0),
    ]


def exact_products(on: str) -> list[Agreement]:
    """Products of float32 after a network was opened: TensorFloat-32 would be off by 3e-4."""
    import torch

    opened(_small()["convolutions"], on)
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 512, 512)).astype(np.float32)
    with device.using(on):
        product = (device.tensor(left, "float32") @ device.tensor(right, "float32")).cpu().numpy()
    off = np.linalg.norm(product - left.astype(float) @ right.astype(float)) / np.linalg.norm(product)
    found = [Agreement("matrix products in float32", "share of the norm", float(off), 1e-6)]
    if torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32:
        found.append(Agreement("TensorFloat-32", "switched on", 1, 0))
    return found


def training(on: str) -> list[Agreement]:
    """Autoencoders: losses and codes as on the CPU, and the same bits again."""
    from backbench.backbones import autoencoder, conv_autoencoder
    from backbench.images.policy import Image

    images = pictures(96, 16)
    rows, validation = np.arange(80), np.arange(80, 96)
    common = {
        **{"image": Image(16, "RGB", "squash", "bilinear"), "activation": "relu", "code_activation": "linear"},
        **{"output": "sigmoid", "loss": "bce", "learning_rate": 1e-3, "batch_size": 32, "epochs": 2, "patience": None},
        **{"validation": 0.1, "fit": "train", "seed": 0},
    }
    own = {autoencoder: {"widths": (32, 8)}, conv_autoencoder: {"channels": (8, 8), "code_width": 8, "dropout": 0.1}}
    agreements = []
    for module, options in own.items():

        def fit(place: str, module: Any = module, options: Any = options) -> tuple[np.ndarray, list[float]]:
            with tempfile.TemporaryDirectory() as folder:
                told = context(place, scratch=Path(folder))
                params = module.Params(**common, **options)
                extract, about = module.fit(params, images, rows, validation, told)
                return extract(images), about["history"]["loss"]

        name = module.__name__.rpartition(".")[2]
        found, again = fit(on), fit(on)
        agreements.append(Agreement(f"{name}, twice", "values that differ", different(found[:1], again[:1]), 0))
        if not options.get("dropout"):  # a device draws it by itself
            expected = fit("torch")
            agreements.append(Agreement(f"loss of {name}", "share", relative(found[1], expected[1]), 1e-4))
            agreements.append(Agreement(f"codes of {name}", "1 - cosine", turned(found[0], expected[0]), 1e-3))
    return agreements


class _Hungry:
    """An extractor whose batches need memory of the device: a share of it for each image."""

    lanes, one_shape = 1, True

    def __init__(self, on: str):
        import torch

        self.device, self.each = on, torch.cuda.get_device_properties(0).total_memory // 256

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (n, 1) of images (n, h, w, c)."""
        import torch

        from backbench.backbones import _torch

        with _torch.translated():
            torch.empty((len(images), self.each), dtype=torch.uint8, device=self.device)
            return images.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]


def exhaustion(on: str) -> list[Agreement]:
    """A batch that does not fit in the memory of the device: it is halved until it does, and no row is lost."""
    from backbench.stages import _extraction
    from backbench.stages._partial import Partial

    class Held(np.ndarray):
        def release(self) -> None: ...

    images = pictures(1024, 8).view(Held)
    with (
        tempfile.TemporaryDirectory() as folder,
        Partial(Path(folder), (1024, 1), "float32", "key", lambda done, total: None) as partial,
    ):
        used = _extraction.run(partial, images, _Hungry(on), 1024, context(on))
        rows = np.array(partial.array)
    expected = np.asarray(images).mean(axis=(1, 2, 3), dtype=np.float32)[:, None]
    return [
        Agreement("rows after the memory ran out", "rows that differ", different([rows], [expected]), 0),
        Agreement("batch of 1,024 after the memory ran out", "beyond 255 images", max(0, used["batch_size"] - 255), 0),
    ]
