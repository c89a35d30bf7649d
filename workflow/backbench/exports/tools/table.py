"""What every tool shows of a run: a row for each image with its path, class, prediction, cluster and position.

Of more than 100,000 images the tables hold the same fixed sample that the maps of `backbench plot` show.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from backbench.exports import _tables
from backbench.exports._folder import Folder
from backbench.exports.tools import pictures
from backbench.metrics.labels import NOISE, OUTSIDE
from backbench.pictures import _heads, layouts
from backbench.pictures.source import Source

if TYPE_CHECKING:
    import numpy as np

# Neighbours of each image in a table.
NEIGHBOURS = 15
# Above so many images the search for them is approximate.
MOST_EXACT = 20_000
METRIC: Literal["cosine"] = "cosine"
NOISE_NAME = "noise"
SCORES = "probabilities"


@dataclass
class Table:
    """The images of a run as columns; `paths` are absolute, or None for a run that has no images.

    `rows` are the images (m,) in it, ascending; `say` reports progress.
    """

    source: Source
    paths: list[str] | None
    rows: "np.ndarray"
    say: Callable[[str], None]

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> "Table":
        """The first `count` images."""
        paths = self.paths[:count] if self.paths is not None else None
        return Table(self.source, paths, self.rows[:count], self.say)

    @cached_property
    def columns(self) -> dict[str, list[Any]]:
        """Name, split, class, predicted class, its probability, cluster: whatever the run has; None where undefined."""
        names, parts = _tables.names(self.source), _tables.parts(self.source)
        columns: dict[str, list[Any]] = {"name": [legible(names[row]) for row in self.rows]}
        columns["split"] = [str(parts[row]) for row in self.rows]
        if self.source.names:
            columns["class"] = [self._class(code) for code in self.source.truth[self.rows].tolist()]
        if not _heads.missing(self.source, "classification"):
            columns |= self._predicted()
        if not _heads.missing(self.source, "clustering"):
            columns["cluster"] = [_cluster(code) for code in self.source.labels[self.rows].tolist()]
        return columns

    @cached_property
    def classes(self) -> list[str]:
        return [legible(name) for name in self.source.names]

    @cached_property
    def features(self) -> "np.ndarray":
        """The features (m, d) float32."""
        import numpy as np

        stored = _tables.stored_features(self.source)
        return np.ascontiguousarray(stored if len(self) == len(stored) else stored[self.rows])

    @cached_property
    def positions(self) -> "tuple[str, np.ndarray]":
        """How the images lie in the plane (``tsne``, ``umap`` or ``pca``), and where (m, 2) float32."""
        from backbench.metrics.near import Near
        from backbench.pictures import _embedding

        method = layouts.preferred(self.source)
        if method is None:
            return "pca", _embedding.embed("pca", self.features, Near(self.features), lambda done, total: None)[0]
        return method, layouts.layout(self.source, method).positions

    @cached_property
    def neighbours(self) -> "tuple[np.ndarray, np.ndarray]":
        """The nearest images (m, k) int64 of each image by cosine, as rows of the table, and distances (m, k)."""
        import numpy as np

        from backbench import threads
        from backbench.machine import cores
        from backbench.metrics import approximate, neighbours

        count, each = min(NEIGHBOURS, len(self) - 1), np.arange(len(self))
        if count < 1:
            return np.empty((len(self), 0), np.int64), np.empty((len(self), 0))
        self.say(f"nearest {count} images of {len(self):,}")
        with threads.one_core_each(cores()):
            if len(self) <= MOST_EXACT:
                return neighbours.nearest(self.features, self.features, count, METRIC, each)
            return approximate.nearest_approximate(self.features, self.features, count, METRIC, each)[:2]

    def _class(self, code: int) -> str:
        return self.classes[code]

    def _predicted(self) -> dict[str, list[Any]]:
        codes = self.source.predictions[self.rows].tolist()
        columns: dict[str, list[Any]] = {
            "predicted": [None if code == OUTSIDE else self.classes[code] for code in codes]
        }
        scores = self.source.array("classification", SCORES, mmap=True)
        if scores is not None:
            pairs = zip(self.rows.tolist(), codes, strict=True)
            columns["confidence"] = [None if code == OUTSIDE else float(scores[row, code]) for row, code in pairs]
        return columns


def of(source: Source, root: Folder, say: Callable[[str], None], files: bool) -> Table:
    """The table of a run; with `files`, the images of an array are written as PNG below `root`.

    Raises
    ------
    ConfigError
        If the folder of the images no longer exists.
    """
    rows = shown(len(source.split))
    return Table(source, pictures.paths(source, rows, root, say, files), rows, say)


def shown(n: int) -> "np.ndarray":
    """The rows (m,) of n images that a table holds: all, or the sample that the maps show."""
    import numpy as np

    rows = layouts.sample(n)
    return np.arange(n) if rows is None else rows


def legible(text: Any) -> str:
    """A text without what no file in UTF-8 can hold."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def parquet(columns: dict[str, Any], target: Any) -> None:
    """Write columns as parquet; every one a list or an arrow array."""
    import pyarrow
    from pyarrow import parquet as files

    files.write_table(pyarrow.table(columns), target, compression="zstd")


def vectors(rows: "np.ndarray") -> Any:
    """Rows (m, d) float32 as an arrow array of lists."""
    import numpy as np
    import pyarrow

    flat = pyarrow.array(np.ascontiguousarray(rows, np.float32).reshape(-1))
    if rows.size > np.iinfo(np.int32).max:
        return pyarrow.LargeListArray.from_arrays(np.arange(len(rows) + 1) * rows.shape[1], flat)
    return pyarrow.ListArray.from_arrays((np.arange(len(rows) + 1) * rows.shape[1]).astype(np.int32), flat)


def _cluster(code: int) -> str | None:
    if code == OUTSIDE:
        return None
    return NOISE_NAME if code == NOISE else str(code)
