"""What a run says of one image: an upload, or an image of its collection."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from backbench.app.browsing import Listed
from backbench.app.opened import LETTERS, Opened, cluster_title
from backbench.images.decoding import Decoded
from backbench.inference import reading
from backbench.inference.model import NEIGHBOURS
from backbench.inference.predicting import Prediction
from backbench.pictures import thumbnails
from backbench.wording import shorten

if TYPE_CHECKING:
    from backbench.pictures.thumbnails import Thumbnail

# Limits of uploads: megabytes of a file, and files at once.
MEGABYTES, FILES = 32, 20
# Classes whose scores are shown.
SCORES = 6
PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class Tried:
    """An image with what the run says of it; `picture` is None for what could not be read."""

    name: str
    prediction: Prediction
    picture: "Thumbnail | None" = None


@dataclass(frozen=True)
class Score:
    """A class with its score, and the share (0 to 1) of a bar that shows it."""

    label: str
    value: float
    share: float


def upload(name: str, data: bytes, opened: Opened) -> Tried:
    """What a run says of the bytes of a file. Whatever is wrong with them becomes the prediction's reason.

    A new image goes through the network alone, which is quick; the last bits of its scores may therefore differ from
    those of ``backbench predict``. An image of the collection has its stored results.
    """
    pictures: list[Thumbnail] = []
    if len(data) > MEGABYTES << 20:
        reason = f"{len(data) / (1 << 20):.0f} MB; at most {MEGABYTES} MB are allowed"
        return Tried(name, Prediction(Path(name), reason))

    def keep(decoded: Decoded) -> None:
        pictures.append(thumbnails.of_decoded(decoded))

    look = reading.of_bytes(data, Path(name), opened.model, keep)
    with opened.lock:
        (prediction,) = opened.predictor.looks([look], exact=False)
    return Tried(name, prediction, pictures[0] if pictures and not prediction.reason else None)


def stored(row: int, opened: Opened) -> Tried:
    """What a run says of an image of its collection, from its stored features; its file is not read."""
    import numpy as np

    name = opened.names[row]
    with opened.lock:
        features = np.asarray(opened.known.features[[row]])
        (prediction,) = opened.predictor.predictions([Path(name)], features, np.array([row]))
    return Tried(name, prediction, opened.source.thumbnails.thumbnail(row) if opened.pictured else None)


def scores(prediction: Prediction) -> list[Score]:
    """The classes with the highest scores. Where these are no probabilities, the best has a whole bar."""
    values = {label: value for label, value in prediction.scores.items() if value == value}
    best = sorted(values, key=lambda label: (label != prediction.label, -values[label], label))[:SCORES]
    if prediction.kind == PROBABILITIES:
        return [Score(label, values[label], min(max(values[label], 0.0), 1.0)) for label in best]
    high, low = max(values.values(), default=0.0), min(values.values(), default=0.0)
    return [Score(label, values[label], (values[label] - low) / (high - low) if high > low else 1.0) for label in best]


def notes(prediction: Prediction, opened: Opened, names: dict[int, str]) -> list[str]:
    """What else there is to say: where a known image is, and its cluster."""
    lines = []
    if prediction.known is not None:
        label = opened.label(prediction.known)
        known = f"Image {opened.names[prediction.known]} of the collection, in the {prediction.part} split"
        lines.append(f"{known}{f', labelled {label}' if label else ''}.")
    if prediction.cluster is not None:
        lines.append(f"In {cluster_title(prediction.cluster, names)}.")
    return lines


def unlike(opened: Opened) -> str:
    """What it means that an image is unlike anything seen."""
    share = opened.model.about[NEIGHBOURS]["share"]
    return f"Unlike anything seen: {share:.0%} of the training images have a nearer neighbour."


def nearest(prediction: Prediction, opened: Opened) -> list[Listed]:
    """The nearest images with how near they are."""
    cosine = opened.model.does(NEIGHBOURS) and opened.model.about[NEIGHBOURS]["metric"] == "cosine"
    shown = []
    for each in prediction.neighbours:
        near = f"similarity {1 - each.distance:.3f}" if cosine else f"distance {each.distance:.3g}"
        shown.append(Listed(each.row, f"{shorten(PurePath(each.name).name, LETTERS)}, {near}"))
    return shown


def checked(files: Sequence[object]) -> str:
    """Why not all uploaded files are read; empty where they are."""
    return f"{len(files)} images; the first {FILES} are read." if len(files) > FILES else ""
