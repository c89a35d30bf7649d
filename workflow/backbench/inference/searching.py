"""Search: the known images that are most similar to an image or to a text.

Images are compared in the space of the run's retrieval, or by the cosine of its features where it has none. Texts are
compared with the features of images by their cosine, which is what the encoders of both were trained for; the chain of
the retrieval, which was fitted on images alone, has no part in it.

An image of the collection is known by the bytes of its file: its stored features are used, and it is left out of what
is found, as in retrieval. Nothing is computed for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import machine, threads
from backbench.images import content
from backbench.images.bounds import Unreadable
from backbench.inference import index
from backbench.inference.fitting import digest_of, gallery_ref
from backbench.inference.known import NEW, Known
from backbench.inference.looking import Look, look_at
from backbench.inference.model import NEIGHBOURS, Model
from backbench.inference.texts import Encoder, encoder
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

BLOCK = 256
COSINE = "cosine"


@dataclass(frozen=True)
class Hit:
    """A known image: its rank from 1, number and name, its class if it has one, and its file if that is there.

    `score` is the cosine similarity, 1 - `distance`, where directions are compared, and otherwise the distance.
    """

    rank: int
    row: int
    name: str
    label: str | None
    score: float
    distance: float
    path: Path | None


@dataclass(frozen=True)
class Answer:
    """What is most similar to a query: an image by its path, or a text.

    Parameters
    ----------
    query : the path, or the text
    path : the file of an image, None for a text
    reason : why there is no answer, "" where there is one
    known : the number of the image in the collection, if it is one of its images
    """

    query: str
    reason: str = ""
    known: int | None = None
    hits: Sequence[Hit] = ()
    path: Path | None = None

    @property
    def of_text(self) -> bool:
        """Whether the query is a text."""
        return self.path is None


@dataclass(frozen=True)
class Space:
    """Where queries are compared with known images: a model whose neighbours are these, and their numbers.

    `among` (m,) are the numbers of the images that are searched, None for all; `about` says which these are.
    """

    model: Model
    among: "np.ndarray | None"
    about: str

    @property
    def cosine(self) -> bool:
        """Whether directions are compared."""
        return bool(self.model.about[NEIGHBOURS]["metric"] == COSINE)

    @property
    def measure(self) -> str:
        """What a score is."""
        if self.cosine:
            return "cosine similarity, 1 for the same direction"
        return f"{self.model.about[NEIGHBOURS]['metric']} distance, 0 for the same place"

    @property
    def sentence(self) -> str:
        """What is searched, and how well."""
        assert self.model.index is not None  # every space has its own
        return self.model.index.sentence + self.about

    def nearest(
        self, features: "np.ndarray", count: int, known: "np.ndarray | None" = None
    ) -> "tuple[np.ndarray, np.ndarray]":
        """Numbers and distances (n, count) of the images nearest to features (n, d), those of `known` (n,) left out."""
        import numpy as np

        if self.among is None:
            nearest = self.model.nearest(features, count, known)
            return nearest.rows, nearest.distances
        if known is not None and len(self.among):
            place = np.searchsorted(self.among, known).clip(max=len(self.among) - 1)
            known = np.where(self.among[place] == known, place, NEW)
        nearest = self.model.nearest(features, count, known)
        return self.among[nearest.rows], nearest.distances


@dataclass(frozen=True)
class Searcher:
    """A model and the images that it knows; `among` (m,) restricts them, as `about` says."""

    model: Model
    known: Known
    among: "np.ndarray | None" = None
    about: str = ""
    say: Callable[[str], None] = lambda text: None

    @cached_property
    def images(self) -> Space:
        """The space in which images are compared.

        Raises
        ------
        ConfigError
            If the run has none.
        """
        self.model.refuse(NEIGHBOURS)
        kind, member = gallery_ref(self.known.source)
        return self._space(self.model, kind, member)

    @cached_property
    def words(self) -> Space:
        """The space in which texts are compared with images."""
        about = {**self.model.about, NEIGHBOURS: {"metric": COSINE}}
        about["chains"] = {**self.model.about["chains"], NEIGHBOURS: []}
        arrays = {**self.model.arrays, "known.gallery": self.known.features}
        member = self.known.source.row.stages["features"]
        return self._space(replace(self.model, about=about, arrays=arrays), "features", member)

    def files(self, paths: Iterable[Path], count: int, exact: bool = True) -> Iterator[Answer]:
        """Answers for image files, in their order; those that cannot be searched for come with a reason.

        `exact` is that of :meth:`Model.embed`.
        """
        waiting = iter(paths)
        while block := list(islice(waiting, BLOCK)):
            with threads.beside(machine.cores()):
                queries = list(threads.in_order(self._read, block))
            yield from self._answers(queries, count, exact)

    def looks(self, looks: Sequence[Look], count: int, exact: bool = True) -> Iterator[Answer]:
        """Answers for images that were read, in their order; `exact` is that of :meth:`Model.embed`."""
        rows = (NEW if look.reason else self.known.row(look.sha256, look.path) for look in looks)
        yield from self._answers(list(zip(looks, rows, strict=True)), count, exact)

    def texts(self, words: Sequence[str], count: int) -> list[Answer]:
        """Answers for texts.

        Raises
        ------
        ConfigError
            If the backbone of the run knows images alone.
        """
        if not words:
            return []
        features = self._encoder(words)
        rows, distances = self.words.nearest(features, count)
        hits = map(lambda *near: self._hits(self.words, *near), rows.tolist(), distances.tolist())
        return [Answer(word, hits=some) for word, some in zip(words, hits, strict=True)]

    @cached_property
    def _encoder(self) -> Encoder:
        return encoder(self.model)

    @cached_property
    def _refusal(self) -> str:
        """Why new images have no features, "" where they have."""
        try:
            self.model.policy  # noqa: B018
        except ConfigError as error:
            return str(error)
        return ""

    def _space(self, model: Model, kind: str, member: str) -> Space:
        """The space of a model, whose known images are an array of the store."""
        metric, rows = model.about[NEIGHBOURS]["metric"], model.arrays["known.gallery"]
        if self.among is None:
            whole = index.opened(rows, metric, digest_of(self.known.source, kind, member), self.say)
            return Space(replace(model, index=whole), None, "")
        some = rows[self.among]
        part = index.opened(some, metric, "", exact_up_to=len(some))
        arrays = {**model.arrays, "known.gallery": some}
        return Space(replace(model, arrays=arrays, index=part), self.among, f" of {len(rows):,} ({self.about})")

    def _read(self, path: Path) -> tuple[Look, int]:
        """An image file and its number, -1 for a new one; the pixels of known ones are not decoded."""
        try:
            held = content.read(path)
        except MemoryError:
            return Look(path, reason="there was not enough memory to read it"), NEW
        except Unreadable as error:
            return Look(path, reason=str(error)), NEW
        except OSError as error:
            return Look(path, reason=error.strerror or str(error)), NEW
        row = self.known.row(held.sha256, path)
        if row != NEW:
            return Look(path, held.sha256), row
        if self._refusal:
            return Look(path, held.sha256, reason=self._refusal), NEW
        return look_at(held, self.model), NEW

    def _answers(self, queries: Sequence[tuple[Look, int]], count: int, exact: bool) -> Iterator[Answer]:
        import numpy as np

        images = [(look, row) for look, row in queries if not look.reason]
        if images:
            rows = np.array([row for _, row in images])
            nearest = self.images.nearest(self._features(images, rows, exact), count, rows)
            answers = iter(zip(*(part.tolist() for part in nearest), strict=True))
        for look, row in queries:
            if look.reason:
                yield Answer(str(look.path), look.reason, path=look.path)
            else:
                hits = self._hits(self.images, *next(answers))
                yield Answer(str(look.path), known=None if row == NEW else row, hits=hits, path=look.path)

    def _features(self, images: Sequence[tuple[Look, int]], rows: "np.ndarray", exact: bool) -> "np.ndarray":
        """Features (n, d) of images: stored ones of the known `rows` (n,), computed ones of the others."""
        import numpy as np

        new = np.flatnonzero(rows == NEW)
        features = np.empty((len(rows), self.model.about["columns"]), np.float32)
        if len(new):
            pixels = [pixels for place in new.tolist() if (pixels := images[place][0].pixels) is not None]
            features[new] = self.model.embed(np.stack(pixels), exact)
        if len(new) < len(rows):
            features[rows != NEW] = self.known.features[rows[rows != NEW]]
        return features

    def _hits(self, space: Space, rows: Sequence[int], distances: Sequence[float]) -> list[Hit]:
        return [self._hit(space, rank, *pair) for rank, pair in enumerate(zip(rows, distances, strict=True), 1)]

    def _hit(self, space: Space, rank: int, row: int, distance: float) -> Hit:
        source = self.known.source
        label = source.names[int(source.truth[row])] if source.names else None
        score = 1.0 - distance if space.cosine else distance
        return Hit(rank, row, self.known.name(row), label, score, distance, self.known.path(row))
