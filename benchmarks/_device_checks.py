"""What a device computes against what the CPU computes, with the tolerance that is promised for each.

``python benchmarks/gpu.py`` runs these on a GPU, and ``tests/test_gpu.py`` on PyTorch on the CPU, where the same code
runs (and on a GPU where there is one). They need numpy, scipy, scikit-learn and PyTorch alone. A check is a function
from the name of a device, ``torch`` or ``cuda``, to agreements.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from backbench import clusterers, device, threads
from backbench.stage import Context

# Of features in float32, as a share of the largest: sums in another order, and convolutions by other algorithms.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Agreement:
    """How far a device is off, as `measure` says, and how far it may be."""

    what: str
    measure: str
    off: float
    allowed: float

    @property
    def holds(self) -> bool:
        return self.off <= self.allowed


Check = Callable[[str], list[Agreement]]


def _both(on: str, work: Callable[[], Any], lanes: int = 2) -> tuple[Any, Any]:
    """The results of `work` on the CPU and on the device."""
    results = []
    for place in ("cpu", on):
        with device.using(place), threads.one_core_each(lanes):
            results.append(work())
    return results[0], results[1]


def _different(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> float:
    """The number of values that differ in their bits, NaN equal to NaN."""
    pairs = zip(left, right, strict=True)
    return float(sum(np.count_nonzero((a != b) & ~((a != a) & (b != b))) for a, b in pairs))


def _relative(found: Any, expected: Any) -> float:
    """The largest difference, as a share of the largest value; infinite where one is not a number and one is."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf")
    return float(np.nanmax(np.abs(found - expected)) / max(np.nanmax(np.abs(expected)), 1e-300))


def _each(found: Any, expected: Any) -> float:
    """The largest difference as a share of its own value; infinite where one is not a number and one is."""
    pairs = list(zip(found, expected, strict=True))
    if any(np.isnan(a) != np.isnan(b) for a, b in pairs):
        return float("inf")
    return max(abs(a - b) / max(abs(b), 1e-300) for a, b in pairs if not np.isnan(b))


def _unlike(found: np.ndarray, expected: np.ndarray) -> float:
    """1 minus the adjusted Rand index of two labelings."""
    from sklearn.metrics import adjusted_rand_score

    return float(1 - adjusted_rand_score(expected, found))


def _turned(found: np.ndarray, expected: np.ndarray) -> float:
    """1 minus the smallest cosine of corresponding rows."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (found.astype(float), expected.astype(float)))
    return float(1 - (a * b).sum(axis=1).min())


def blobs(seed: int = 0, n: int = 600, d: int = 12, k: int = 6, spread: float = 4.0) -> np.ndarray:
    """Rows (n, d) float32 around k centres."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + spread * rng.normal(size=(k, d))[rng.integers(0, k, n)]).astype(np.float32)


# ------------------------------------------------------------------------------------------------ rows


def neighbours(on: str) -> list[Agreement]:
    """Nearest rows, where distances in float64 decide: copies, far from the origin, and nearly equal ones."""
    from backbench.metrics import neighbours as search

    cases = {
        "plain": (blobs(5, 900, 17), 10),
        "copies": (np.repeat(blobs(5, 60), 5, axis=0), 30),
        "far from the origin": (blobs(6, 120) + np.float32(1e6), 100),
    }
    agreements = []
    for name, (x, count) in cases.items():
        for metric in ("euclidean", "cosine"):
            each = np.arange(len(x))
            expected, found = _both(on, lambda x=x, c=count, m=metric, e=each: search.nearest(x, x, c, m, e))
            what = f"nearest rows, {metric}, {name}"
            agreements.append(Agreement(what, "numbers and distances that differ", _different(found, expected), 0))
    return agreements


