"""The features stage alone: its speed beside that of the bare forward pass over decoded images, and its memory."""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import _bare
import _figures
import _turns
import numpy as np
from _figures import Figure

from backbench import plugins
from backbench.stage import Context, Inputs, Member
from backbench.stages import _extraction, features
from backbench.store import Store

REFS = {"dataset": ("dataset", "d" * 64)}
MODELS = {"mobilenet_v2": 224, "resnet50": 224, "efficientnet_lite0": 96, "vgg16": 224, "vit_b_16": 224}
SMALL = ("mobilenet_v2", "resnet50", "efficientnet_lite0")


def forward(args: argparse.Namespace, folder: Path) -> list[str]:
    lines = [
        "## The features stage and the bare forward pass\n",
        f"Images per second from decoded uint8, random weights, medians of {args.rounds} interleaved rounds:\n",
        "| network | pixels | engine | precision | bare | batch | stage | batch | ratio (range) | of CPU | opening |",
        "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    speeds = {}
    for name, engine in itertools.product(args.models, args.engines):
        line, *speeds[name, engine] = _staged_and_bare(name, engine, args, folder)
        lines.append(line)
        print(line, flush=True)
    return [*lines, *_figures.lines(list(_in_the_readme(speeds))), ""]


def _in_the_readme(speeds: Mapping[tuple[str, str], Sequence[float]]) -> Iterator[Figure]:
    """Figures of `speeds`: the ratio to the bare pass and the images per second of each network and engine."""
    shares = ", ".join(f"{name} {ratio:.0%} in {engine}" for (name, engine), (ratio, _) in speeds.items())
    yield Figure("extraction from decoded uint8, relative to the bare forward pass", "95 %", shares.replace("%", " %"))
    both = [name for name, engine in speeds if engine == "openvino" and (name, "torch") in speeds]
    times = [f"{name} {speeds[name, 'openvino'][1] / speeds[name, 'torch'][1]:.1f} times" for name in both]
    if times:
        yield Figure("images per second in OpenVINO, relative to PyTorch", "", ", ".join(times))


def _staged_and_bare(name: str, engine: str, args: argparse.Namespace, folder: Path) -> tuple[str, float, float]:
    """A line of the table, the ratio of the stage to the bare pass, and the images per second of the stage."""
    params = _params(name, MODELS[name], engine, args.device)
    context = Context(threads=args.threads, device=args.device, scratch=folder / "scratch")
    start = time.perf_counter()
    plugins.load("backbone", name).open(params, context)
    opening = time.perf_counter() - start
    lanes = _bare.lanes(name, params, context)
    size = _bare.best(lanes, args.device, args.seconds / 6)
    speed = _bare.speed(lanes, size, args.seconds)
    store = _store(folder, params.image.size, max(64, int(speed * args.seconds)))
    rounds, used = [], {}
    for _ in range(args.rounds):
        start, images_before = time.process_time(), _bare.Counted.images
        bare = _bare.speed(lanes, size, args.seconds)
        bare_cpu = (time.process_time() - start) / (_bare.Counted.images - images_before)
        outcome, cpu = _staged(store, name, params, context)
        stage, used = outcome.info["images_per_second"], outcome.used
        rounds.append((bare, stage, stage / bare, bare_cpu / cpu))
    bares, stages, ratios, cpus = zip(*rounds, strict=True)
    middle, size_used = statistics.median, used["batch_size"]
    line = (
        f"| {name} | {params.image.size} | {params.engine} | {params.precision} | {middle(bares):.0f} | {size} | "
        f"{middle(stages):.0f} | {size_used} | **{middle(ratios):.3f}** ({min(ratios):.2f} to {max(ratios):.2f})"
        f" | {middle(cpus):.3f} | {opening:.1f} s |"
    )
    return line, middle(ratios), middle(stages)


def _params(name: str, size: int, engine: str, device: str) -> Any:
    image = {"size": size, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
    return _bare.params(name, image, engine, device)


def _store(folder: Path, side: int, n: int) -> Store:
    """A store with a dataset of `n` images that are prepared already."""
    store = Store(folder / "store")
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)
    info = {"n": n, "total": n, "digest": "c" * 64}
    arrays = {"pixels": pixels, "rows": np.arange(n), "split": np.zeros(n, np.uint8)}
    store.write(*REFS["dataset"], {"config": {}, "info": info}, arrays)
    return store


def _staged(store: Store, name: str, params: Any, context: Context) -> tuple[Any, float]:
    """The outcome of the stage, and seconds of processor time an image without those of opening the network."""
    spent, run = [], _extraction.run

    def timed(partial: Any, images: Any, *rest: Any) -> Any:
        start = time.process_time()
        used = run(partial, images, *rest)
        spent.append((time.process_time() - start) / len(images))
        return used

    _extraction.run = timed
    try:
        (outcome,) = features.compute([Member("f" * 64, _bare.member(name, params))], Inputs(store, REFS), context)
    finally:
        _extraction.run = run
    return outcome, spent[0]


def memory(args: argparse.Namespace, folder: Path) -> list[str]:
    peaks = {}
    for n in (2000, 8000):
        command = [sys.executable, __file__, str(n)]
        peaks[n] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    lines = ["Peak memory of a process of the features stage (efficientnet_lite0, 96 pixels; libraries included):\n"]
    lines += ["| images | on disk | peak |", "| ---: | ---: | ---: |"]
    lines += [f"| {n:,} | {disk} MB | {peak} MB |" for n, (disk, peak) in peaks.items()]
    return lines


def peak(n: int) -> tuple[int, int]:
    """MB of images and features on disk, and the largest that this process was."""
    side, d = 96, 1280
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own, whose memory is not counted.
        program = f"import _alone; from pathlib import Path; _alone._store(Path({folder!r}), {side}, {n})"
        subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent)
        params = _params("efficientnet_lite0", side, "auto", "cpu")
        store = Store(Path(folder) / "store")
        outcome, _ = _staged(store, "efficientnet_lite0", params, Context(threads=2, scratch=Path(folder) / "s"))
    assert outcome.failure is None
    return n * (side * side * 3 + d * 4) >> 20, int(_turns.peak())


if __name__ == "__main__":
    print(*peak(int(sys.argv[1])))
