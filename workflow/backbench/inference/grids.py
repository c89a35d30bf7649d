"""A sample of predicted images with the nearest known ones beside each, as one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench.images import content
from backbench.images.bounds import Unreadable
from backbench.inference.known import Known
from backbench.inference.predicting import Neighbour, Prediction
from backbench.inference.tables import Shown
from backbench.pictures import thumbnails
from backbench.plots import Picture, columns
from backbench.store import StoreError
from backbench.wording import counted

if TYPE_CHECKING:
    import numpy as np

    from backbench.plots.grid import Strip, Tile

# Images of a sample.
MOST = 16
TITLE = "Predicted images and the nearest known ones"


def places(count: int) -> set[int]:
    """Numbers of at most `MOST` of so many images, spread evenly."""
    most = min(count, MOST)
    return {place * count // most for place in range(most)} if most else set()


def thumbnail(path: Path, shown: Shown) -> "np.ndarray | None":
    """A file as a small image (h, w) or (h, w, 3) uint8, None if it cannot be read."""
    try:
        return thumbnails.of_file(content.read(path), shown.model.about["bits"])
    except (OSError, Unreadable):
        return None


def draw(sample: Sequence[tuple[Prediction, str, "np.ndarray"]], shown: Shown, known: Known, total: int) -> Picture:
    """The picture of a sample: predictions, what each file is called, and the images (h, w, ...) uint8."""
    from backbench.plots import grid

    strips = [_strip(prediction, name, image, shown, known) for prediction, name, image in sample]
    groups = [("image", 1), *([("nearest known images", shown.count)] if shown.count else [])]
    heading = known.source.heading(TITLE, f"{len(sample)} of {counted(total, 'image')}")
    caption = "Each row is an image with its class; beside it are the known images that are nearest to it."
    return grid.draw(heading, [grid.Section(strips, groups)], _data(sample, shown), caption)


def _strip(prediction: Prediction, name: str, image: "np.ndarray", shown: Shown, known: Known) -> "Strip":
    """A predicted image (h, w, ...) uint8 with its neighbours."""
    from backbench.plots.grid import Strip, Tile

    near = [_tile(neighbour, known) for neighbour in prediction.neighbours]
    title = prediction.label or (
        f"cluster {shown.cluster(prediction.cluster)}" if prediction.cluster is not None else ""
    )
    below = [] if prediction.score is None else [f"{shown.score} {prediction.score:.3f}"]
    if prediction.label is not None and prediction.cluster is not None:
        below.append(f"cluster {shown.cluster(prediction.cluster)}")
    below += ["unlike anything seen"] if prediction.unlike else []
    return Strip([[Tile(image)], near], title, (*below, Path(name).name))


def _tile(neighbour: Neighbour, known: Known) -> "Tile":
    import numpy as np

    from backbench.plots.grid import Tile

    try:
        image = known.source.shown([neighbour.row])[0]
    except (OSError, StoreError, Unreadable):
        image = np.full((8, 8), 255, np.uint8)
    return Tile(image, (neighbour.label or neighbour.name, f"{neighbour.distance:.3g}"))


def _data(sample: Sequence[tuple[Prediction, str, "np.ndarray"]], shown: Shown) -> dict[str, list[Any]]:
    """The numbers of a sample of predictions with images (h, w, ...) uint8."""
    titles = ("path", "class", shown.score, "cluster", "nearest", "distance")
    rows = []
    for prediction, name, _ in sample:
        near = prediction.neighbours[0] if prediction.neighbours else None
        values = (prediction.label, prediction.score, prediction.cluster)
        rows.append((name, *values, near.name if near else None, near.distance if near else None))
    return columns(titles, rows)
