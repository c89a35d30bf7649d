"""A model in a folder that needs neither the store nor any other file of the machine that it was made on.

Beside what :meth:`Model.save` writes there are the weights of the backbone, the names of the known images, and the keys
by which an image of the collection is recognised. No image is in it.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import machine, provenance, threads
from backbench.backbones import _contract, _engine
from backbench.datasets import PARTS
from backbench.files import write_text
from backbench.images import reading
from backbench.inference import parts, weights
from backbench.inference.model import CLASSIFICATION, CLUSTERING, NEIGHBOURS, Model
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.stage import Inputs
from backbench.stages import _extraction, pixels

if TYPE_CHECKING:
    import numpy as np

NAMES = "names.json"
KNOWN, GALLERY, TRUTH, KEYS = "known.", "known.gallery", "known.truth", "known.keys"
WITHOUT = "it was exported without the known images"
NEW = -1
SAMPLE = 32
# What a model needs wherever it is used, and by what its backbone is made of; torchvision reads for PyTorch too.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops", "pillow", "pillow-heif", "pandas", "threadpoolctl")
NETWORKS = ("torch", "safetensors")
BY_PLUGIN = {"timm": ("timm",), "open_clip": ("open_clip_torch",)}


@dataclass(frozen=True)
class Portable:
    """A model with the names of its known images; `names` is empty where it was exported without them."""

    model: Model
    names: Sequence[str]

    @classmethod
    def load(cls, folder: Path) -> "Portable":
        """The model in a folder that :func:`write` made.

        Raises
        ------
        ConfigError
            If there is none, or it is damaged.
        """
        model = Model.load(folder)
        try:
            names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{folder} holds no whole model ({error}); export it again.") from error
        about = {**model.about, "backbone": weights.placed(model.about["backbone"], folder)}
        return cls(dataclasses.replace(model, about=about), names)

    def row(self, sha256: str, name: str = "") -> int:
        """The number of the known image whose file has this SHA-256 and name; -1 for a new one."""
        key = reading.key_of(bytes.fromhex(sha256), self.model.about["bits"], name)
        return self._rows.get(key, NEW)

    def part(self, row: int) -> str:
        """The split of a known image: ``train``, ``validation`` or ``test``."""
        return PARTS[int(self.model.arrays["known.split"][row])]

    def label(self, row: int) -> str | None:
        """The class of a known image, None without classes."""
        truth = self.model.arrays.get(TRUTH)
        return None if truth is None else self.model.classes[int(truth[row])]

    @cached_property
    def _rows(self) -> Mapping[bytes, int]:
        """Numbers of known images by the keys of their files; of equal files the first."""
        rows: dict[bytes, int] = {}
        for row, key in enumerate(self.model.arrays.get(KEYS, ())):
            rows.setdefault(key.tobytes(), row)
        return rows


def write(source: Source, model: Model, folder: Path, known: bool = True) -> list[Path]:
    """Write the model of a run into an empty folder; returns the files.

    Parameters
    ----------
    known : whether the features and names of the known images go with it, which the nearest images need

    Raises
    ------
    ConfigError
        If it has no backbone that can be taken away, or the weights cannot.
    """
    model = _without_known(model) if not known else _with_known(source, model)
    backbone = _carried(model, folder)
    written = dataclasses.replace(model, about={**model.about, "backbone": backbone}).save(folder)
    names = pixels.names(_inputs(source))
    listed = [names(row) for row in range(model.about["images"])] if known else []
    # Names of files that are no text are escaped.
    write_text(folder / NAMES, json.dumps(listed, indent=0) + "\n")
    return [*written, folder / NAMES, *sorted(folder.glob("weights*.safetensors"))]


def _carried(model: Model, folder: Path) -> dict[str, Any]:
    """What a model says of its backbone; the weights go into `folder`, those of each part into a file of their own."""
    backbone = dict(model.about["backbone"])
    if "parts" not in backbone:
        return {**backbone, **weights.carried(*opened(model), folder)}
    names = (weights.OF_PART.format(number) for number in range(1, len(backbone["parts"]) + 1))
    several = zip(backbone["parts"], _opened(model), names, strict=True)
    parts = [{**part, **weights.carried(*plugin, folder, name)} for part, plugin, name in several]
    return {**backbone, "parts": parts}


def size(model: Model) -> tuple[int, int]:
    """Bytes of the folder of a model, and those of its known images among them."""
    paths = [path for plugin in _opened(model) if (path := weights.source(*plugin))]
    known = sum(array.nbytes for name, array in model.arrays.items() if name.startswith(KNOWN))
    total = sum(array.nbytes for array in model.arrays.values()) + sum(path.stat().st_size for path in paths)
    return total, known


def opened(model: Model) -> tuple[Any, Any]:
    """The plugin of the backbone of a model, and its options.

    Raises
    ------
    ConfigError
        If new images cannot be passed through it, or its weights are not there.
    """
    assert model.policy is not None  # refuses embeddings that were made elsewhere
    module = _contract.load(model.about["backbone"]["name"])
    return module, _extraction.parameters(module, model.about["backbone"])


def _opened(model: Model) -> list[tuple[Any, Any]]:
    """The plugin and the options of the backbone of a model, or of each part of it."""
    assert model.policy is not None  # refuses embeddings that were made elsewhere
    abouts = model.about["backbone"].get("parts") or [model.about["backbone"]]
    modules = [_contract.load(about["name"]) for about in abouts]
    return [(module, _extraction.parameters(module, about)) for module, about in zip(modules, abouts, strict=True)]


def requirements(model: Model) -> list[str]:
    """What pip has to install where the model is used, each in the version that it was exported with."""
    libraries = list(LIBRARIES)
    for about in model.about["backbone"].get("parts") or [model.about["backbone"]]:
        name, module = about["name"], _contract.load(about["name"])
        libraries += [*_engine.LIBRARIES.get(about.get("engine") or module.ENGINE, ()), *BY_PLUGIN.get(name, ())]
        if hasattr(module, "MODEL") or name == "torchvision":
            libraries.append("torchvision")
        if "weights" in about:
            libraries += NETWORKS
    versions = provenance.installed(dict.fromkeys(libraries))
    # A build of PyTorch for one kind of device (2.11.0+cpu) is no version that an index has.
    return [f"{library}=={version.partition('+')[0]}" for library, version in versions.items()]


def agreement(source: Source, portable: Portable, count: int = SAMPLE) -> dict[str, int]:
    """How far a model gives what the run gave, computed anew from the pixels of `count` of its test images at most.

    ``images``, and of how many the ``features``, the ``class`` and the ``cluster`` differ; absent if not stored.
    """
    import numpy as np

    model = portable.model
    test = np.flatnonzero(source.split == PARTS.index("test"))
    rows = test[np.unique(np.linspace(0, len(test) - 1, min(count, len(test))).astype(int))] if len(test) else test
    features = model.embed(parts.stored_pixels(source, rows, model.policies))
    differs = {"features": (features != source.stored("features", "features")[rows]).any(axis=1)}
    with threads.one_core_each(machine.cores()):
        if model.does(CLASSIFICATION):
            differs["class"] = model.classify(features).classes != source.predictions[rows]
        if model.does(CLUSTERING):
            clustered = source.labels[rows] >= NEW
            differs["cluster"] = clustered & (model.place(features).clusters != source.labels[rows])
    return {"images": len(rows), **{name: int(values.sum()) for name, values in differs.items()}}


def _with_known(source: Source, model: Model) -> Model:
    """The model with what recognises and names its known images."""
    arrays: dict[str, np.ndarray] = dict(model.arrays)
    if source.names:
        arrays[TRUTH] = source.truth
    if (keys := pixels.keys(_inputs(source))) is not None:
        arrays[KEYS] = keys
    return dataclasses.replace(model, arrays=arrays)


def _without_known(model: Model) -> Model:
    """The model without anything of single images."""
    about = {**_other_tasks(model.about), "chains": _other_tasks(model.about["chains"])}
    about["lacks"] = {**model.about["lacks"], NEIGHBOURS: WITHOUT}
    arrays = {name: array for name, array in model.arrays.items() if not name.startswith((KNOWN, f"{NEIGHBOURS}."))}
    return dataclasses.replace(model, about=about, arrays=arrays)


def _other_tasks(by_task: Mapping[str, Any]) -> dict[str, Any]:
    return {task: value for task, value in by_task.items() if task != NEIGHBOURS}


def _inputs(source: Source) -> Inputs:
    return Inputs(source.store, {"dataset": ("dataset", source.row.stages["dataset"])})
