"""Images of each cluster: those nearest to its mean, and the least certain ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbench.pictures import _heads, _images
from backbench.pictures.source import Source
from backbench.plots import Data, Picture, columns

if TYPE_CHECKING:
    import numpy as np

    from backbench.plots.grid import Section, Strip, Tile

TITLE = "Images of each cluster"
CATEGORY = "Clustering"
SUBJECTS = ("clustering",)
ORDER = 30
NEAREST, UNSURE, MOST = 6, 4, 20
LIMIT = 13
BLOCK = 4096


@dataclass(frozen=True)
class _Sample:
    """The images of a cluster: `members` (m,), their `distances` (m,) to the mean, and the places that are shown."""

    cluster: int
    members: "np.ndarray"
    distances: "np.ndarray"
    nearest: "np.ndarray"
    unsure: "np.ndarray"


def lacks(source: Source) -> str | None:
    """Why there are no images of clusters."""
    return _images.missing(source) or _heads.unclustered(source)


def draw(source: Source) -> Picture:
    """A strip for each of the largest clusters, and one for noise."""
    import numpy as np

    from backbench.plots import grid

    labels = _heads.reported(source)
    clusters, sizes = np.unique(labels[labels >= 0], return_counts=True)
    shown = clusters[np.lexsort((clusters, -sizes))][:MOST]
    x = source.matrix(_heads.CLUSTERING)
    samples = [_sample(source, x, int(cluster), np.flatnonzero(labels == cluster)) for cluster in shown]
    noise = np.flatnonzero(labels == -1)
    some = np.sort(np.random.default_rng(_images.SEED).permutation(noise)[: NEAREST + UNSURE])
    sections = [*_clusters(source, samples, len(clusters)), *_noise(source, noise, some)]
    heading = source.heading(TITLE, _heads.of_rows(source))
    return grid.draw(heading, sections, _data(source, samples, some), _caption(source, len(clusters), len(noise)))


def _sample(source: Source, x: "np.ndarray", cluster: int, members: "np.ndarray") -> _Sample:
    """What is shown of the cluster with the rows `members` (m,) of `x` (n, d)."""
    import numpy as np

    distances = from_mean(x, members)
    near = np.lexsort((members, distances))
    rest = near[NEAREST:]
    doubt = -distances[rest] if source.widths is None else source.widths[members[rest]]
    unsure = rest[np.lexsort((members[rest], doubt))][:UNSURE]
    return _Sample(cluster, members, distances, near[:NEAREST], unsure)


def from_mean(x: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    """Euclidean distances (m,) float64 of the rows (m,) of `x` (n, d) to their mean."""
    import numpy as np

    points = x[rows]
    mean = points.mean(axis=0, dtype=np.float64)
    blocks = (points[first : first + BLOCK] - mean for first in range(0, len(points), BLOCK))
    return np.concatenate([np.sqrt((block**2).sum(axis=1)) for block in blocks])


def _clusters(source: Source, samples: Sequence[_Sample], count: int) -> Iterator["Section"]:
    from backbench.plots.grid import Section

    if not samples:
        return
    doubt = "farthest from the mean" if source.widths is None else "least sure: lowest silhouette width"
    groups = [("nearest to the cluster's mean", NEAREST), (doubt, UNSURE)]
    strips = [_strip(source, sample) for sample in samples]
    yield Section(strips, groups, more=count - len(samples), noun="smaller clusters")


def _strip(source: Source, sample: _Sample) -> "Strip":
    import numpy as np

    from backbench.plots.grid import Strip

    below = [f"{len(sample.members):,} image" + "s" * (len(sample.members) != 1)]
    if source.widths is not None:
        below.append(f"mean width {np.nanmean(source.widths[sample.members], dtype=float):z.2f}")
    if source.names:
        counts = np.bincount(source.truth[sample.members])
        name = _images.class_names(source, LIMIT)[counts.argmax()]
        below.append(f"{counts.max() / counts.sum():.0%} {name}")
    groups = [_tiles(source, sample.members[sample.nearest]), _tiles(source, sample.members[sample.unsure])]
    return Strip(groups, f"cluster {sample.cluster}", tuple(below))


def _noise(source: Source, noise: "np.ndarray", some: "np.ndarray") -> Iterator["Section"]:
    """`some` (m,) of the images that are noise (l,)."""
    from backbench.plots.grid import Section, Strip

    if len(noise):
        strip = Strip([_tiles(source, some)], "noise", (f"{len(noise):,} image" + "s" * (len(noise) != 1),))
        yield Section([strip], [("drawn at random from the noise", NEAREST + UNSURE)])


def _tiles(source: Source, rows: "np.ndarray") -> "list[Tile]":
    """The images of these rows (m,) with their classes."""
    from backbench.plots.grid import Tile

    texts = _images.captions(source, rows.tolist(), LIMIT)
    return [Tile(image, (text,)) for image, text in zip(source.shown(rows), texts, strict=True)]


def _data(source: Source, samples: Sequence[_Sample], noise: "np.ndarray") -> Data:
    """The images that are shown, those of `noise` (m,) last."""
    doubt = "farthest" if source.widths is None else "least sure"
    listed = [
        (sample.cluster, group, int(sample.members[place]), float(sample.distances[place]))
        for sample in samples
        for group, places in (("nearest", sample.nearest), (doubt, sample.unsure))
        for place in places
    ]
    listed += [(-1, "noise", int(row), float("nan")) for row in noise]
    data = columns(("cluster", "group", "image", "distance"), listed)
    if source.widths is not None:
        data["width"] = [float(source.widths[row]) for row in data["image"]]
    return data | _images.columns(source, data["image"])


def _caption(source: Source, count: int, noise: int) -> str:
    doubt = "that are farthest from it" if source.widths is None else "with the lowest silhouette widths"
    parts = []
    if count:
        parts.append(
            f"For each cluster, the largest first: the {NEAREST} images nearest to its mean (Euclidean distance in the "
            f"clustered matrix), and the {UNSURE} of the others {doubt}."
        )
    if count > MOST:
        parts.append(f"The {count - MOST} smallest clusters are not shown.")
    if noise:
        parts.append(f"{noise:,} images are noise; those shown are drawn at random.")
    return " ".join(parts)