def scores(on: str) -> list[Agreement]:
    """Silhouette and the other internal metrics, many clusters, noise and copies among the rows."""
    from backbench.metrics import internal

    rng, x = np.random.default_rng(0), blobs(n=700, d=40)
    x[500:] = x[:200]
    noisy = np.where(rng.random(700) < 0.3, -1, rng.integers(0, 4, 700))
    parts = [np.arange(700) * 12 // 700, rng.integers(0, 5, 700), noisy, rng.integers(0, 350, 700)]
    expected, found = _both(on, lambda: internal.scores(x, parts))
    _, again = _both(on, lambda: internal.scores(x, parts[::-1])[::-1])
    values = [[list(each.values.values()) for each in side] for side in (found, expected)]
    widths = [[each.widths for each in side] for side in (found, expected, again)]
    return [
        Agreement("internal metrics", "share of the value", max(map(_each, *values)), 1e-12),
        Agreement("silhouette widths", "difference", max(map(_relative, widths[0], widths[1])), 1e-6),
        Agreement("silhouette widths in another order", "widths that differ", _different(widths[2], widths[0]), 0),
    ]


def components(on: str) -> list[Agreement]:
    """Principal components of tall and of wide rows."""
    from backbench.transforms import _components

    agreements = []
    for shape in ((400, 30), (40, 90)):
        x = blobs(1, *shape)
        expected, found = _both(on, lambda x=x: _components.project(x, x, 8, "covariance_eigh", True))
        agreements.append(Agreement(f"principal components of {shape}", "of the largest", _relative(found, expected), 1e-4))
    return agreements


# ------------------------------------------------------------------------------------------------ clusterings


def k_means(on: str) -> list[Agreement]:
    """The draws of k-means++, Lloyd's iterations with a cluster that is empty at first, and the whole fit."""
    from backbench.clusterers import _lloyd, _rows, kmeans

    x = blobs(1, 900, 9)
    x -= x.mean(axis=0)
    centres = np.vstack([x[:7], np.full((1, 9), 1e3)]).astype(float)

    def climb() -> Any:
        rows = _rows.Rows(x)
        return _lloyd.climb(rows, centres, 300, _lloyd.tolerance(rows, 1e-4))

    starts = _both(on, lambda: _lloyd.starts(_rows.Rows(x), 9, np.random.RandomState(0), 3, np.float32))
    ends = _both(on, climb)
    task = clusterers.Task(kmeans.Params("k-means++", 4, 300, 1e-4, "lloyd"), k=6, seed=0)
    fits = _both(on, lambda: kmeans.fit(None, blobs(2) + np.float32(30), task))
    inertia = [info["inertia"] for _, info in fits]
    return [
        Agreement("starts of k-means++", "draws that differ", _different(starts[1:], starts[:1]), 0),
        Agreement("Lloyd's iterations", "labels that differ", _different([ends[1].labels], [ends[0].labels]), 0),
        Agreement("Lloyd's inertia", "share of the value", _relative(ends[1].inertia, ends[0].inertia), 1e-9),
        Agreement("k-means", "1 - adjusted Rand index", _unlike(fits[1][0], fits[0][0]), 0.01),
        Agreement("inertia of k-means", "share of the value", _relative(inertia[1], inertia[0]), 1e-4),
    ]


def mixtures(on: str) -> list[Agreement]:
    """Gaussian mixtures with each kind of covariance."""
    from backbench.clusterers import gaussian_mixture

    x, agreements = blobs(1, 600, 6, 4) + np.float32(10), []
    for kind in ("full", "tied", "diag", "spherical"):
        task = clusterers.Task(gaussian_mixture.Params(kind, 1e-6, 2, 300, 1e-3, "kmeans"), k=4, seed=0)
        fits = _both(on, lambda t=task: gaussian_mixture.fit(threads.Once(), x, t))
        bic = [info["bic"] for _, info in fits]
        agreements += [
            Agreement(f"mixture, {kind}", "1 - adjusted Rand index", _unlike(fits[1][0], fits[0][0]), 0.01),
            Agreement(f"BIC of the mixture, {kind}", "share of the value", _relative(bic[1], bic[0]), 1e-6),
        ]
    return agreements


TURTLE = {"gamma": 10.0, "iterations": 6, "inner_steps": 10, "outer_rate": 0.02, "inner_rate": 0.02, "n_init": 1}
TEMI = {
    **{"heads": 3, "hidden": 32, "bottleneck": 16, "iterations": 20, "batch_size": 100, "learning_rate": 3e-3},
    **{"warmup": 10, "weight_decay": 1e-4, "beta": 0.6, "temperature": 0.1, "teacher_momentum": 0.996},
}


def learnt_labels(on: str) -> list[Agreement]:
    """TURTLE and TEMI for a few steps, from the same draws."""
    from backbench.clusterers import _temi, _turtle

    truth = np.arange(240) % 4
    rows = (8 * np.eye(4)[truth] + np.random.default_rng(0).normal(size=(240, 4))).astype(np.float32)
    agreements = []
    for changed in ({"batch_size": None, "warm_start": True}, {"batch_size": 64, "warm_start": False}):
        options = SimpleNamespace(**TURTLE, **changed)
        ends = _both(on, lambda o=options: _turtle.search([rows, 2 * rows[:, ::-1]], 4, 3, o))
        agreements += [
            Agreement("TURTLE", "1 - adjusted Rand index", _unlike(ends[1].labels, ends[0].labels), 0.02),
            Agreement("objective of TURTLE", "share", _relative(ends[1].objective, ends[0].objective), 1e-3),
        ]
    near = np.argsort(((rows[:, None] - rows[None]) ** 2).sum(axis=2), axis=1)[:, 1:21]
    fits = _both(on, lambda: _temi.train(rows, near, 4, 0, SimpleNamespace(**TEMI)))
    losses = [info["loss"] for _, info in fits]
    return [*agreements, Agreement("loss of TEMI", "share of the value", _relative(losses[1], losses[0]), 1e-3)]


def linear_heads(on: str) -> list[Agreement]:
    """Linear probes, several learning rates beside each other, one of them on some of the columns."""
    from backbench.classifiers import _heads

    x, classes = blobs(3, 400, 20), np.arange(400) % 7
    x[np.arange(400), classes] += 3
    heads = ((0.05, 20), (0.5, 20), (0.5, 8))
    expected, found = _both(on, lambda: _heads.train(x, classes, heads, _heads.Schedule(3, 32, 0.9, 1e-3), 7))
    off = max(_relative(a, b) for (a, _), (b, _) in zip(found, expected, strict=True))
    return [Agreement("coefficients of linear probes", "of the largest", off, 1e-3)]


# ------------------------------------------------------------------------------------------------ networks


def context(on: str, **changes: Any) -> Context:
    """What a stage is told of a device: PyTorch on the CPU is ``cpu`` there."""
    return Context(device="cpu" if on == "torch" else on, **changes)


def opened(network: Any, on: str, precision: str = "float32", engine: str = "torch") -> Any:
    """The extractor of a network on a device."""
    import copy

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
            Agreement(f"features, {name}", "of the largest", _relative(alone, expected), ROUNDING),
            Agreement(f"features in company, {name}", "values that differ", _different([beside], [alone]), 0),
            Agreement(f"features of a filled batch, {name}", "values that differ", _different([filled], [alone[:5]]), 0),
        ]
        for precision, allowed in halves.items():
            rough = opened(network, on, precision)(images)
            agreements.append(Agreement(f"{precision}, {name}", "1 - cosine", _turned(rough, expected), allowed))
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
        Agreement("features, compiled", "1 - cosine", _turned(found, expected), 1e-4),
        Agreement("features, compiled, in company", "values that differ", _different(again, [found] * 4), 0),
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
        agreements.append(Agreement(f"{name}, twice", "values that differ", _different(found[:1], again[:1]), 0))
        if not options.get("dropout"):  # a device draws it by itself
            expected = fit("torch")
            agreements.append(Agreement(f"loss of {name}", "share", _relative(found[1], expected[1]), 1e-4))
            agreements.append(Agreement(f"codes of {name}", "1 - cosine", _turned(found[0], expected[0]), 1e-3))
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
    with tempfile.TemporaryDirectory() as folder:
        with Partial(Path(folder), (1024, 1), "float32", "key", lambda done, total: None) as partial:
            used = _extraction.run(partial, images, _Hungry(on), 1024, context(on))
            rows = np.array(partial.array)
    expected = np.asarray(images).mean(axis=(1, 2, 3), dtype=np.float32)[:, None]
    return [
        Agreement("rows after the memory ran out", "rows that differ", _different([rows], [expected]), 0),
        Agreement("batch of 1,024 after the memory ran out", "beyond 255 images", max(0, used["batch_size"] - 255), 0),
    ]


EVERYWHERE: dict[str, Check] = {
    **{"neighbours": neighbours, "scores": scores, "components": components, "k-means": k_means},
    **{"mixtures": mixtures, "learnt labels": learnt_labels, "linear heads": linear_heads},
    **{"exact products": exact_products, "extraction": extraction, "training": training},
}
# What needs a GPU, or a compiler and half a minute.
ON_A_GPU: dict[str, Check] = {"compiled": compiled, "exhaustion": exhaustion}


def as_record(agreement: Agreement) -> dict[str, Any]:
    """An agreement as plain JSON."""
    return {**dataclasses.asdict(agreement), "off": float(agreement.off), "holds": bool(agreement.holds)}
