"""Images per second from JPEG files to features, beside decoding alone; the files are made here by Pillow."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _gpu_extraction
import numpy as np

from backbench import threads

# Different files; they are listed again until each thread has a few batches, up to so many images.
COUNT = {"full": 2048, "small": 24, "tiny": 8}
BATCHES, MOST = 4, 1 << 16
SIDES = (500, 375)
NETWORK = {"full": "resnet50", "small": "mobilenet_v2", "tiny": "mobilenet_v2"}


def measure(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One record; of a machine without Pillow, the reason why there is none."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        yield {"skipped": "Pillow, which decodes JPEG files, is not installed"}
        return
    size, clock = asked["size"], asked["clock"]
    precision = "float32" if asked["device"] == "cpu" else "float16"
    extract, batch, context = _gpu_extraction._opened((NETWORK[size], precision, "torch"), asked)
    with tempfile.TemporaryDirectory() as folder:
        files = _made(Path(folder), COUNT[size], asked["threads"])
        megabytes = float(np.mean([file.stat().st_size for file in files])) / 1e6
        wanted = min(MOST, BATCHES * context.threads * batch)
        images = Files(files * max(1, -(-wanted // len(files))), _gpu_extraction.SIDE[size])
        count = len(images)
        width = extract(images[slice(0, batch)]).shape[1]
        decoding, speeds = [], []
        for _ in range(_gpu_extraction.ROUNDS[size]):
            decoding.append(count / _alone(images, asked["threads"]))
            start = time.perf_counter()
            used = _gpu_extraction.stretch(extract, images, batch, width, context)
            speeds.append(count / (time.perf_counter() - start))
            if clock.left() < count / decoding[-1] + count / speeds[-1]:
                break
    yield {
        **{"network": NETWORK[size], "precision": precision, "batch": used["batch_size"], "images": count},
        **{
            "files": len(files),
            "megabytes": megabytes,
            "rounds": speeds,
            "decoding": decoding,
            "threads": asked["threads"],
        },
    }


class Files:
    """JPEG files as prepared images (n, size, size, 3) uint8, decoded when they are asked for, as the stage does."""

    def __init__(self, files: list[Path], side: int):
        from backbench.images.policy import Image

        self.policy = Image(side, "RGB", "crop", "bilinear")
        self.files, self.shape = files, (len(files), side, side, 3)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Images (m, side, side, 3)."""
        return np.stack([self._image(file) for file in self.files[rows]])

    def release(self) -> None:
        """Nothing is mapped."""

    def _image(self, file: Path) -> np.ndarray:
        """An image (side, side, 3)."""
        from backbench.images import decoding, preparing, scaling

        return preparing.resize(decoding.decode(file, None, scaling.least(self.policy)), self.policy)


def _alone(images: Files, count: int) -> float:
    """Seconds to decode all files in so many threads."""
    start = time.perf_counter()
    with threads.beside(count):
        for _ in threads.in_order(images.__getitem__, [slice(row, row + 16) for row in range(0, len(images), 16)]):
            pass
    return time.perf_counter() - start


def _made(folder: Path, count: int, workers: int) -> list[Path]:
    """Files of smooth random pictures, about as large as photographs of their size are."""
    from PIL import Image

    def make(number: int) -> Path:
        random, path = np.random.default_rng(number), folder / f"{number}.jpg"
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize(SIDES, Image.Resampling.BICUBIC)
        noise = random.normal(0, 9, (SIDES[1], SIDES[0], 3))
        Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)
        return path

    with threads.beside(workers):
        return list(threads.in_order(make, range(count)))
