"""Images above what an autoencoder made of them."""

from typing import TYPE_CHECKING

from backbench.pictures import _images
from backbench.pictures.source import Source
from backbench.plots import Picture

if TYPE_CHECKING:
    import numpy as np

    from backbench.plots.grid import Section

TITLE = "Images and their reconstructions"
CATEGORY = "Training"
SUBJECTS = ("features",)
ORDER = 20
COLUMNS, TILE = 8, 0.9
LIMIT = 15
ARRAYS = ("reconstructions", "reconstructed_rows")


def lacks(source: Source) -> str | None:
    """Why there are no reconstructions."""
    reason = _images.untrained(source)
    if reason:
        return reason
    if not set(ARRAYS) <= set(source.row.records[source.row.stages["features"]].get("arrays", {})):
        return "it was trained by older code that stored no reconstructions; launch the sweep again to train it anew"
    return _images.missing(source)


def draw(source: Source) -> Picture:
    """Images that were not trained on above their reconstructions, with the error of each."""
    from backbench.plots import grid

    made, rows = (source.stored("features", name) for name in ARRAYS)
    images = source.images[rows]
    errors = squared_errors(images, made)
    starts = range(0, len(rows), COLUMNS)
    sections = [_section(source, *(part[at : at + COLUMNS] for part in (rows, images, made, errors))) for at in starts]
    data = {"image": rows.tolist(), "mean_squared_error": errors.tolist(), **_images.columns(source, rows.tolist())}
    caption = (
        f"{len(rows)} images that the network was not trained on, spread evenly over the data set, above their "
        "reconstructions. Below each is its mean squared error per pixel, with colours from 0 to 1; the mean is "
        f"{errors.mean():.4f}."
    )
    heading = source.heading(TITLE, f"{len(rows)} images that were not trained on")
    return grid.draw(heading, sections, data, caption, TILE)


def squared_errors(images: "np.ndarray", made: "np.ndarray") -> "np.ndarray":
    """Mean squared difference of the pixels of images (m, ...), (m,) float64, colours from 0 to 1."""
    import numpy as np

    gaps = (images.astype(np.float64) - made) / 255
    return (gaps**2).mean(axis=tuple(range(1, gaps.ndim)))


def _section(
    source: Source, rows: "np.ndarray", images: "np.ndarray", made: "np.ndarray", errors: "np.ndarray"
) -> "Section":
    """Images and reconstructions (m, h, w, 1 or 3) of these rows (m,), with errors (m,)."""
    from backbench.plots.grid import Section, Strip, Tile

    texts = _images.captions(source, rows.tolist(), LIMIT)
    above = [Tile(image, (text,)) for image, text in zip(images, texts, strict=True)]
    below = [Tile(image, (f"{error:.4f}",)) for image, error in zip(made, errors, strict=True)]
    strips = [Strip([above], "images"), Strip([below], "reconstructions", ("mean squared", "error per pixel"))]
    return Section(strips, [("", COLUMNS)])
