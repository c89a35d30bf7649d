"""Images per second of the features stage against the bare forward pass, and of decoding; peak memory.

Run with ``python benchmarks/extraction.py [--device cpu|cuda] [--photographs FOLDER]``; it writes a table into
``benchmarks/results/extraction.md``. The bare pass is the same network on the same engine, lanes and cores, over float
images that are normalised already and lie in memory (or on the device), at the batch size that is best for it. It and
the stage take turns, and the median of the rounds' ratios is shown, so that other work on the machine counts for both;
the ratio of processor time an image hardly knows of it at all.
"""

import argparse
import functools
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from backbench import paths, plugins, provenance
from backbench.backbones import Image, _engine
from backbench.images import decoding, preparing
from backbench.stage import Context, Inputs, Member
from backbench.stages import _extraction, features, images
from backbench.store import Store

REFS = {"dataset": ("dataset", "d" * 64), "images": ("images", "e" * 64)}
MODELS = {"mobilenet_v2": 224, "resnet50": 224, "efficientnet_lite0": 96, "vgg16": 224, "vit_b_16": 224}
SMALL = ("mobilenet_v2", "resnet50", "efficientnet_lite0")
SIZES = {"cpu": (4, 8, 16, 32), "cuda": (64, 128, 256, 512, 1024)}
FILES = 1500
TARGET = paths.CHECKOUT / "benchmarks" / "results" / "extraction.md"


def main() -> None:
    args = _arguments()
    if args.memory:
        print(*_peak(args.memory))
        return
    with tempfile.TemporaryDirectory() as folder:
        files = _files(args, Path(folder))
        lines = [
            *_forward(args, Path(folder)),
            *_decoding(files, args, Path(folder)),
            *_shares(files, args),
            *_memory(),
        ]
    TARGET.write_text("\n".join([*_head(args), *lines, ""]), encoding="utf-8")
    print("\n".join(lines))


# ------------------------------------------------------------------------------------------------ forward pass


