"""Decoding large JPEG photographs at a scale: processor time of one, and how far features agree with whole decoding.

Run with ``python benchmarks/decoding.py FOLDER``, a folder of photographs of any kind; it writes a table into
``benchmarks/results/decoding.md``. The time is that of photographs of 11 to 13 megapixels, and of one core: every way
takes its turn in each round, and the median of processor time counts, which other work on the machine changes little.
The ways of ``simplejpeg`` are there if it is installed. Agreement is over all photographs that are decoded at a scale
for a policy of 256 pixels, each file once; the weights lie in ``$BACKBENCH_ASSETS/weights``.
"""

import argparse
import functools
import hashlib
import importlib.metadata
import os
import statistics
import textwrap
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from backbench import paths, plugins, provenance
from backbench.images import content, decoding, preparing, scaling
from backbench.images.content import Content
from backbench.images.policy import Image as Policy
from backbench.stage import Context

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "decoding.md"
POLICY = Policy(224, "RGB", "crop", "bilinear", 232)
NEIGHBOURS = 10
SPARES = (2, 2.5, 3, 4)
# Name, weights in the folder of assets and the options that they want.
MODELS: dict[str, dict[str, Any]] = {
    "mobilenet_v2": {"weights": "mobilenet_v2_features_torchvision.pth"},
    "efficientnet_lite0": {},
    "inception_v3": {
        "weights": "inception_v3_features_torchvision_keys_fp16.pth",
        "normalise": "symmetric",
        "average_pool": "keras",
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photographs", type=int, default=8, help="of 11 to 13 megapixels, for the times")
    args = parser.parse_args()
    photographs = _photographs(args.folder)
    lines = [*_head(), *_times(photographs, args), *_agreements(photographs)]
    TARGET.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print("\n".join(lines))


@dataclass(frozen=True)
class Photograph:
    """A JPEG file that can be decoded at a scale, and its sides."""

    path: Path
    sides: tuple[int, int]


def _photographs(folder: Path) -> list[Photograph]:
    """Those of a folder, each file once however often it is there, in the order of their names."""
    photographs: dict[bytes, Photograph] = {}
    for path in sorted(folder.rglob("*")):
        try:
            decoded = decoding.decode(path, None, scaling.AUDIT)
        except (OSError, decoding.Unreadable):
            continue
        if decoded.reduction > 1:
            photographs.setdefault(hashlib.sha256(path.read_bytes()).digest(), Photograph(path, decoded.sides))
    return list(photographs.values())


def _head() -> list[str]:
    libraries = ["pillow", "torchvision", *(["simplejpeg"] if _simplejpeg() else [])]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries)
    return [
        "# Decoding of JPEG photographs",
        "",
        "```bash",
        "python benchmarks/decoding.py FOLDER",
        "```",
        "",
        f"One core of {provenance.machine()['cpu']}; load of the machine {os.getloadavg()[0]:.1f}. {versions}.",
    ]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120)


# ------------------------------------------------------------------------------------------------ time

Way = Callable[[Content], Any]


def _times(photographs: Sequence[Photograph], args: argparse.Namespace) -> list[str]:
    chosen = [shot for shot in photographs if 11e6 <= shot.sides[0] * shot.sides[1] <= 13e6][: args.photographs]
    files = [content.read(shot.path) for shot in chosen]
    ways = _ways()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(args.rounds + 1):
        for file in files:
            for name, way in ways.items():
                start = time.process_time()
                way(file)
                if turn:
                    seconds[name].append(time.process_time() - start)
    medians = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    base = medians["whole, resized"]
    size = sum(file.size for file in files) / len(files) / 1e6
    return [
        "",
        *_wrapped(
            f"Processor time of {len(files)} photographs of 12 megapixels ({size:.1f} MB each), medians of "
            f"{args.rounds} rounds; resized: to 232, cropped to 224."
        ),
        "",
        "| way | ms | of whole, resized |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {value:.1f} | {value / base:.2f} |" for name, value in medians.items()),
    ]


def _ways() -> dict[str, Way]:
    ways: dict[str, Way] = {"read, SHA-256": lambda file: content.read(file.path)}
    for factor in (1, 2, 4, 8):
        name = "whole" if factor == 1 else f"at 1/{factor}"
        ways[f"{name}, resized"] = functools.partial(_resized, factor=factor)
    for factor in (1, 2, 4, 8):
        name = "whole" if factor == 1 else f"at 1/{factor}"
        ways[f"{name}, Pillow alone"] = functools.partial(_pillow, factor=factor)
        if _simplejpeg():
            ways[f"{name}, simplejpeg alone"] = functools.partial(_simple, factor=factor)
    ways["whole, torchvision.io.decode_jpeg alone"] = _torchvision
    return ways


