"""Predictions for image files, block by block in bounded memory: class, cluster, nearest known images.

An image of the run's own collection is recognised by its bytes: its stored features, cluster and prediction are given,
bit for bit, and nothing is computed. All others go through the backbone in batches.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import machine, threads
from backbench.inference import cores
from backbench.inference.known import NEW, Known
from backbench.inference.looking import Look, look
from backbench.inference.model import CLASSIFICATION, CLUSTERING, Model

if TYPE_CHECKING:
    import numpy as np

# Images of a block. The first blocks are smaller, so that the first answers come soon.
BLOCK, FIRST = 256, 16


@dataclass(frozen=True)
class Neighbour:
    """A known image: its number, its name in the collection, its class if it has one, and its distance."""

    row: int
    name: str
    label: str | None
    distance: float


@dataclass(frozen=True)
class Prediction:
    """What a run says of one image; None or empty where it does not say it.

    Parameters
    ----------
    reason : why the file could not be read, "" for an image
    known : its number in the run's collection, with its `part` (train, validation, test); None for a new image
    label : the class
    scores : by class, probabilities or decision scores, as `kind` says
    cluster, distance : the cluster (-1 noise) and the distance to its centre
    neighbours : the nearest known images, itself left out
    unlike : whether it is farther from them than nearly all training images are from theirs
    """

    path: Path
    reason: str = ""
    known: int | None = None
    part: str = ""
    label: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    kind: str = ""
    cluster: int | None = None
    distance: float | None = None
    neighbours: Sequence[Neighbour] = ()
    unlike: bool | None = None

    @property
    def score(self) -> float | None:
        """The score of its class; None without one."""
        return None if self.label is None else self.scores.get(self.label)


@dataclass(frozen=True)
class Predictor:
    """A model with the images that it knows; `count` is how many nearest images are given."""

    model: Model
    known: Known | None = None
    count: int = 5

    def files(self, paths: Iterable[Path], exact: bool = True) -> Iterator[Prediction]:
        """Predictions for files, in their order; files that are no images come with a reason.

        `exact` is that of :meth:`Model.embed`.
        """
        waiting, size = iter(paths), FIRST
        while block := list(islice(waiting, size)):
            size = min(2 * size, BLOCK)
            with threads.beside(min(machine.cores(), len(block))):
                looks = list(threads.in_order(lambda path: look(path, self.model), block))
            yield from self.looks(looks, exact)

    def looks(self, looks: Sequence[Look], exact: bool = True) -> Iterator[Prediction]:
        """Predictions for files that were read, in their order."""
        import numpy as np

        images = [each for each in looks if each.pixels is not None]
        if not images:
            yield from (Prediction(each.path, each.reason) for each in looks)
            return
        rows = np.array([self._row(each) for each in images])
        features = self._features(images, rows, exact)
        answers = iter(self.predictions([each.path for each in images], features, rows))
        for each in looks:
            yield Prediction(each.path, each.reason) if each.pixels is None else next(answers)

    def predictions(self, paths: Sequence[Path], features: "np.ndarray", rows: "np.ndarray") -> Iterator[Prediction]:
        """Predictions for features (n, d); `rows` (n,) are the numbers of known images, -1 for new ones."""
        with cores.held(len(features)):
            parts = [self._classes(features, rows), self._clusters(features, rows), self._neighbours(features, rows)]
        for place, (path, row) in enumerate(zip(paths, rows.tolist(), strict=True)):
            values = {key: value for part in parts for key, value in part[place].items()}
            if row != NEW and self.known is not None:
                values |= {"known": row, "part": self.known.part(row)}
            yield Prediction(path, **values)

    def _row(self, image: Look) -> int:
        return NEW if self.known is None else self.known.row(image.sha256, image.path)

    def _features(self, images: Sequence[Look], rows: "np.ndarray", exact: bool) -> "np.ndarray":
        """Features (n, d) of images: stored ones of the known `rows` (n,), computed ones of the others."""
        import numpy as np

        new = np.flatnonzero(rows == NEW)
        features = np.empty((len(images), self.model.about["columns"]), np.float32)
        if len(new):
            pixels = [images[place].pixels for place in new.tolist()]
            features[new] = self.model.embed(np.stack([each for each in pixels if each is not None]), exact)
        if self.known is not None and len(new) < len(rows):
            features[rows != NEW] = self.known.features[rows[rows != NEW]]
        return features

    def _classes(self, features: "np.ndarray", rows: "np.ndarray") -> list[dict[str, Any]]:
        """Class and scores of features (n, d); of known `rows` (n,) that the run predicted, what it predicted."""
        if not self.model.does(CLASSIFICATION):
            return [{}] * len(features)
        answer, names = self.model.classify(features), self.model.classes
        stored = self.model.arrays.get("known.predictions")
        parts = []
        for place, row in enumerate(rows.tolist()):
            number, values = int(answer.classes[place]), None if answer.scores is None else answer.scores[place]
            if row != NEW and stored is not None and stored[row] >= 0:
                number, values = int(stored[row]), self._stored_scores(row, values)
            scores = {} if values is None else dict(zip(names, values.tolist(), strict=True))
            parts.append({"label": names[number], "scores": scores, "kind": answer.kind})
        return parts

    def _stored_scores(self, row: int, values: "np.ndarray | None") -> "np.ndarray | None":
        """The scores (classes,) that the run gave a known image, or else these `values` (classes,)."""
        stored = None if self.known is None or values is None else self.known.scores(row)
        return values if stored is None else stored

    def _clusters(self, features: "np.ndarray", rows: "np.ndarray") -> list[dict[str, Any]]:
        """Cluster of features (n, d), and the distance to its centre; of known `rows` (n,), the stored cluster."""
        if not self.model.does(CLUSTERING):
            return [{}] * len(features)
        import numpy as np

        placed, stored = self.model.place(features), self.model.arrays.get("known.labels")
        parts = []
        for place, row in enumerate(rows.tolist()):
            number, distance = int(placed.clusters[place]), float(placed.distances[place])
            if row != NEW and stored is not None and stored[row] >= NEW:
                number = int(stored[row])
            parts.append({"cluster": number, "distance": None if np.isnan(distance) else distance})
        return parts

    def _neighbours(self, features: "np.ndarray", rows: "np.ndarray") -> list[dict[str, Any]]:
        """The nearest known images of features (n, d), and whether they are far; known `rows` (n,) are left out."""
        nearest = self.model.nearest(features, max(self.count, 1), rows)
        if not nearest.rows.shape[1]:
            return [{}] * len(features)
        unlike = self.model.unlike(nearest.distances[:, 0])
        parts = []
        for place, (near, lengths) in enumerate(zip(nearest.rows.tolist(), nearest.distances.tolist(), strict=True)):
            shown = [self._neighbour(*pair) for pair in zip(near[: self.count], lengths, strict=False)]
            parts.append({"neighbours": shown, "unlike": bool(unlike[place])})
        return parts

    def _neighbour(self, row: int, distance: float) -> Neighbour:
        if self.known is None:
            return Neighbour(row, f"image {row}", None, distance)
        names = self.known.source.names
        label = names[int(self.known.source.truth[row])] if names else None
        return Neighbour(row, self.known.name(row), label, distance)
