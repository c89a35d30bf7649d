"""Features, clusters and predictions of a run as tables; a row for each image, named alike in all of them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.datasets import PARTS, TRAIN
from backbench.exports._folder import Folder
from backbench.metrics.labels import OUTSIDE
from backbench.pictures.source import Source
from backbench.store import StoreError

if TYPE_CHECKING:
    import numpy as np

FEATURES, CLUSTERS, PREDICTIONS = "features.npz", "clusters.npz", "predictions.csv"
PER_SPLIT = "per_split"


def names(source: Source) -> "np.ndarray":
    """Relative path of each image, (n,) text; without files its place in the collection, from 0."""
    import numpy as np

    files = source.info("dataset").get("files")
    if files:
        return np.array([str(file) for file in files])
    places = source.array("dataset", "rows")
    return np.arange(len(source.split)).astype(str) if places is None else places.astype(str)


def parts(source: Source) -> "np.ndarray":
    """``train``, ``validation`` or ``test`` of each image, (n,) text."""
    import numpy as np

    return np.array(PARTS)[source.split]


def features(source: Source, folder: Folder) -> None:
    """``features.npz``: features, names, part, and where there are classes labels and their names."""
    import numpy as np

    arrays = {"features": stored_features(source), "names": names(source), "part": parts(source)}
    if source.names:
        arrays |= {"labels": source.truth.astype(np.int64), "classes": np.array(source.names)}
    _npz(folder, FEATURES, arrays)


def stored_features(source: Source) -> "np.ndarray":
    """The features (n, d) float32 of a run, mapped into memory.

    Raises
    ------
    StoreError
        If they were never stored.
    """
    array = source.array("features", "features", mmap=True)
    if array is None:
        raise StoreError(f"run {hashing.short(source.row.config_hash)} has no stored features")
    return array


def clusters(source: Source, folder: Folder) -> None:
    """``clusters.npz``: labels, names, part and scope; of splits that were clustered apart, a file each as well."""
    import numpy as np

    scope, named, part = source.info("clustering").get("scope", "all"), names(source), parts(source)
    whole = {"labels": source.labels, "names": named, "part": part, "scope": np.array(scope)}
    _npz(folder, CLUSTERS, whole)
    if scope != PER_SPLIT:
        return
    for name in PARTS:
        inside = (part == name) & (source.labels != OUTSIDE)
        if inside.any():
            _npz(folder, f"{name}_{CLUSTERS}", {"labels": source.labels[inside], "names": named[inside]})


def predictions(source: Source, folder: Folder) -> None:
    """``predictions.csv``: name, part, true and predicted class of each image that is no training image."""
    import numpy as np

    named, part = names(source), parts(source)
    rows = np.flatnonzero(source.split != TRAIN)
    classes = source.names
    lines = (
        (named[row], part[row], classes[source.truth[row]], classes[source.predictions[row]]) for row in rows.tolist()
    )
    folder.text(PREDICTIONS, table(("name", "part", "true_class", "predicted_class"), lines))


def table(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """Lines as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return text.getvalue()


def _npz(folder: Folder, name: str, arrays: Mapping[str, "np.ndarray"]) -> None:
    """Write arrays (rows, ...) without Python objects; numpy dates entries 1980, so equal arrays make equal files."""
    import numpy as np

    # Features hardly shrink, and take long.
    save = np.savez if name == FEATURES else np.savez_compressed
    with folder.new(name) as path:
        save(path, allow_pickle=False, **arrays)
