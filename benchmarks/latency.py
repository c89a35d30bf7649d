"""Prediction against the least that it takes: one image, and a folder.

    python benchmarks/latency.py                     about five minutes on two cores
    python benchmarks/latency.py --write             into results/latency.md
    python benchmarks/latency.py --backbone pixels   another backbone

One image: seconds of `Predictor.files` on a new image after a warm-up, with class, cluster and nearest images,
against reading, decoding and one forward pass by the same engine. A folder: images a second of `Predictor.files`
against decoding and extraction alone, done as the extraction stage of a sweep does it. The photographs are painted, 500
x 375 pixels as JPEG. Lower quartiles and best of three turns, since other work may share the machine; the ratios count.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from backbench import machine, paths, planning, provenance, threads
from backbench.engine.plan import frozen
from backbench.engine.results import ledger
from backbench.engine.run import runner
from backbench.inference import fitting
from backbench.inference.known import Known
from backbench.inference.looking import look
from backbench.inference.model import Model
from backbench.inference.predicting import Predictor
from backbench.pictures.source import Source
from backbench.stage import KINDS
from backbench.store import Store

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "latency.md"
SIDES, KNOWN, NEW, ROUNDS, WARM = (500, 375), 90, 180, 60, 5
TURNS = 3
GRID = ("experiment=none", "plots=none", "selection=published", "chain=l2", "k=3")
HEADS = {
    "k-means, logistic regression": ("clusterer=kmeans", "classifier=logistic_regression"),
    "Ward, SVM on PCA": ("clusterer=agglomerative", "classifier=svm", "chain=standardise_pca50"),
    "HDBSCAN, k-NN": ("clusterer=hdbscan", "clusterer.min_cluster_size=5", "classifier=knn"),
}


def paint(path: Path, number: int) -> None:
    """A photograph in one of three kinds."""
    draw = np.random.default_rng(number)
    coarse = draw.integers(0, 160, (12, 16, 3)) + np.array([30, 60, 90])[number % 3]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse.astype(np.uint8)).resize(SIDES, Image.Resampling.BICUBIC).save(path, quality=90)


def computed(*overrides: str) -> list[Source]:
    """The runs of a sweep, computed in this process."""
    plan = planning.make([*GRID, *overrides]).plan
    frozen.save(plan)
    store = Store(paths.store())
    for shard in sorted(plan.shards.values(), key=lambda shard: KINDS.index(shard.kind)):
        words = ["--plan", str(plan.path), "--shard", shard.id, "--threads", str(machine.cores()), "--device", "cpu"]
        runner.compute(plan, shard, store, runner.parser(shard.kind).parse_args(words))
    return [Source(row, store) for row in ledger.rows(plan, ledger.read_records(plan, store))]


def seconds(works: list[Callable[[Path], object]], files: list[Path]) -> list[float]:
    """Seconds of each of several pieces of work on a file, taken in turn on the same files: the lower quartile."""
    times: list[list[float]] = [[] for _ in works]
    for number, file in enumerate(files):
        for place in np.roll(np.arange(len(works)), number).tolist():
            began = time.perf_counter()
            works[place](file)
            times[place].append(time.perf_counter() - began)
    return [statistics.quantiles(each[WARM:], n=4)[0] for each in times]


def bare(model: Model) -> Callable[[Path], object]:
    """Reading, decoding and one forward pass."""
    extract = model._extract

    def work(file: Path) -> object:
        pixels = look(file, model).pixels
        assert pixels is not None
        with threads.beside(machine.cores()):
            return extract(pixels[None])

    return work


def single(source: Source, files: list[Path]) -> tuple[float, float]:
    """Seconds of one image: bare, and predicted."""
    model = fitting.fit(source)
    predictor = Predictor(model, Known(source))
    works = [bare(model), lambda file: list(predictor.files([file], exact=False))]
    least, whole = seconds(works, files)
    return least, whole


def folder(source: Source, root: Path) -> tuple[float, float]:
    """Images a second of decoding and extraction alone, as the extraction stage does it, and of predictions."""
    model, files = fitting.fit(source), sorted(root.rglob("*.jpg"))
    predictor = Predictor(model, Known(source))
    list(predictor.files(files[:8]))
    works = (lambda: sum(1 for _ in extracted(model, files)), lambda: sum(1 for _ in predictor.files(files)))
    times: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for place, work in enumerate(works):
            began = time.perf_counter()
            assert work() == len(files)
            times[place].append(time.perf_counter() - began)
    least, whole = map(min, times)
    return len(files) / least, len(files) / whole


def extracted(model: Model, files: list[Path]) -> Iterator[np.ndarray]:
    """Features (d,) of files, a batch of a thread at a time, as `stages._extraction` computes them."""
    size, extract = model._batch, model._extract

    def task(first: int) -> np.ndarray:
        """Features (m, d) of a batch."""
        pixels = [look(file, model).pixels for file in files[first : first + size]]
        filled = np.stack([each for each in pixels if each is not None])
        filled = np.concatenate([filled, np.zeros((size - len(pixels), *filled.shape[1:]), np.uint8)])
        return extract(filled)[: len(pixels)]

    with threads.beside(machine.cores()):
        for rows in threads.in_order(task, range(0, len(files), size)):
            yield from rows


def report(work: Path, backbone: tuple[str, ...]) -> str:
    """The tables, as Markdown."""
    for number in range(KNOWN + NEW):
        part, kind = ("known", "abc"[number % 3]) if number < KNOWN else ("new", "abc"[number % 3])
        paint(work / part / kind / f"{number}.jpg", number)
    files = sorted((work / "new").rglob("*.jpg"))[: ROUNDS + WARM]
    lines = ["| one image | decoding and forward pass | predict | ratio |", "| --- | ---: | ---: | ---: |"]
    known = ("dataset=folder", f"dataset.root={work / 'known'}")
    for name, heads in HEADS.items():
        source = computed(*backbone, *known, *heads)[0]
        least, whole = single(source, files)
        lines.append(f"| {name} | {1e3 * least:.1f} ms | {1e3 * whole:.1f} ms | {whole / least:.2f} |")
    stage, speed = folder(source, work / "new")
    lines += ["", "| a folder | images a second | ratio |", "| --- | ---: | ---: |"]
    lines += [f"| decoding and extraction | {stage:.1f} | |", f"| predict | {speed:.1f} | {speed / stage:.2f} |"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write results/latency.md")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="name of a backbone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["BACKBENCH_RESULTS"] = str(Path(work) / "results")
        text = report(Path(work), (f"backbone={args.backbone}",))
    print(text)
    if args.write:
        about = (__doc__ or "").partition("One image: ")[2].strip()
        versions = ", ".join(f"{name} {each}" for name, each in provenance.installed(("torch", "openvino")).items())
        head = "# Prediction against the least that it takes\n\n```bash\npython benchmarks/latency.py --write\n```\n\n"
        where = f"{args.backbone}, {machine.cores()} cores, {versions}."
        TARGET.write_text(f"{head}One image: {about}\n\n{where}\n\n{text}\n")


if __name__ == "__main__":
    main()