def _forward(args: argparse.Namespace, folder: Path) -> list[str]:
    lines = [
        f"Images per second from decoded uint8, random weights, medians of {args.rounds} interleaved rounds:\n",
        "| network | pixels | engine | precision | bare | batch | stage | batch | ratio (range) | of CPU | opening |",
        "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for name, engine in itertools.product(args.models, args.engines):
        params = _params(name, MODELS[name], engine, args.device)
        lines.append(_compared(params, name, args, folder))
        print(lines[-1], flush=True)
    return [*lines, ""]


def _compared(params: Any, name: str, args: argparse.Namespace, folder: Path) -> str:
    context = Context(threads=args.threads, device=args.device, scratch=folder / "scratch")
    lanes, opening = _bare_lanes(name, params, context)
    size = _best(lanes, args)
    speed = _speed(lanes, size, args.seconds)
    store = _store(folder, params.image.size, max(64, int(speed * args.seconds)))
    rounds, used = [], {}
    for _ in range(args.rounds):
        start, images_before = time.process_time(), _Counted.images
        bare = _speed(lanes, size, args.seconds)
        bare_cpu = (time.process_time() - start) / (_Counted.images - images_before)
        outcome, cpu = _staged(store, name, params, context)
        stage, used = outcome.info["images_per_second"], outcome.used
        rounds.append((bare, stage, stage / bare, bare_cpu / cpu))
    bares, stages, ratios, cpus = zip(*rounds, strict=True)
    middle, size_used = statistics.median, used["batch_size"]
    return (
        f"| {name} | {params.image.size} | {params.engine} | {params.precision} | {middle(bares):.0f} | {size} | "
        f"{middle(stages):.0f} | {size_used} | **{middle(ratios):.3f}** ({min(ratios):.2f} to {max(ratios):.2f})"
        f" | {middle(cpus):.3f} | {opening:.1f} s |"
    )


def _params(name: str, size: int, engine: str, device: str) -> Any:
    import yaml

    values = yaml.safe_load((paths.conf() / "backbone" / f"{name}.yaml").read_text(encoding="utf-8"))
    image = {**values["image"], "size": size}
    values = {**values, "image": image, "weights": "random", "engine": engine}
    return plugins.load("backbone", name).resolve(plugins.params("backbone", values), device)


def _bare_lanes(name: str, params: Any, context: Context) -> tuple[list[Callable[[int], None]], float]:
    """For each lane a function that runs one batch of a size through the network alone; seconds the plugin opens in."""
    caught: list[tuple[Any, Any]] = []
    opened, module = _engine.open, plugins.load("backbone", name)
    start = time.perf_counter()
    module.open(params, context)
    seconds = time.perf_counter() - start
    _engine.open = lambda network, normalise, *_: caught.append((network, normalise))
    try:
        module.open(params, context)
    finally:
        _engine.open = opened
    make = _openvino_lane if params.engine == "openvino" else _torch_lane
    return make(*caught[0], params, context), seconds


def _torch_lane(network: Any, normalise: Any, params: Any, context: Context) -> list[Callable[[int], None]]:
    import torch

    from backbench.backbones._torch import Prepared, Run

    run = Run(Prepared(network, normalise), torch.device(context.device), getattr(torch, params.precision), False)
    run.module = run.module.network

    @functools.cache
    def batch(n: int) -> torch.Tensor:
        made = torch.zeros((n, 3, params.image.size, params.image.size), device=context.device)
        return made.contiguous(memory_format=torch.channels_last)

    def lane(n: int) -> None:
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        run.features(batch(n))
        if context.device != "cpu":
            torch.cuda.synchronize()

    return [lane] * (context.threads if context.device == "cpu" else 2)


def _openvino_lane(network: Any, normalise: Any, params: Any, context: Context) -> list[Callable[[int], None]]:
    from backbench.backbones import _openvino, _torch

    class Alone(_torch.Prepared):
        def forward(self, images: Any) -> Any:
            return self.network(images.permute(0, 3, 1, 2))

    size = params.image.size
    compiled = _openvino._compiled(Alone(network, normalise), np.zeros((2, size, size, 3), np.float32), context.threads)
    batch = functools.cache(lambda n: np.zeros((n, size, size, 3), np.float32))

    def lane() -> Callable[[int], None]:
        request = compiled.create_infer_request()
        return lambda n: request.infer([batch(n)], share_inputs=True)

    return [lane() for _ in range(context.threads)]


class _Counted:
    """Images that all lanes of bare passes have computed so far."""

    images, guard = 0, threading.Lock()

    @classmethod
    def add(cls, count: int) -> None:
        with cls.guard:
            cls.images += count


def _speed(lanes: list[Callable[[int], None]], size: int, seconds: float) -> float:
    """Images per second of all lanes beside each other."""

    def work(lane: Callable[[int], None]) -> float:
        lane(size)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds or not count:
            lane(size)
            count += 1
        _Counted.add((count + 1) * size)
        return count * size / (time.perf_counter() - start)

    with ThreadPoolExecutor(len(lanes)) as pool:
        return sum(pool.map(work, lanes))


def _best(lanes: list[Callable[[int], None]], args: argparse.Namespace) -> int:
    sizes = SIZES["cpu" if args.device == "cpu" else "cuda"]
    found = {size: [] for size in sizes}
    for _, size in itertools.product(range(3), sizes):
        found[size].append(_speed(lanes, size, args.seconds / 6))
    return max(sizes, key=lambda size: statistics.median(found[size]))


def _store(folder: Path, side: int, n: int) -> Store:
    store = Store(folder / "store")
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)
    policy = {"size": side, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
    store.write("images", REFS["images"][1], {"config": policy, "info": {}}, {"images": pixels})
    return store


def _staged(store: Store, name: str, params: Any, context: Context) -> tuple[Any, float]:
    """The outcome of the stage, and seconds of processor time an image without those of opening the network."""
    module, spent, run = plugins.load("backbone", name), [], _extraction.run

    def timed(partial: Any, pixels: Any, *rest: Any) -> Any:
        start = time.process_time()
        used = run(partial, pixels, *rest)
        spent.append((time.process_time() - start) / len(pixels))
        return used

    _extraction.run = timed
    options = {key: value for key, value in vars(params).items() if key != "image"}
    member = Member("f" * 64, {"name": name, **options, **module.identity(params)})
    try:
        (outcome,) = features.compute([member], Inputs(store, REFS), context)
    finally:
        _extraction.run = run
    return outcome, spent[0]


# ------------------------------------------------------------------------------------------------ decoding


def _files(args: argparse.Namespace, folder: Path) -> list[Path]:
    files = sorted(args.photographs.rglob("*.jpg")) if args.photographs else _drawn(folder / "drawn")
    return files[:: max(1, len(files) // FILES)][:FILES]


def _decoding(files: list[Path], args: argparse.Namespace, folder: Path) -> list[str]:
    store, policy = Store(folder / "decoded"), Image(224, "RGB", "crop", "bilinear", 256)
    digests = [decoding.pixel_digest(decoding.rgb(path)) for path in files]
    root = Path(os.path.commonpath(files))
    about = {"n": len(files), "digest": "c" * 64, "root": str(root), "files": [str(f.relative_to(root)) for f in files]}
    arrays = {"file_digests": np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)}
    store.write(*REFS["dataset"], {"info": about}, arrays)
    params = _params("mobilenet_v2", 224, args.engines[0], args.device)
    context = Context(threads=args.threads, device=args.device, scratch=folder / "scratch")
    lanes, _ = _bare_lanes("mobilenet_v2", params, context)
    best = _best(lanes, args)
    rows = []
    for _ in range(args.rounds):
        bare = [_decoded(files, policy, args.threads), _speed(lanes, best, args.seconds)]
        both = [_decode_stage(store, policy, context)]
        both.append(_staged(store, "mobilenet_v2", params, context)[0].info["images_per_second"])
        rows.append([*bare, _after(bare), *both, _after(both), _after(both) / _after(bare)])
    middle = [statistics.median(column) for column in zip(*rows, strict=True)]
    what = f"{len(files)} {'photographs' if args.photographs else 'drawn JPEG files'}"
    return [
        f"With decoding: {what}, digest check, resize to 256, crop to 224, then mobilenet_v2 on {params.engine}. The",
        "bound of both legs is one after the other, for on these cores neither is free while the other works.\n",
        "| images per second | decode | forward | both |",
        "| --- | ---: | ---: | ---: |",
        "| bare loops | {:.0f} | {:.0f} | {:.0f} |".format(*middle[:3]),
        "| stages | {:.0f} | {:.0f} | {:.0f} |".format(*middle[3:6]),
        f"\nRatio: **{middle[6]:.3f}** (median of {args.rounds} interleaved rounds).\n",
    ]


def _shares(files: list[Path], args: argparse.Namespace) -> list[str]:
    """Where the time of one image goes, on one core."""
    policy, files = Image(224, "RGB", "crop", "bilinear", 256), files[:300]
    params = _params("mobilenet_v2", 224, args.engines[0], args.device)
    extract = plugins.load("backbone", "mobilenet_v2").open(params, Context(device=args.device))
    size = _engine.batch(params, args.device, 32)
    spent: dict[str, float] = {}

    def timed(name: str, function: Callable, *values: Any) -> Any:
        start = time.perf_counter()
        found = function(*values)
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
        return found

    rows = []
    for path in files:
        image = timed("read and decode", decoding.rgb, path)
        timed("check the digest of the pixels", decoding.pixel_digest, image)
        rows.append(timed("resize and crop", preparing.resize, image, policy))
    for first in range(0, len(rows), size):
        timed(f"mobilenet_v2 on {params.engine}", extract, np.stack(rows[first : first + size]))
    table = [f"| {name} | {1000 * seconds / len(files):.2f} |" for name, seconds in spent.items()]
    return ["Where the time of one photograph goes, on one core:\n", "| step | ms |", "| --- | ---: |", *table, ""]


def _after(speeds: list[float]) -> float:
    return 1 / sum(1 / speed for speed in speeds)


def _decoded(files: list[Path], policy: Image, threads: int) -> float:
    """Files per second that are opened, decoded, checked and resized by nothing but a thread for each core."""

    def work(part: list[Path]) -> None:
        for path in part:
            image = decoding.rgb(path)
            decoding.pixel_digest(image)
            preparing.resize(image, policy)

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [files[first::threads] for first in range(threads)]))
    return len(files) / (time.perf_counter() - start)


