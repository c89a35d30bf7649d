"""What rounding costs and saves: OpenVINO in float32, bfloat16 and int8 on this processor.

    python benchmarks/precision.py                                     speed and settings, about four minutes
    python benchmarks/precision.py --parts speed agreement settings --photographs FOLDER --write
    python benchmarks/precision.py --parts agreement --sets fashion_mnist --sample 300 --models efficientnet_lite0

Speed: images a second from decoded pixels as ratios to float32, all precisions in turn in each round; int8 is there if
the extra of that name is installed. Agreement: features of the same images against those in float32, and what probes
make of them on the images that they were not fitted on, with the paired difference to float32 and its 95 % interval
(Newcombe). Settings: what else OpenVINO offers in float32, beside what the package does. Features are equal where it
says so.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import _figures
import _rounding
import _settings
import numpy as np
from _figures import Figure

from backbench import machine, paths, planning, provenance, wording
from backbench.backbones import _engine
from backbench.datasets import TRAIN
from backbench.engine.plan import frozen
from backbench.engine.run import runner
from backbench.stage import Inputs
from backbench.stages import _calibration, pixels
from backbench.statistics import paired
from backbench.store import Store

TARGET = paths.CHECKOUT / "benchmarks" / "results" / "precision.md"
# The cell of bfloat16 in a row of the table of speeds, and the ratio in a cell.
BFLOAT16, BOLD = 4, re.compile(r"\*\*([\d.]+)\*\*")
SPEED = {
    "efficientnet_lite0": (96, 224),
    "efficientnet_lite1": (240,),
    "efficientnet_lite2": (260,),
    "mobilenet_v2": (224,),
    "resnet50": (224,),
    "vit_b_16": (224,),
}
# Collections with the networks that are tried on them; 96 pixels as in the default experiment.
COLLECTIONS: dict[str, dict[str, int]] = {
    "fashion_mnist": {"efficientnet_lite0": 96},
    "photographs": {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260},
}
SAMPLES = {"fashion_mnist": 3000, "photographs": 2000}
NEAREST, SMALL = 10, 128
# Parts of the page with their headings.
PARTS = {"speed": "Speed", "agreement": "Agreement", "settings": "OpenVINO's settings in float32"}


# ------------------------------------------------------------------------------------------------ speed


def speed(args: argparse.Namespace) -> Iterator[str]:
    precisions = _rounding.available()
    yield (
        f"Images a second, medians of {args.rounds} rounds in turn; in brackets the ratio to float32 and its range. "
        f"Before int8 extracts anything it is calibrated on {_rounding.CALIBRATION} images: for the smallest it is "
        "said from how many images on that has paid.\n"
    )
    yield f"| network | pixels | {' | '.join(precisions)} |"
    yield f"| --- | ---: |{' ---: |' * len(precisions)}"
    for name in args.models:
        for size in SPEED[name]:
            yield f"| {name} | {size} | {' | '.join(_speeds(name, size, precisions, args))} |"
    yield ""


def _speeds(name: str, size: int, precisions: Sequence[str], args: argparse.Namespace) -> list[str]:
    asked = _rounding.options(name, size)
    noise = np.random.default_rng(0).integers(0, 256, (_rounding.CALIBRATION, size, size, 3), np.uint8)
    # Calibrating takes long, and its images are no matter of speed: only one network gets all of them, to be timed.
    calibration = noise[: None if size < SMALL else 8]
    noise = noise if size < SMALL else noise[:32]
    opened = [_rounding.Opened(name, asked, each, args.threads, calibration) for each in precisions]
    for each in opened:
        each.features(noise)
    rounds = np.array([[each.speed(noise, args.seconds) for each in opened] for _ in range(args.rounds)])
    ratios = rounds / rounds[:, :1]
    cells = [f"{np.median(rounds[:, 0]):.0f}"]
    for place in range(1, len(opened)):
        low, middle, high = np.quantile(ratios[:, place], (0, 0.5, 1))
        cells.append(f"{np.median(rounds[:, place]):.0f} (**{middle:.2f}**, {low:.2f} to {high:.2f})")
    if precisions[-1] == "int8" and size < SMALL:
        saved = 1 / np.median(rounds[:, 0]) - 1 / np.median(rounds[:, -1])
        images = (opened[-1].opening - opened[0].opening) / saved
        cells[-1] += f"; pays from {images:,.0f} images on"
    return cells


# ------------------------------------------------------------------------------------------------ agreement


def agreement(args: argparse.Namespace) -> Iterator[str]:
    yield (
        f"Cosine of the features of an image to those in float32; share of its {NEAREST} nearest images by cosine that "
        "are the same; accuracy of probes on the images that they were not fitted on, and its difference to float32 in "
        f"percentage points. int8 was calibrated on {_rounding.CALIBRATION} training images, as a sweep does it.\n"
    )
    yield "| images | network | precision | cosine, median | 1st percentile | nearest | k-NN | logistic regression |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for title, inputs in _collections(args):
        for name in [name for name in COLLECTIONS[title] if name in args.models]:
            yield from _agreements(title, inputs, name, args)
    yield ""


def _collections(args: argparse.Namespace) -> Iterator[tuple[str, Inputs]]:
    """A title and the stored data set of each collection; both are drawn and split as a sweep does it."""
    asked = {"fashion_mnist": ["dataset=fashion_mnist"]}
    if args.photographs:
        asked["photographs"] = ["dataset=folder", f"dataset.root={args.photographs.absolute()}"]
    for title in [title for title in args.sets if title in asked]:
        overrides = ["experiment=none", "plots=none", *asked[title], f"dataset.sample={args.sample or SAMPLES[title]}"]
        plan = planning.make([*overrides, "backbone=pixels", "backbone.image.size=8", "k=2"]).plan
        frozen.save(plan)
        store = Store(paths.store())
        (shard,) = [shard for shard in plan.shards.values() if shard.kind == "dataset"]
        words = ["--plan", str(plan.path), "--shard", shard.id, "--threads", str(machine.cores()), "--device", "cpu"]
        runner.compute(plan, shard, store, runner.parser("dataset").parse_args(words))
        yield title, Inputs(store, {"dataset": ("dataset", shard.members[0])})


def _agreements(title: str, inputs: Inputs, name: str, args: argparse.Namespace) -> Iterator[str]:
    asked = _rounding.options(name, COLLECTIONS[title][name], squash=title == "fashion_mnist")
    images = pixels.Prepared(inputs, asked.image)[:]
    labels, split = inputs.array("dataset", "labels"), inputs.array("dataset", "split")
    drawn = _calibration.drawn(pixels.row_keys(inputs), split, _rounding.CALIBRATION)
    exact: tuple[np.ndarray, list[np.ndarray]] | None = None
    for precision in _rounding.available():
        opened = _rounding.Opened(name, asked, precision, args.threads, images[drawn])
        features = opened.features(images)
        right = [probe(features, labels, split == TRAIN) for probe in (_knn, _logistic)]
        exact = exact or (features, right)
        cosines = (_unit(features) * _unit(exact[0])).sum(axis=1)
        cells = [f"{np.median(cosines):.5f}", f"{np.quantile(cosines, 0.01):.5f}"]
        cells += [f"{_shared(features, exact[0]):.3f}", *map(_accuracy, right, exact[1])]
        about = f"{title}, {len(images):,} at {asked.image.size} pixels"
        yield f"| {about} | {name} | {precision} | {' | '.join(cells)} |"


def _accuracy(right: np.ndarray, exact: np.ndarray) -> str:
    if right is exact:
        return f"{right.mean():.4f}"
    test = paired.mcnemar(right, exact)
    points = [f"{100 * value:+.1f}" for value in (test.difference, test.low, test.high)]
    return f"{right.mean():.4f} ({points[0]}, {points[1]} to {points[2]})"


def _unit(features: np.ndarray) -> np.ndarray:
    """Rows (n, d) of unit length."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-30)