def _resized(file: Content, factor: int) -> np.ndarray:
    least = None if factor == 1 else min(_sides(file.path)) // factor
    with decoding.decode_each(file, None, [least]) as (picture,):
        if picture.reduction != factor:
            raise RuntimeError(f"{file.path.name}: decoded at 1/{picture.reduction}, not at 1/{factor}")
        return preparing.resize(picture, POLICY)


@functools.cache
def _sides(path: Path) -> tuple[int, int]:
    with Image.open(path) as opened:
        return opened.size


def _pillow(file: Content, factor: int) -> Image.Image:
    opened = Image.open(file.source())
    scaling.draft(opened, factor)
    opened.load()
    return opened


def _simple(file: Content, factor: int) -> np.ndarray:
    width, height = (-(-side // factor) for side in _sides(file.path))
    return _simplejpeg().decode_jpeg(file.data, min_height=height, min_width=width, min_factor=1)


def _torchvision(file: Content) -> Any:
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    torch.set_num_threads(1)
    return decode_jpeg(torch.frombuffer(bytearray(file.data or b""), dtype=torch.uint8), mode=ImageReadMode.RGB)


@functools.cache
def _simplejpeg() -> Any:
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


# ------------------------------------------------------------------------------------------------ agreement


def _agreements(photographs: Sequence[Photograph]) -> list[str]:
    lines = [
        "",
        *_wrapped(
            f"Features of {len(photographs)} photographs against those after whole decoding: the cosine of each with "
            f"its own, the share of its {NEIGHBOURS} nearest neighbours (cosine) that stay, and of photographs for "
            "which all stay. Spare: how many times as large as the target of the resize (256 at least) the shorter "
            "side is at least. Grey levels: mean difference of the prepared pixels. For comparison, one level of noise "
            "on 1 % and 10 % of the values."
        ),
        "",
        "| backbone | pixels | what | at 1/1, 1/2, 1/4, 1/8 | grey levels | least cosine | 5 % | median | neighbours "
        "| all of them |",
        "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, options in MODELS.items():
        lines += _agreement(name, options, photographs)
    return lines


def _agreement(name: str, options: dict[str, Any], photographs: Sequence[Photograph]) -> list[str]:
    module, params = _backbone(name, options)
    image, extract = params.image, module.open(params, Context())
    target = max(image.shorter or image.size, scaling.FLOOR)
    leasts = [None, *(spare * target for spare in SPARES)]

    def prepared(shot: Photograph) -> list[tuple[np.ndarray, int]]:
        with decoding.decode_each(shot.path, None, leasts) as pictures:
            return [(preparing.resize(picture, image), picture.reduction) for picture in pictures]

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(prepared, photographs))
    whole = np.stack([each[0][0] for each in made])
    sides = {f"spare {spare}": np.stack([each[at][0] for each in made]) for at, spare in enumerate(SPARES, 1)}
    counts = {
        f"spare {spare}": np.bincount([each[at][1] for each in made], minlength=9)[[1, 2, 4, 8]]
        for at, spare in enumerate(SPARES, 1)
    }
    sides |= {f"noise on {share:.0%}": _noisy(whole, share) for share in (0.01, 0.1)}
    base = _features(extract, whole)
    return [
        f"| {name} | {image.size} | {what} | {', '.join(map(str, counts.get(what, [])))} "
        f"| {np.abs(pixels.astype(int) - whole).mean():.3f} | {_told(base, _features(extract, pixels))} |"
        for what, pixels in sides.items()
    ]


def _backbone(name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    config = yaml.safe_load((paths.conf() / "backbone" / f"{name}.yaml").read_text(encoding="utf-8"))
    if "weights" in options:
        options = {**options, "weights": str(Path(os.environ["BACKBENCH_ASSETS"], "weights", options["weights"]))}
    module, params = plugins.load("backbone", name), plugins.params("backbone", {**config, **options})
    return module, module.resolve(params, "cpu") if hasattr(module, "resolve") else params


def _noisy(pixels: np.ndarray, share: float) -> np.ndarray:
    chances = [share / 2, 1 - share, share / 2]
    noise = np.random.default_rng(0).choice(np.array([-1, 0, 1], np.int8), pixels.shape, p=chances)
    return np.clip(pixels.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def _features(extract: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """Rows (n, d) of length 1, float64."""
    rows = np.concatenate([extract(pixels[first : first + 16]) for first in range(0, len(pixels), 16)])
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _told(base: np.ndarray, other: np.ndarray) -> str:
    cosines = (base * other).sum(axis=1)
    kept = np.array([len({*a} & {*b}) for a, b in zip(_nearest(base), _nearest(other), strict=True)]) / NEIGHBOURS
    low, middle = np.percentile(cosines, [5, 50])
    return f"{cosines.min():.5f} | {low:.5f} | {middle:.5f} | {kept.mean():.2%} | {(kept == 1).mean():.1%}"


def _nearest(rows: np.ndarray) -> np.ndarray:
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, axis=1)[:, :NEIGHBOURS]


if __name__ == "__main__":
    main()
