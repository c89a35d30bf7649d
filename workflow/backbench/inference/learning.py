"""The weights of a backbone that was trained in the sweep: trained again from the run's images, once, and kept.

A sweep keeps the features, not the weights. The training is deterministic on a machine, so that the same images give
the same weights; some of the stored features are computed again as a check. Where they differ by more than rounding,
new images would not be comparable with the known ones, and the model refuses them.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from backbench import derived, machine
from backbench.backbones import _contract
from backbench.backbones._contract import Extract, Learner
from backbench.datasets import TRAIN, VALIDATION
from backbench.derived import Content, Derived
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.stage import Context
from backbench.stages import _extraction
from backbench.wording import counted, duration

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = "weights."
NETWORKS = {"autoencoder": "Dense", "conv_autoencoder": "Convolutional"}
# Features that are computed again, and how far they may differ, relative to the spread of the stored ones.
CHECKED, ROUNDING = 64, 1e-3


class Different(Exception):
    """Trained again, the backbone gives other features."""


def weights(source: Source, say: Callable[[str], None]) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """Facts about the training, and the weights as arrays of any shape, (m, ...), in the order of the network.

    Raises
    ------
    Different
        If the stored features do not come out again.
    ConfigError
        If the images are not there any more, or the plugin is not known here.
    """
    member = source.row.stages["features"]
    origin = {"features": member, "array": source.row.records[member]["arrays"]["features"].get("sha256", "")}
    kept = Derived(derived.of_results(), "weights", origin, (__name__,))
    content = kept.ensure(lambda: _trained(source, kept, say))
    difference = content.info["difference"]
    if difference > ROUNDING:
        raise Different(
            f"{source.row.plan.stages[member].family}, trained again on this machine, gives other features than the "
            f"stored ones (they differ by {difference:.1g} of their spread); sweep again here."
        )
    return dict(content.info), dict(content.arrays)


def extractor(module: Any, params: Any, size: int, arrays: "Mapping[str, np.ndarray]") -> Extract:
    """The function from images to features, with kept weights: `arrays` (m, ...) that :func:`weights` gave."""
    import torch

    from backbench.backbones import _autoencoder, _engine, _training

    channels = 1 if params.image.mode == "L" else 3
    name = module.__name__.rsplit(".", 1)[-1]
    network = getattr(_autoencoder, NETWORKS[name])((size, size, channels), params)
    network = _autoencoder.initialise(network, params.seed)
    with torch.no_grad():
        for place, parameter in enumerate(network.parameters()):
            parameter.copy_(torch.tensor(arrays[f"{WEIGHTS}{place}"]))
    encoder = _autoencoder.Encoder(network).requires_grad_(False)
    extract: Extract = _engine.open(encoder, lambda x: x.div_(255), _training._Plain(), Context())
    return extract


def _trained(source: Source, kept: Derived, say: Callable[[str], None]) -> Content:
    """Train again, and compare features."""
    import numpy as np

    stage, images = source.row.plan.stages[source.row.stages["features"]], source.images
    module = _contract.load(stage.family)
    if stage.family not in NETWORKS or not isinstance(module, Learner):
        raise ConfigError(f"the weights of {stage.family} cannot be kept; a backbone with fixed weights has them.")
    params = _extraction.parameters(module, {**stage.config, **stage.local})
    before = source.info("features")["training"].get("seconds")
    took = f"; it took {duration(before)} in the sweep" if before else ""
    say(f"training {stage.family} again on {counted(len(images), 'image')}, since a sweep keeps no weights{took}")
    context = Context(machine.cores(), scratch=kept.store.scratch(kept.kind, kept.hash))
    # Networks learn from the split of the data set, whatever split the run is of.
    split = source.stored("dataset", "split")
    rows, held = (np.flatnonzero(split == part) for part in (TRAIN, VALIDATION))
    began = time.perf_counter()
    module.fit(params, images.on_disk(context), rows, held, context)
    arrays, seconds = _kept(context), time.perf_counter() - began
    difference = _difference(source, extractor(module, params, images.shape[1], arrays), module.BATCH)
    shutil.rmtree(context.scratch, ignore_errors=True)
    same = "the stored features come out bit for bit" if not difference else f"features differ by {difference:.1g}"
    say(f"trained in {duration(seconds)}; {same}")
    return Content({"difference": difference, "seconds": round(seconds, 2)}, arrays)


def _kept(context: Context) -> "dict[str, np.ndarray]":
    """The best weights (m, ...) of a training, from its last checkpoint."""
    from backbench.backbones import _checkpoint, _training

    best = _checkpoint.read(context.scratch / _training.CHECKPOINT).get("best")
    if best is None:
        raise ConfigError(f"{context.scratch} holds no weights after the training; try again.")
    return {f"{WEIGHTS}{place}": weights.numpy() for place, weights in enumerate(best)}


def _difference(source: Source, extract: Extract, batch: int) -> float:
    """How far some features are from the stored ones, relative to the spread of these; 0 where they are equal."""
    import numpy as np

    stored = source.stored("features", "features")
    rows = np.unique(np.linspace(0, len(stored) - 1, min(CHECKED, len(stored))).astype(int))
    images = source.images[rows]
    filled = np.zeros((batch, *images.shape[1:]), images.dtype)
    filled[: len(images)] = images[:batch]
    gaps = np.abs(extract(filled)[: len(rows)] - stored[rows])
    return float(gaps.max() / max(float(stored.std()), np.finfo(np.float32).tiny))