def _shared(features: np.ndarray, exact: np.ndarray) -> float:
    """The share of the nearest images by cosine that both features (n, d) have."""
    lists = []
    for rows in (_unit(features), _unit(exact)):
        likeness = rows @ rows.T
        np.fill_diagonal(likeness, -np.inf)
        lists.append(np.argpartition(-likeness, NEAREST, axis=1)[:, :NEAREST])
    return float(np.mean([len(set(a) & set(b)) / NEAREST for a, b in zip(*lists, strict=True)]))


def _knn(features: np.ndarray, labels: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Which images outside `train` (n,) a k-NN by cosine gets right, (m,) bool."""
    from sklearn.neighbors import KNeighborsClassifier

    rows = _unit(features)
    model = KNeighborsClassifier(5).fit(rows[train], labels[train])
    return np.asarray(model.predict(rows[~train]) == labels[~train])


def _logistic(features: np.ndarray, labels: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The same of a logistic regression on rows of unit length."""
    from sklearn.linear_model import LogisticRegression

    rows = _unit(features)
    model = LogisticRegression(C=10.0, max_iter=500).fit(rows[train], labels[train])
    return np.asarray(model.predict(rows[~train]) == labels[~train])


# ------------------------------------------------------------------------------------------------ settings


def settings(args: argparse.Namespace) -> Iterator[str]:
    yield f"Speed against that of the package, medians of {args.rounds} rounds in turn.\n"
    yield "| network | pixels | setting | ratio (range) | features |"
    yield "| --- | ---: | --- | ---: | --- |"
    for name, size, count in (("efficientnet_lite0", 96, 512), ("mobilenet_v2", 224, 96)):
        images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)
        ways = _settings.ways(name, size, args.threads, images)
        exact = {title: work() for title, work in ways.items()}
        ours = exact["as the package"]
        rounds = [[_settings.seconds(work) for work in ways.values()] for _ in range(args.rounds)]
        ratios = np.array(rounds)[:, :1] / np.array(rounds)
        for place, title in enumerate(ways):
            low, middle, high = np.quantile(ratios[:, place], (0, 0.5, 1))
            same = (
                "equal" if np.array_equal(exact[title], ours) else f"differ by {np.abs(exact[title] - ours).max():.1g}"
            )
            yield f"| {name} | {size} | {title} | **{middle:.2f}** ({low:.2f} to {high:.2f}) | {same} |"
    pairs = [(_settings.opening("checked"), _settings.opening("unchecked")) for _ in range(args.rounds)]
    share = statistics.median(b / a for a, b in pairs)
    yield (
        f"\nOpening EfficientNet-Lite0 in a new process, torch already loaded, takes **{share:.2f}** of the time that "
        "it takes with the tracer's own check of its trace.\n"
    )


