"""One run: what was recorded of it, its arrays, and what it makes of new images."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing, paths
from backbench.datasets import PARTS
from backbench.engine.results.joined_run import Row
from backbench.evaluate import chosen
from backbench.inference import fitting, reading
from backbench.inference.known import Known
from backbench.inference.model import Model
from backbench.inference.predicting import Prediction, Predictor
from backbench.inference.searching import Searcher
from backbench.pictures.source import Source
from backbench.reproduce.comparison import Comparison, compare
from backbench.reproduce.computing import rerun, store_of
from backbench.reproduce.record import from_row
from backbench.schema import ConfigError
from backbench.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pandas
    from PIL import Image

    # What predict and search take: files, encoded images, images, or an array (n, h, w, 3) uint8.
    Images = str | Path | bytes | Image.Image | np.ndarray | Sequence[str | Path | bytes | Image.Image | np.ndarray]


@dataclass(frozen=True)
class Run:
    """A recorded run. Arrays have a row for each image of its collection, in the order of `names`."""

    row: Row = field(repr=False)
    store: Store = field(repr=False)

    def __repr__(self) -> str:
        return f"<Run {hashing.short(self.hash)}: {self.row.name}, {self.status}>"

    @property
    def hash(self) -> str:
        """The config hash."""
        return self.row.config_hash

    @property
    def status(self) -> str:
        """``finished``, ``failed`` or ``pending``."""
        return self.row.status

    @property
    def config(self) -> dict[str, Any]:
        """Everything needed to compute it again: each of its stages with its configuration."""
        return self.row.config

    @property
    def params(self) -> dict[str, Any]:
        """Dotted parameters, such as ``backbone.name`` and ``k``."""
        return self.row.params

    @property
    def metrics(self) -> dict[str, float]:
        """Values by the name of the metric, NaN where undefined."""
        return self.row.metrics

    @cached_property
    def names(self) -> "np.ndarray":
        """The path of each image within the collection, (n,) text; its number where there are no files."""
        import numpy as np

        count = self._source.info("dataset")["n"]
        return np.array([self._known.name(row) for row in range(count)])

    @property
    def classes(self) -> list[str]:
        """Names of the classes by their numbers; empty for a collection without classes."""
        return self._source.names

    def split(self) -> "np.ndarray":
        """``train``, ``validation`` or ``test`` of each image, (n,) text."""
        import numpy as np

        return np.array(PARTS)[self._source.split]

    def features(self) -> "np.ndarray":
        """What the backbone computed, (n, d) float32, before any transform.

        Raises
        ------
        StoreError
            If they are not in the store.
        """
        return self._source.stored("features", "features")

    def images(self, rows: "Sequence[int] | np.ndarray") -> "list[Image.Image]":
        """Images by their numbers (m,), upright, in RGB or grey and whole.

        Raises
        ------
        ConfigError
            If there is no image of this number.
        StoreError
            If the run works on embeddings.
        Unreadable
            If a file is not there any more, or has changed.
        """
        count = self._source.info("dataset")["n"]
        wrong = [int(row) for row in rows if not 0 <= int(row) < count]
        if wrong:
            raise ConfigError(f"images: received {wrong[0]}; allowed: 0 to {count - 1:,}, the places in `names`.")
        return [self._known.image(int(row)) for row in rows]

    def labels(self) -> "np.ndarray":
        """The cluster of each image, (n,) int32: -1 for noise, -2 for images that were not clustered.

        Raises
        ------
        StoreError
            If the run has no clustering.
        """
        return self._source.labels

    def predictions(self) -> "pandas.DataFrame":
        """True and predicted class of the validation and test images, by name: ``split, true, predicted``.

        Raises
        ------
        StoreError
            If the run has no classifier.
        """
        import numpy as np
        import pandas

        rows, names = np.flatnonzero(self._source.predictions >= 0), np.array(self.classes)
        columns = {
            "split": self.split()[rows],
            "true": names[self._source.truth[rows]],
            "predicted": names[self._source.predictions[rows]],
        }
        return pandas.DataFrame(columns, index=pandas.Index(self.names[rows], name="name"))

    def predict(self, images: "Images", neighbours: int = 5) -> "pandas.DataFrame":
        """What the run says of images: class, score, cluster, nearest images, and whether it is unlike all of them.

        Parameters
        ----------
        images
            Paths, encoded images as bytes, images of Pillow, or pixels (h, w), (h, w, 3) or (n, h, w, 3) uint8; one of
            them or several.
        neighbours : how many nearest known images are named

        Raises
        ------
        ConfigError
            If the run cannot be applied to new images; says why.
        """
        import pandas

        predictor = Predictor(self.model, self._known, neighbours)
        looks = [reading.look(image, number, self.model) for number, image in enumerate(reading.several(images))]
        predictions = [_plain(each) for each in predictor.looks(looks, exact=len(looks) > 1)]
        return pandas.DataFrame(predictions)

    def search(
        self, image: "Images | None" = None, n: int = 10, text: "str | Sequence[str]" = ()
    ) -> "pandas.DataFrame":
        """The known images that are most like images or texts: ``query, rank, name, label, score, distance``.

        The score is the cosine similarity, or the distance where the run's retrieval compares by distances. An image of
        the collection, known by its bytes, is left out of its own results.

        Parameters
        ----------
        image : as for :meth:`predict`
        n : how many are given for each
        text : words to search for, one text or several, if the backbone knows texts (``open_clip``)

        Raises
        ------
        ConfigError
            If the run cannot be applied to new images, or its backbone knows no texts; says why.
        """
        import pandas

        searcher = Searcher(self.model, self._known)
        given = [] if image is None else list(reading.several(image))
        looks = [reading.look(each, number, self.model) for number, each in enumerate(given)]
        answers = [*searcher.looks(looks, n, exact=len(looks) > 1)] if looks else []
        answers += searcher.texts([text] if isinstance(text, str) else list(text), n)
        columns = ["query", "rank", "name", "label", "score", "distance"]
        lines = [
            (each.query, hit.rank, hit.name, hit.label, hit.score, hit.distance)
            for each in answers
            for hit in each.hits
        ]
        return pandas.DataFrame(lines, columns=columns)

    def reproduce(self, tolerance: float = 1e-4) -> Comparison:
        """Compute the run again from scratch, and compare every metric and all labels with what was recorded.

        Raises
        ------
        RuntimeError
            If the images are no longer those that it was computed from.
        """
        with tempfile.TemporaryDirectory(prefix="backbench-reproduce-") as scratch:
            recorded = from_row(self.row)
            fresh, _ = rerun(recorded, Path(scratch), lambda text: None)
            return compare(recorded, fresh, tolerance, (self.store, store_of(Path(scratch))))

    @cached_property
    def model(self) -> Model:
        """The run as a model of new images; its first use fits what takes a fit, and keeps it."""
        return fitting.fit(self._source)

    @cached_property
    def _source(self) -> Source:
        return Source(self.row, self.store)

    @cached_property
    def _known(self) -> Known:
        return Known(self._source)


def run(name: str = chosen.BEST) -> Run:
    """A recorded run by its config hash, a unique prefix of it, or ``best``: what the newest sweep recommends.

    Raises
    ------
    ConfigError
        If there is none, or several.
    """
    store = Store(paths.store())
    return Run(chosen.row(name, store), store)


def _plain(prediction: Prediction) -> Mapping[str, Any]:
    """A prediction as a row of a table."""
    scores = prediction.scores
    return {
        "image": str(prediction.path),
        "label": prediction.label,
        "score": scores.get(prediction.label or "") if scores else None,
        "cluster": prediction.cluster,
        "distance": prediction.distance,
        "nearest": [near.name for near in prediction.neighbours],
        "nearest_distance": prediction.neighbours[0].distance if prediction.neighbours else None,
        "unlike": prediction.unlike,
        "known": prediction.part or None,
        "reason": prediction.reason or None,
        **{f"score_{name}": value for name, value in scores.items()},
    }
