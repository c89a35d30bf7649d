"""How far each photograph is from the centre of its cluster, and how well it fits there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from backbench.organising import folders
from backbench.pictures.kinds.cluster_samples import from_mean
from backbench.pictures.source import Source

if TYPE_CHECKING:
    import numpy as np

# With more images, silhouette widths that are not stored are not computed: it would take minutes.
MOST = 20_000


def members(source: Source) -> "Iterator[tuple[int, np.ndarray]]":
    """The number of each cluster and the rows (m,) of its images; clusters of each split apart, without noise."""
    import numpy as np

    parts = source.split if folders.apart(source) else np.zeros(len(source.labels), int)
    for part in np.unique(parts):
        for cluster in np.unique(source.labels[(parts == part) & (source.labels >= 0)]):
            yield int(cluster), np.flatnonzero((parts == part) & (source.labels == cluster))


def distances(source: Source) -> "np.ndarray":
    """Euclidean distance (n,) of each image to the mean of its cluster in the clustered matrix; NaN without one."""
    import numpy as np

    x, values = source.matrix("clustering"), np.full(len(source.labels), np.nan)
    for _, rows in members(source):
        values[rows] = from_mean(x, rows)
    return values


def nearest(source: Source, count: int) -> "Iterator[tuple[int, np.ndarray, np.ndarray]]":
    """Each cluster, its rows (m,), and at most `count` of them (c,), those nearest to the mean first."""
    import numpy as np

    x = source.matrix("clustering")
    for cluster, rows in members(source):
        yield cluster, rows, rows[np.lexsort((rows, from_mean(x, rows)))][:count]


def widths(source: Source) -> "np.ndarray | None":
    """Silhouette width of each image, (n,), NaN where undefined: as stored, else computed for at most `MOST` images."""
    if source.widths is not None:
        return source.widths
    return _computed(source) if int((source.labels >= 0).sum()) <= MOST else None


def _computed(source: Source) -> "np.ndarray":
    """Silhouette widths (n,) by scikit-learn, of each split alone where these were clustered apart."""
    import numpy as np
    from sklearn.metrics import silhouette_samples

    x, values = source.matrix("clustering"), np.full(len(source.labels), np.nan)
    parts = source.split if folders.apart(source) else np.zeros(len(source.labels), int)
    for part in np.unique(parts):
        rows = np.flatnonzero((parts == part) & (source.labels >= 0))
        if 1 < len(np.unique(source.labels[rows])) < len(rows):
            values[rows] = silhouette_samples(x[rows], source.labels[rows])
    return values
