"""A run, opened for the page: its stored results and its model, shared by all sessions."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from backbench import hashing, paths
from backbench.evaluate import chosen
from backbench.inference import fitting
from backbench.inference.known import Known
from backbench.inference.model import CLASSIFICATION, Model
from backbench.inference.predicting import Predictor
from backbench.organising import naming
from backbench.pictures.source import Source
from backbench.store import Store

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

NEIGHBOURS = 24
NOISE = -1


@dataclass(frozen=True)
class Opened:
    """A run. Its locks let one session compute at a time: two would only take each other's cores.

    `lock` is for what the model does, `drawing` for layouts of maps.
    """

    source: Source
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    drawing: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def run(self) -> str:
        """Its config hash."""
        return self.source.row.config_hash

    @property
    def count(self) -> int:
        """The number of images of its collection."""
        return int(self.source.info("dataset")["n"])

    @property
    def pictured(self) -> bool:
        """Whether its collection has images, not embeddings alone."""
        return "images" in self.source.row.stages

    @cached_property
    def model(self) -> Model:
        with self.lock:
            return fitting.fit(self.source)

    @cached_property
    def known(self) -> Known:
        return Known(self.source)

    @cached_property
    def predictor(self) -> Predictor:
        return Predictor(self.model, self.known, NEIGHBOURS)

    @cached_property
    def names(self) -> "Sequence[str]":
        """What each image is called."""
        return [self.known.name(row) for row in range(self.count)]

    @cached_property
    def labels(self) -> "np.ndarray | None":
        """Cluster (n,) of each image, -1 for noise and -2 outside; None where the run has no clusters."""
        return self.source.array("clustering", "labels")

    @cached_property
    def predictions(self) -> "np.ndarray | None":
        """Predicted class (n,) of each image, -2 for training images; None where the run has no classifier."""
        return self.source.array("classification", "predictions") if self.source.names else None

    def warm(self) -> None:
        """Open the network and the classifier, which takes seconds, before an image asks for them."""
        from PIL import Image

        try:
            with self.lock:
                pixels = self.model.prepare(Image.new("RGB", (64, 64)))[None]
                features = self.model.embed(pixels, exact=False)
                if self.model.does(CLASSIFICATION):
                    self.model.classify(features)
        except Exception as error:  # whoever tries an image is told
            log.info("run %s could not be opened ahead: %s", hashing.short(self.run), error)

    def label(self, row: int) -> str:
        """The class of an image; empty without classes."""
        names = self.source.names
        return names[int(self.source.truth[row])] if names else ""

    def cluster_names(self) -> dict[int, str]:
        """The names that people gave to clusters, as they are now."""
        return naming.names(self.run)


def open_run(run: str) -> Opened:
    """The finished run with this config hash, or a unique prefix of it.

    Raises
    ------
    ConfigError
        If there is none.
    """
    store = Store(paths.store())
    return Opened(Source(chosen.finished(run, store), store))


def cluster_title(number: int, names: dict[int, str]) -> str:
    """What a cluster is called: its number, with the name that it was given."""
    if number < 0:
        return "no cluster (noise)" if number == NOISE else "not clustered"
    return f"cluster {number}: {names[number]}" if names.get(number) else f"cluster {number}"


def commands(opened: Opened) -> dict[str, str]:
    """Command lines for a run, by what they do."""
    run = hashing.short(opened.run)
    lines = {
        "predict the classes and clusters of new images": f"backbench predict {run} FOLDER",
        "find similar images": f"backbench search {run} IMAGE",
        "sort the photographs into folders, one for each cluster": f"backbench organise {run} TARGET",
        "name the clusters": f"backbench label {run}",
        "take the run away as files": f"backbench export {run}",
        "show everything about it": f"backbench show {run}",
        "compute it again and compare": f"backbench reproduce {run}",
    }
    needs = {"organise": "clustering", "label": "clustering"}
    return {
        what: line
        for what, line in lines.items()
        if (need := needs.get(line.split()[1])) is None or need in opened.source.row.run.stages
    }
