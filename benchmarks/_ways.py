"""Ways from image files to features on disk, and their legs alone, each as the function that does it once.

A way is asked for with a case and the folder of its files; it loads its libraries, opens its network and returns its
work, which is told a folder for what it makes.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _bare
import numpy as np
import yaml
from _pictures import KINDS

from backbench import paths, plugins
from backbench.datasets import Reading
from backbench.images import preparing, scaling
from backbench.images.policy import Image as Policy
from backbench.stage import Context, Inputs, Member
from backbench.stages import audit, dataset, features
from backbench.store import Store

# Images of a batch of the loaders, which is what their examples have.
BATCH = 32
# A forward pass over more images is measured on so many.
ENOUGH = 192
TRIALS, TRIAL_SECONDS = 2, 0.1
NEAR_DISTANCE = 4
NORMALISED = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}

Work = Callable[[Path], Any]


@dataclass(frozen=True)
class Case:
    """A kind of files, the network that they go through, and how they are prepared for it."""

    files: str
    network: str
    policy: Policy


CROP = Policy(224, "RGB", "crop", "bilinear", 256)
CASES = {
    "photographs": Case("photographs", "mobilenet_v2", CROP),
    "small": Case("small", "mobilenet_v2", CROP),
    "tiny": Case("tiny", "efficientnet_lite0", Policy(96, "RGB", "squash", "bilinear")),
    "tiny, pixels": Case("tiny", "pixels", Policy(28, "L", "squash", "bilinear")),
}


@dataclass(frozen=True)
class Asked:
    """What a process is to do: a case, the folder of its files, the engine and the cores."""

    case: str
    root: str
    engine: str
    threads: int

    @property
    def about(self) -> Case:
        return CASES[self.case]

    def files(self) -> list[Path]:
        return sorted(Path(self.root).rglob(f"*{KINDS[self.about.files].suffix}"))

    def params(self) -> Any:
        return _bare.params(self.about.network, vars(self.about.policy), self.engine, "cpu")


# ------------------------------------------------------------------------------------------------ the ways


def backbench(asked: Asked) -> Work:
    """What planning and the jobs do: read, audit, extract; each result is written to a store."""
    params, threads = asked.params(), asked.threads
    module, name = plugins.load("backbone", asked.about.network), asked.about.network
    extract = module.open(params, Context(threads=threads))
    module.open = lambda *_: extract

    def work(folder: Path) -> None:
        os.environ["BACKBENCH_RESULTS"] = str(folder)
        store, source, refs = Store(folder / "store"), plugins.load("dataset", "folder"), {}
        values = yaml.safe_load((paths.conf() / "dataset" / "folder.yaml").read_text(encoding="utf-8"))
        collection = plugins.params("dataset", {**values, "root": asked.root})
        digest = source.fingerprint(collection, Reading(policies=[params.image], store=store.root))
        for kind, stage, config in (
            ("dataset", dataset, {**values, "root": asked.root, "digest": digest}),
            ("audit", audit, {"near_distance": NEAR_DISTANCE, "root": asked.root}),
            ("features", features, {**_bare.member(name, params), "root": asked.root}),
        ):
            key = kind[0] * 64
            context = Context(threads=threads, scratch=store.scratch(kind, key))
            for outcome in stage.compute([Member(key, config)], Inputs(store, refs), context):
                assert outcome.failure is None, outcome.failure
                record = {"status": "done", "config": {}, "info": dict(outcome.info)}
                store.write(kind, key, record, outcome.arrays)
            refs[kind] = (kind, key)

    return work


def imagefolder(asked: Asked) -> Work:
    """torchvision's ``ImageFolder`` and PyTorch's ``DataLoader``, with a process for each core."""
    import torchvision.transforms as steps
    from torchvision.datasets import ImageFolder

    network, constants = _eager(asked)
    policy = asked.about.policy
    shape = [policy.shorter, policy.size] if policy.shorter else [(policy.size, policy.size)]
    sizes = [make(size) for make, size in zip((steps.Resize, steps.CenterCrop), shape, strict=False)]
    grey = [steps.Grayscale()] if policy.mode == "L" else []
    values = [constants[key][: 1 if grey else 3] for key in ("mean", "std")]
    transform = steps.Compose([*grey, *sizes, steps.ToTensor(), steps.Normalize(*values)])
    return lambda folder: _through(_loader(ImageFolder(asked.root, transform), asked), network, folder)


def timm(asked: Asked) -> Work:
    """timm's ``create_dataset`` and ``create_loader``, with a process for each core."""
    from timm.data import create_dataset, create_loader

    network, constants = _eager(asked)
    policy = asked.about.policy

    def work(folder: Path) -> Any:
        files = create_dataset("", root=asked.root)
        how = {"interpolation": policy.interpolation, "num_workers": asked.threads, "persistent_workers": True}
        crop = {"crop_pct": policy.size / (policy.shorter or policy.size)}
        crop |= {"crop_mode": "center" if policy.shorter else "squash"}
        size = (1 if policy.mode == "L" else 3, policy.size, policy.size)
        if policy.mode == "L":
            files = create_dataset("", root=asked.root, input_img_mode="L")
            constants.update({key: value[:1] for key, value in constants.items()})
        loader = create_loader(files, size, BATCH, use_prefetcher=False, **how, **crop, **constants)
        return _through(loader, network, folder)

    return work