# ------------------------------------------------------------------------------------------------ the page


def head(args: argparse.Namespace) -> str:
    """The command and the machine."""
    words = ["FOLDER" if Path(word).is_dir() else word for word in sys.argv[1:]]
    versions = provenance.installed(("openvino", "torch", "nncf", "numpy"))
    native = [precision for precision in _rounding.PRECISIONS if _engine.native(precision)]
    return (
        f"```bash\npython benchmarks/precision.py {' '.join(words)}\n```\n\n"
        f"{args.threads} cores of {provenance.machine()['cpu']}, which computes in {wording.listed(native)}; load of "
        f"the machine at the start {os.getloadavg()[0]:.1f}. "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["speed", "settings"])
    parser.add_argument("--models", nargs="+", choices=SPEED, default=list(SPEED))
    parser.add_argument("--sets", nargs="+", choices=SAMPLES, default=list(SAMPLES))
    parser.add_argument("--photographs", type=Path, help="a folder of folders of photographs, for the part agreement")
    parser.add_argument("--sample", type=int, help=f"images of each collection (default {SAMPLES})")
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement of speed")
    parser.add_argument("--write", action="store_true", help="replace the given parts of results/precision.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ.setdefault("BACKBENCH_STORE", work)
        for part in args.parts:
            lines = [f"## {PARTS[part]}\n", head(args)]
            print("\n".join(lines))
            for line in globals()[part](args):
                lines.append(line)
                print(line, flush=True)
            if args.write:
                _write(PARTS[part], "\n".join(lines))


def _write(heading: str, text: str) -> None:
    """Replace a part of the page, and keep the others."""
    page = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    parts = {block.partition("\n")[0]: block for block in page.split("\n## ")[1:]}
    parts[heading] = text.removeprefix("## ")
    ordered = [f"## {parts[title].strip()}" for title in PARTS.values() if title in parts]
    figures = "\n".join(_figures.lines(list(_in_the_readme(parts.get(PARTS["speed"], ""))))).strip()
    TARGET.write_text("\n\n".join(["# Precision", *ordered, f"{figures}\n"]), encoding="utf-8")


def _in_the_readme(speed: str) -> Iterator[Figure]:
    """The range of the ratios of bfloat16 in the table of speeds."""
    cells = [line.split("|")[BFLOAT16] for line in speed.splitlines() if "**" in line]
    ratios = sorted(float(match[1]) for match in map(BOLD.search, cells) if match)
    if ratios:
        times = f"{ratios[0]:.1f} to {ratios[-1]:.1f} times as fast as float32"
        yield Figure("extraction in bfloat16 where the processor computes in it", "", times)


if __name__ == "__main__":
    main()
