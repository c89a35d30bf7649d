"""A portable model that answers tables of images: what MLflow loads and serves.

MLflow finds :func:`_load_pyfunc` by its name; nothing here imports MLflow, and nothing is unpickled. An image is text
in base64, bytes, pixels, or a ``pathlib.Path``. JSON has no paths, so that a server never opens a file that a request
names: text is base64 and nothing else.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import machine, threads
from backbench.images import bounds, content, decoding
from backbench.images.bounds import Unreadable
from backbench.images.content import Content
from backbench.inference import looking
from backbench.inference.looking import Look
from backbench.inference.model import CLASSIFICATION, CLUSTERING, NEIGHBOURS
from backbench.inference.portable import NEW, Portable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

IMAGE = "image"
COLUMNS = (
    *("reason", "class", "scores", "scores_kind", "cluster", "distance", "nearest", "unlike", "known"),
    "embedding",
)
MOST_NEIGHBOURS = 100
BLOCK = 256
NOT_A_FILE = Path("image")


@dataclass(frozen=True)
class Asked:
    """Parameters of a request.

    `neighbours` is how many known images are given, `embedding` whether the features are. With `exact`, a single image
    is passed through the network in a whole batch, as in the sweep: the last bits of its features are then the same.
    """

    neighbours: int = 5
    embedding: bool = False
    exact: bool = False


@dataclass(frozen=True)
class Served:
    """A model that answers tables."""

    portable: Portable

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        """A row for each image, with the columns `COLUMNS`; None where the run does not say it.

        Parameters
        ----------
        model_input : a table with a column `image`, a mapping of that name to a list, a list, or pixels (n, h, w, 3)
        params : those of `Asked`

        Raises
        ------
        ValueError
            If there is no such column, or a parameter is not allowed. A bad image is no error: it gets a `reason`.
        """
        import pandas

        asked, cells = _asked(params or {}), _cells(model_input)
        rows = [row for at in range(0, len(cells), BLOCK) for row in self._block(cells[at : at + BLOCK], asked)]
        # None stays None in columns of objects: in JSON it is null.
        return pandas.DataFrame({name: pandas.Series([row[name] for row in rows], dtype=object) for name in COLUMNS})

    def _block(self, cells: Sequence[Any], asked: Asked) -> Iterator[dict[str, Any]]:
        """The rows of images, in their order."""
        import numpy as np

        # A single image needs no pool of threads, which takes longer than the image.
        with threads.beside(min(machine.cores(), len(cells))):
            looks = list(threads.in_order(self._look, cells))
        pixels = [look.pixels for look in looks if look.pixels is not None]
        numbers = np.array([self._known(look) for look in looks if look.pixels is not None], np.int64)
        features = self.portable.model.embed(np.stack(pixels), asked.exact) if pixels else None
        answers = iter(() if features is None else self._answers(features, numbers, asked))
        for look in looks:
            empty = dict.fromkeys(COLUMNS) | {"reason": look.reason}
            yield empty if look.pixels is None else empty | next(answers)

    def _look(self, cell: Any) -> Look:
        """The pixels of an image as the backbone takes them, or why there are none."""
        try:
            return look(cell, self.portable)
        except Unreadable as error:
            return Look(NOT_A_FILE, reason=str(error))

    def _known(self, image: Look) -> int:
        return self.portable.row(image.sha256, image.path.name) if image.sha256 else NEW

    def _answers(self, features: "np.ndarray", rows: "np.ndarray", asked: Asked) -> Iterator[dict[str, Any]]:
        """What is said of features (n, d); `rows` (n,) are the numbers of known images, -1 for new ones."""
        tasks = [self._classes(features, rows), self._clusters(features, rows), self._nearest(features, rows, asked)]
        for place, row in enumerate(rows.tolist()):
            answer = {key: value for task in tasks for key, value in task[place].items()}
            if row != NEW:
                answer["known"] = self.portable.part(row)
            if asked.embedding:
                answer["embedding"] = features[place].tolist()
            yield answer

    def _classes(self, features: "np.ndarray", rows: "np.ndarray") -> list[dict[str, Any]]:
        """Classes of features (n, d); of known `rows` (n,) that the run predicted, what it predicted."""
        model = self.portable.model
        if not model.does(CLASSIFICATION):
            return [{}] * len(features)
        answer, names = model.classify(features), model.classes
        numbers = _stored(model.arrays.get("known.predictions"), rows, answer.classes, 0)
        scores = [None] * len(numbers) if answer.scores is None else [_named(names, row) for row in answer.scores]
        kind = answer.kind or None
        return [
            {"class": names[number], "scores": of_image, "scores_kind": kind}
            for number, of_image in zip(numbers, scores, strict=True)
        ]

    def _clusters(self, features: "np.ndarray", rows: "np.ndarray") -> list[dict[str, Any]]:
        """Clusters of features (n, d), and distances to their centres; of known `rows` (n,), the stored clusters."""
        model = self.portable.model
        if not model.does(CLUSTERING):
            return [{}] * len(features)
        placed = model.place(features)
        numbers = _stored(model.arrays.get("known.labels"), rows, placed.clusters, NEW)
        distances = map(_number, placed.distances.tolist())
        return [{"cluster": number, "distance": distance} for number, distance in zip(numbers, distances, strict=True)]

    def _nearest(self, features: "np.ndarray", rows: "np.ndarray", asked: Asked) -> list[dict[str, Any]]:
        """The known images nearest to features (n, d), by name, and whether they are far; no `rows` (n,) themselves."""
        model = self.portable.model
        if not model.does(NEIGHBOURS):
            return [{}] * len(features)
        nearest = model.nearest(features, max(asked.neighbours, 1), rows)
        if not nearest.rows.shape[1]:
            return [{"nearest": []}] * len(features)
        unlike = model.unlike(nearest.distances[:, 0]).tolist()
        answers = []
        for near, lengths, far in zip(nearest.rows.tolist(), nearest.distances.tolist(), unlike, strict=True):
            pairs = zip(near[: asked.neighbours], lengths, strict=False)
            answers.append({"nearest": [self._neighbour(*pair) for pair in pairs], "unlike": far})
        return answers

    def _neighbour(self, row: int, distance: float) -> dict[str, Any]:
        return {"name": self.portable.names[row], "class": self.portable.label(row), "distance": distance}


def look(cell: Any, portable: Portable) -> Look:
    """The image in a cell of a table: text in base64, bytes, a path, or pixels (h, w) or (h, w, 3) uint8.

    Raises
    ------
    Unreadable
        If it is nothing of that.
    """
    import numpy as np

    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        raise Unreadable("no image was given")
    if isinstance(cell, Path):
        return looking.look(cell, portable.model)
    if isinstance(cell, (np.ndarray, list, tuple)):
        return _of_pixels(cell, portable)
    data = _decoded(cell) if isinstance(cell, str) else cell
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise Unreadable(f"an image is base64 text, bytes, pixels or a pathlib.Path; received {type(cell).__name__}")
    return _of_bytes(bytes(data), portable)


def _load_pyfunc(path: str) -> Served:
    """What MLflow calls to load the model.

    It answers once, so that the network is open and every library loaded when a server is up: MLflow ends a request
    that takes longer than a minute.
    """
    import numpy as np

    served = Served(Portable.load(Path(path)))
    side = served.portable.model.policy.size
    served.predict(np.zeros((1, side, side, 3), np.uint8))
    return served


def _of_bytes(data: bytes, portable: Portable) -> Look:
    if not data:
        raise Unreadable("no image was given: 0 bytes")
    if len(data) > content.HELD:
        raise Unreadable(f"{len(data):,} bytes, more than the limit of {content.HELD:,}")
    held = Content(NOT_A_FILE, hashlib.sha256(data).hexdigest(), len(data), (len(data), 0, 0, 0), data)
    return looking.look_at(held, portable.model)


def _of_pixels(cell: Any, portable: Portable) -> Look:
    """Pixels (h, w) or (h, w, 3) as an image."""
    import numpy as np
    from PIL import Image

    try:
        pixels = np.asarray(cell)
    except ValueError as error:
        raise Unreadable("pixels of one image have rows of different lengths") from error
    if isinstance(cell, (list, tuple)) and pixels.dtype.kind in "iu" and pixels.size:
        pixels = pixels.astype(np.uint8) if pixels.min() >= 0 and pixels.max() <= 255 else pixels
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3))):
        shape = " x ".join(map(str, pixels.shape))
        raise Unreadable(f"pixels are uint8 of shape (h, w) or (h, w, 3); received {pixels.dtype} ({shape})")
    if not pixels.size:
        raise Unreadable("an image without pixels")
    bounds.refuse_size((pixels.shape[1], pixels.shape[0]))
    squeezed = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    image = decoding.of_image(Image.fromarray(np.ascontiguousarray(squeezed)))
    return Look(NOT_A_FILE, pixels=portable.model.prepare(image))


def _decoded(text: str) -> bytes:
    """The bytes of base64 text, in lines or not, or of a data URL."""
    head, comma, tail = text.partition(",")
    body = tail if comma and head.startswith("data:") else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(
            f"text is the image in base64, which this is not ({error}); a file that lies here is a pathlib.Path"
        ) from error


def _cells(given: Any) -> list[Any]:
    """The images of a table, a mapping, a list, or pixels (n, h, w, 3)."""
    if hasattr(given, "columns") or isinstance(given, Mapping):
        if IMAGE not in given:
            raise ValueError(f"a table with a column {IMAGE!r} is needed; received {', '.join(map(str, given))}")
        given = given[IMAGE]
    if isinstance(given, (str, bytes, Path)):
        return [given]
    cells = list(given)
    # MLflow makes one row of a mapping to a list of texts.
    if len(cells) == 1 and isinstance(cells[0], list) and cells[0] and isinstance(cells[0][0], (str, bytes, Path)):
        return list(cells[0])
    return [cell[IMAGE] if isinstance(cell, Mapping) and IMAGE in cell else cell for cell in cells]


def _asked(params: Mapping[str, Any]) -> Asked:
    """The parameters of a request, checked."""
    known = {field.name for field in fields(Asked)}
    asked = Asked(**{name: value for name, value in params.items() if name in known and value is not None})
    if not 0 <= asked.neighbours <= MOST_NEIGHBOURS:
        raise ValueError(f"neighbours: received {asked.neighbours}; allowed: 0 to {MOST_NEIGHBOURS}")
    return asked


def _stored(known: "np.ndarray | None", rows: "np.ndarray", computed: "np.ndarray", least: int) -> list[int]:
    """What is stored (known,) of known `rows` (n,) where it is at least `least`; else what was computed, (n,)."""
    import numpy as np

    if known is None:
        return computed.tolist()
    values = np.asarray(known)[rows]
    return np.where((rows != NEW) & (values >= least), values, computed).tolist()


def _named(names: Sequence[str], scores: "np.ndarray") -> dict[str, float | None]:
    """Scores (classes,) by class."""
    return dict(zip(names, map(_number, scores.tolist()), strict=True))


def _number(value: float) -> float | None:
    """A number that JSON has; None for NaN."""
    return value if value == value else None