def _decode_stage(store: Store, policy: Image, context: Context) -> float:
    start = time.perf_counter()
    for outcome in images.compute([Member("e" * 64, vars(policy))], Inputs(store, REFS), context):
        seconds = time.perf_counter() - start
        store.write(*REFS["images"], {"config": vars(policy), "info": {}}, outcome.arrays)
    return len(outcome.arrays["images"]) / seconds


def _drawn(folder: Path) -> list[Path]:
    """JPEG files of the size of small photographs, where there are none."""
    from PIL import Image as Picture

    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(FILES):
        coarse = Picture.fromarray(generator.integers(0, 256, (20, 30, 3), np.uint8))
        coarse.resize((300, 200)).save(folder / f"{number}.jpg", quality=90)
    return sorted(folder.iterdir())


# ------------------------------------------------------------------------------------------------ memory, machine


def _memory() -> list[str]:
    peaks = {}
    for n in (2000, 8000):
        command = [sys.executable, __file__, "--memory", str(n)]
        peaks[n] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    lines = ["Peak memory of a process of the features stage (efficientnet_lite0, 96 pixels; libraries included):\n"]
    lines += ["| images | on disk | peak |", "| ---: | ---: | ---: |"]
    lines += [f"| {n:,} | {disk} MB | {peak} MB |" for n, (disk, peak) in peaks.items()]
    return lines