def forward(asked: Asked) -> Work:
    """The bare forward pass over memory, at the batch that is best for it."""
    lanes = _bare.lanes(asked.about.network, asked.params(), Context(threads=asked.threads))
    size, n = _bare.best(lanes, "cpu", TRIAL_SECONDS, TRIALS), len(asked.files())
    images = min(n, ENOUGH if hasattr(asked.params(), "engine") else n)

    def work(folder: Path) -> dict[str, float]:
        return {"share": _bare.spend(lanes, size, images) / n, "batch": size}

    return work


def decode(asked: Asked) -> Work:
    """Every file decoded at a scale and resized, by a thread for each core and nothing else."""
    return _decoder(asked, scaling.least(asked.about.policy))


def whole(asked: Asked) -> Work:
    """Every file decoded whole and resized, likewise."""
    return _decoder(asked, None)


WAYS = {
    "backbench": backbench,
    "imagefolder": imagefolder,
    "timm": timm,
    "forward": forward,
    "decode": decode,
    "whole": whole,
}


# ------------------------------------------------------------------------------------------------ what they share


def _decoder(asked: Asked, least: int | None) -> Work:
    from PIL import Image

    files, policy, threads = asked.files(), asked.about.policy, asked.threads

    def one(path: Path) -> np.ndarray:
        with Image.open(path) as opened:
            scaling.draft(opened, scaling.reduction(opened, least))
            return preparing.resize(opened.convert(policy.mode), policy)

    def work(folder: Path) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda first: [one(path) is None for path in files[first::threads]], range(threads)))

    return work


def _eager(asked: Asked) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """The network in eager PyTorch on all cores, and the mean and deviation that its images are normalised by."""
    import torch

    torch.set_num_threads(asked.threads)
    if asked.about.network == "pixels":
        return lambda images: images.flatten(1), dict(NORMALISED)
    network, normalise = _bare.network(asked.about.network, asked.params(), Context(threads=asked.threads))
    low, high = (normalise(torch.full((1, 3, 1, 1), value)).flatten() for value in (0.0, 255.0))
    constants = {"mean": (-low / (high - low)).tolist(), "std": (1 / (high - low)).tolist()}
    network = network.eval().to(memory_format=torch.channels_last)
    return lambda images: network(images.contiguous(memory_format=torch.channels_last)), constants


def _loader(files: Any, asked: Asked) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(files, BATCH, num_workers=asked.threads, persistent_workers=True)


def _through(loader: Any, network: Callable[[Any], Any], folder: Path) -> dict[str, float]:
    """Features of all images on disk; the MB of its own that the processes of the loader held at the end."""
    import torch

    with torch.inference_mode():
        rows = [network(images).numpy() for images, _ in loader]
    np.save(folder / "features.npy", np.concatenate(rows))
    return {"workers_mb": sum(map(_private, _children()))}


def _children() -> list[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [child for task in tasks for child in task.read_text().split()]


def _private(process: str) -> float:
    """MB that a process shares with nobody."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024
