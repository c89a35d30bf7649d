"""A run as a model: from images to features, class, cluster and the nearest known images.

A model is plain JSON (`about`) and arrays. It is made from the stored results of a run (see ``fitting``), or loaded
from a folder that :meth:`Model.save` wrote; both do the same.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing, threads
from backbench.backbones import _contract, _engine, _quantised
from backbench.files import make_folder, replacing, write_text
from backbench.images import preparing
from backbench.images.decoding import Decoded
from backbench.images.policy import Image as Policy
from backbench.inference import chains, classifying, cores, learning, parts, placing
from backbench.inference.classifying import Classified
from backbench.inference.nearby import Nearby
from backbench.inference.placing import Placed
from backbench.schema import ConfigError
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from backbench.inference.index import Index

log = logging.getLogger(__name__)

CLASSIFICATION, CLUSTERING, NEIGHBOURS = "classification", "clustering", "neighbours"
TASKS = (CLASSIFICATION, CLUSTERING, NEIGHBOURS)
# What the model may lack besides a task, and what its backbone may be besides one with fixed weights.
BACKBONE = "backbone"
GIVEN, TRAINED, PART_TRAINED = "given", "trained", "part trained"
ABOUT = "model.json"


@dataclass(frozen=True)
class Nearest:
    """Numbers (n, count) of the nearest known images, nearest first, and their distances (n, count)."""

    rows: "np.ndarray"
    distances: "np.ndarray"


@dataclass(frozen=True)
class Model:
    """A run, applied to new images.

    `arrays` of any shape are what :mod:`fitting` packed; those whose names begin with ``known.`` have a row for each
    image of the run's collection. `folder` is where the model was loaded from, None for one of this results folder.
    `index`, if there is one, is asked for the nearest known images in place of a search through all.
    """

    about: Mapping[str, Any]
    arrays: "Mapping[str, np.ndarray]"
    folder: Path | None = None
    index: "Index | None" = None

    @property
    def run(self) -> str:
        """Config hash of the run."""
        return str(self.about["run"])

    @property
    def classes(self) -> list[str]:
        """Names of the classes by their numbers; empty for a collection without classes."""
        return list(self.about["classes"] or ())

    @cached_property
    def kind(self) -> str:
        """What the scores of its classes are: ``probabilities``, ``decision`` scores, or "" for none."""
        import numpy as np

        if not self.does(CLASSIFICATION):
            return ""
        return self.classify(np.zeros((1, self.about["columns"]), np.float32)).kind

    def does(self, task: str) -> bool:
        """Whether it can do a task of `TASKS`."""
        return task in self.about["chains"]

    def refuse(self, task: str) -> None:
        """Raise ConfigError, with the reason, if it cannot do a task."""
        if not self.does(task):
            run, reason = hashing.short(self.run), self.about["lacks"].get(task, f"it has no {task}")
            raise ConfigError(f"run {run} gives no {task} of new images: {reason}.")

    @property
    def policy(self) -> Policy:
        """How an image is prepared; of several parts, for that with the largest images.

        Raises
        ------
        ConfigError
            If the backbone has no images, but embeddings that were made elsewhere.
        """
        return max(self.policies, key=lambda policy: policy.size)

    @cached_property
    def policies(self) -> list[Policy]:
        """How an image is prepared for each part of the backbone, which has one as a rule.

        Raises
        ------
        ConfigError
            If the backbone has no images, but embeddings that were made elsewhere.
        """
        self._refuse_backbone()
        return parts.policies(self.about["backbone"])

    def prepare(self, *images: "Image.Image | Decoded") -> "np.ndarray":
        """An upright image as the backbone takes it, (size, size, channels) uint8; of several parts, all in one row.

        Parameters
        ----------
        images : the image once, or as it was decoded for each part
        """
        upright = [
            image if isinstance(image, Decoded) or image.mode in ("RGB", "L") else image.convert("RGB")
            for image in images
        ]
        upright = upright * len(self.policies) if len(upright) == 1 else upright
        return parts.packed(
            [preparing.resize(image, policy) for image, policy in zip(upright, self.policies, strict=True)]
        )

    def embed(self, images: "np.ndarray", exact: bool = True) -> "np.ndarray":
        """Features (n, d) float32 of prepared images uint8, (n, size, size, channels) or rows of all parts.

        Batches are filled up to the shape that the sweep had, so that a row is equal to the stored one, bit for bit, on
        the same machine; where OpenVINO lacks the precision of the run, PyTorch computes in it instead, and values
        differ by its rounding. With `exact` false, a single image goes through the network alone, which is faster by as
        many times as a batch has images; the last bits of its row may then differ.
        """
        import numpy as np

        from backbench.stages import _extraction

        if self._parts:
            return self._joined(images, exact)
        size, extract = self._batch, self._extract
        alone = len(images) == 1 and not exact
        shaped = getattr(extract, "one_shape", False) and not alone

        def features(first: int) -> np.ndarray:
            """Features (m, d) of a batch."""
            batch = images[first : first + size]
            if len(batch) == size or not shaped:
                return extract(batch)
            filled = np.zeros((size, *batch.shape[1:]), batch.dtype)
            filled[: len(batch)] = batch
            return extract(filled)[: len(batch)]

        if alone:
            batches = [features(0)]
        else:
            with cores.held(len(images)):
                batches = list(threads.in_order(features, range(0, len(images), size)))
        rows = np.concatenate(batches) if batches else np.empty((0, self.about["columns"]), np.float32)
        _extraction.check(rows, 0)
        return rows

    def classify(self, features: "np.ndarray") -> Classified:
        """Classes and scores of features (n, d).

        Raises
        ------
        ConfigError
            If the run has no classifier.
        """
        self.refuse(CLASSIFICATION)
        with cores.held(len(features)):
            return self._classifier(self._matrix(CLASSIFICATION, features))

    def place(self, features: "np.ndarray") -> Placed:
        """Clusters of features (n, d).

        Raises
        ------
        ConfigError
            If the run has no clustering.
        """
        self.refuse(CLUSTERING)
        with cores.held(len(features)):
            return self._placement(self._matrix(CLUSTERING, features))

    def nearest(self, features: "np.ndarray", count: int, known: "np.ndarray | None" = None) -> Nearest:
        """The known images that are nearest to features (n, d), at most `count`.

        Parameters
        ----------
        known : numbers (n,) of the known images that these are themselves, which are left out; -1 for new ones
        """
        import numpy as np

        self.refuse(NEIGHBOURS)
        gallery = self.arrays["known.gallery"]
        excluded = known if known is not None and (known >= 0).any() else None
        count = min(count, len(gallery) - (excluded is not None))
        if count < 1 or not len(features):
            return Nearest(np.empty((len(features), 0), np.int64), np.empty((len(features), 0)))
        with cores.held(len(features)):
            queries = self._matrix(NEIGHBOURS, features)
            if self.index is not None:
                return Nearest(*self.index.nearest(queries, count, excluded))
            return Nearest(*self._gallery(queries, count, excluded))

    def unlike(self, distances: "np.ndarray") -> "np.ndarray":
        """Whether images (n,) whose nearest known image is this far away, (n,), are unlike those the run has seen."""
        import numpy as np

        limit = self.about[NEIGHBOURS]["limit"]
        return np.zeros(len(distances), bool) if limit is None else distances > limit

    def save(self, folder: Path) -> list[Path]:
        """Write the model into a folder, `model.json` last; returns the files."""
        import numpy as np

        make_folder(folder)
        written = []
        for name, array in self.arrays.items():
            with replacing(folder) as (handle, commit):
                np.save(handle, np.asarray(array), allow_pickle=False)
                handle.flush()
                commit(folder / f"{name}.npy")
            written.append(folder / f"{name}.npy")
        write_text(folder / ABOUT, json.dumps({**self.about, "arrays": sorted(self.arrays)}, indent=1) + "\n")
        return [*written, folder / ABOUT]

    @classmethod
    def load(cls, folder: Path) -> "Model":
        """The model in a folder that :meth:`save` wrote; nothing is unpickled.

        Raises
        ------
        ConfigError
            If there is none, or it is damaged.
        """
        import numpy as np

        try:
            about = json.loads((folder / ABOUT).read_text())
            names = about.pop("arrays")
            if unusable := _unusable(about, names):
                raise ValueError(unusable)
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise ConfigError(f"{folder} holds no whole model ({error}); export it again.") from error
        return cls(about, arrays, folder)

    def _refuse_backbone(self) -> None:
        backbone, run = self.about["backbone"], hashing.short(self.run)
        if backbone["kind"] == GIVEN:
            raise ConfigError(
                f"run {run} works on embeddings that were made elsewhere; make those of the new images there."
            )
        if backbone["kind"] == PART_TRAINED:
            raise ConfigError(
                f"run {run}: a part of its backbone was trained in the sweep, which keeps no weights of it; a run of "
                "that backbone alone can train it again."
            )
        if backbone["kind"] == TRAINED and BACKBONE in self.about["lacks"]:
            raise ConfigError(
                f"run {run}: a sweep keeps no weights of {backbone['name']}, and they could not be made again: "
                f"{self.about['lacks'][BACKBONE]}"
            )

    @cached_property
    def _opened(self) -> tuple[Any, Any]:
        """The plugin of the backbone and its options, with an engine that this processor can run."""
        from backbench.stages import _extraction

        self._refuse_backbone()
        about = {key: value for key, value in self.about["backbone"].items() if key != "parts"}
        module = _contract.load(about["name"])
        planned = _extraction.parameters(module, about)
        params = _engine.nearest(planned)
        if params is not planned:
            log.warning(
                "run %s: OpenVINO does not compute in %s on this processor, so PyTorch does, slowly; features may "
                "differ from the stored ones by rounding. On a machine with AVX512-BF16 or AMX they do not.",
                *(hashing.short(self.run), params.precision),
            )
        return module, params

    @cached_property
    def _parts(self) -> "list[Model]":
        """The parts of the backbone as models without a task; none as a rule."""
        abouts = self.about["backbone"].get("parts") or ()
        return [Model({**self.about, "backbone": about, "columns": about["columns"]}, {}) for about in abouts]

    def _joined(self, images: "np.ndarray", exact: bool) -> "np.ndarray":
        """Features (n, d) of rows (n, pixels) of all parts."""
        module, params = self._opened
        several = zip(self._parts, parts.unpacked(images, self.policies), strict=True)
        features: np.ndarray = module.join(
            params, [part.embed(pixels, exact) for part, pixels in several], self.about["backbone"]["factors"]
        )
        return features

    @cached_property
    def _batch(self) -> int:
        from backbench.stages import _extraction

        return _extraction.batch_of(*self._opened, Context())

    @cached_property
    def _extract(self) -> _contract.Extract:
        module, params = self._opened
        if self.about["backbone"]["kind"] == TRAINED:
            return learning.extractor(module, params, self.policy.size, self.arrays)
        if _quantised.wanted(params):
            return self._in_int8()
        extract: _contract.Extract = module.open(params, Context())
        return extract

    def _in_int8(self) -> _contract.Extract:
        """The network that the collection went through.

        Raises
        ------
        ConfigError
            If it is not the one that was calibrated, or this processor cannot run it.
        """
        network = _quantised.Network.of(self.arrays)
        if network.digest != self.about["backbone"][_quantised.GRAPH]:
            raise ConfigError(f"run {hashing.short(self.run)}: its network in int8 has changed; export the run again.")
        return _quantised.open(network, Context())

    def _matrix(self, task: str, features: "np.ndarray") -> "np.ndarray":
        """What the chain of a task makes of features (n, d); tasks with equal chains compute it once."""
        chain = self._chains[task]
        last = self._last.get(id(chain))
        if last is None or last[0] is not features:
            last = self._last[id(chain)] = features, chain(features)
        return last[1]

    @cached_property
    def _last(self) -> "dict[int, tuple[np.ndarray, np.ndarray]]":
        """The last features (n, d) by their chain, and what it made of them, (n, w)."""
        return {}

    @cached_property
    def _gallery(self) -> Nearby:
        return Nearby(self.arrays["known.gallery"], self.about[NEIGHBOURS]["metric"])

    @cached_property
    def _chains(self) -> dict[str, chains.Chain]:
        """The chains by task; tasks with equal ones share one."""
        unpacked: dict[str, chains.Chain] = {}
        for task, about in self.about["chains"].items():
            same = next((other for other in unpacked if self._same_chain(task, other)), None)
            unpacked[task] = unpacked[same] if same is not None else chains.unpack(about, self.arrays, task)
        return unpacked

    def _same_chain(self, task: str, other: str) -> bool:
        import numpy as np

        if self.about["chains"][task] != self.about["chains"][other]:
            return False
        first, second = (
            {name.removeprefix(prefix): array for name, array in self.arrays.items() if name.startswith(prefix)}
            for prefix in (f"{task}.", f"{other}.")
        )
        return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)

    @cached_property
    def _classifier(self) -> classifying.Fitted:
        return classifying.unpack(self.about[CLASSIFICATION], self.arrays)

    @cached_property
    def _placement(self) -> placing.Placement:
        return placing.unpack(self.about[CLUSTERING], self.arrays)


# What every model says of itself.
NEEDED = ("run", "classes", "backbone", "columns", "bits", "chains", "lacks")


def _unusable(about: Mapping[str, Any], names: Sequence[str]) -> str:
    """Why the text of a saved model cannot be one; empty if it can."""
    absent = [key for key in NEEDED if key not in about]
    if absent:
        return f"{ABOUT} lacks {', '.join(absent)}"
    outside = [name for name in names if Path(f"{name}.npy").name != f"{name}.npy"]
    return f"{ABOUT} names {outside[0]!r}, which is no file of the folder" if outside else ""