def _peak(n: int) -> tuple[int, int]:
    """MB of images and features on disk, and the largest that this process was."""
    side, d = 96, 1280
    with tempfile.TemporaryDirectory() as folder:
        program = f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]; import extraction as e; from pathlib "
        program += f"import Path; e._store(Path({folder!r}), {side}, {n})"
        subprocess.run([sys.executable, "-c", program], check=True)
        params = _params("efficientnet_lite0", side, "auto", "cpu")
        store = Store(Path(folder) / "store")
        outcome, _ = _staged(store, "efficientnet_lite0", params, Context(threads=2, scratch=Path(folder) / "s"))
    assert outcome.failure is None
    # Not what getrusage says: that begins with the size of the process that started this one.
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return n * (side * side * 3 + d * 4) >> 20, int(peak) >> 10


def _head(args: argparse.Namespace) -> list[str]:
    about, versions = provenance.machine(), provenance.versions()
    device = f"{args.threads} cores of {about['cpu']}"
    if args.device != "cpu":
        import torch

        device = f"{torch.cuda.get_device_name()}, {device}"
    return [
        "# Extraction\n",
        "```bash",
        " ".join(["python", "benchmarks/extraction.py", *("FOLDER" if Path(w).is_dir() else w for w in sys.argv[1:])]),
        "```\n",
        f"{device}; load of the machine at the end {os.getloadavg()[0]:.1f}. torch {versions['torch']}.\n",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--engines", nargs="+", default=None, help="default: auto, and torch where that is another")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=SMALL)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--photographs", type=Path, help="a folder of JPEG files (default: drawn ones)")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    installed = args.device == "cpu" and _engine._installed("openvino")
    args.engines = args.engines or (["openvino", "torch"] if installed else ["torch"])
    return args


if __name__ == "__main__":
    main()
