"""Maps of one run: where its images lie in the plane, and what its classes, clusters and predictions say of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from backbench.pictures import _heads, _images, layouts
from backbench.pictures.source import Source
from backbench.plots import Picture

if TYPE_CHECKING:
    from backbench.pictures.layouts import Layout
    from backbench.plots.maps import Panel

CATEGORY = "Maps"
SUBJECTS = ("clustering", "classification")
NAMES = {"pca": "PCA map", "tsne": "t-SNE map", "umap": "UMAP map"}
FAR = (
    "{} keeps near images near: who is whose neighbour means something, but how far groups lie apart, and how large or "
    "dense they look, means little."
)
SAID: Mapping[str, str] = {"tsne": FAR.format("t-SNE"), "umap": FAR.format("UMAP")}
RIGHT, WRONG = 0, 1


def title(method: str, images: bool = False) -> str:
    return NAMES[method] + (" with images" if images else "")


def lacks(source: Source, method: str, images: bool = False) -> str | None:
    """Why there is no such map."""
    return layouts.refusal(source, method) or (_images.missing(source) if images else None)


def draw(source: Source, method: str) -> Picture:
    """The images as points by class, by cluster and by error, as far as the run has them."""
    from backbench.plots import maps

    found = layouts.layout(source, method)
    panels = [
        panel for panel in (_by_class(source, found), _by_cluster(source, found), _by_error(source, found)) if panel
    ]
    caption = _caption(method, found) + _of_colours(panels) + _of_error(source, panels)
    heading = source.heading(title(method), _about(found))
    return maps.draw(heading, found.rows, found.positions, panels or [_plain(found)], _axes(method, found), caption)


def draw_images(source: Source, method: str) -> Picture:
    """Some of the images themselves, framed by cluster, or by class where the run has no clusters."""
    from backbench.plots import thumbnails

    found = layouts.layout(source, method)
    panel = _by_cluster(source, found) or _by_class(source, found) or _plain(found)
    shown, side = thumbnails.thinned(found.positions)
    images = source.images[found.rows[shown]]
    caption = (
        f"{len(shown):,} of {len(found.rows):,} images are shown, at most one for each cell of a grid, framed "
        f"{panel.title}; faint points are all of them. {_caption(method, found)}"
    )
    heading = source.heading(title(method, images=True), f"{_about(found)}, framed {panel.title}")
    return thumbnails.draw(
        heading, found.rows, found.positions, panel, shown, side, images, _axes(method, found), caption
    )


def _by_class(source: Source, found: "Layout") -> "Panel | None":
    from backbench.plots.maps import Panel

    if source.names is None:
        return None
    return Panel("by class", "class", source.truth[found.rows], dict(enumerate(source.names)))


def _by_cluster(source: Source, found: "Layout") -> "Panel | None":
    from backbench.plots.maps import NOISE, OUTSIDE, Panel

    if _heads.missing(source, _heads.CLUSTERING):
        return None
    codes = _heads.reported(source)[found.rows]
    numbers = range(int(codes.max(initial=-1)) + 1)
    names, marks = {code: f"cluster {code}" for code in numbers}, {code: str(code) for code in numbers}
    return Panel("by cluster", "cluster", codes, names, {NOISE: "noise", OUTSIDE: "not clustered"}, marks=marks)


def _by_error(source: Source, found: "Layout") -> "Panel | None":
    import numpy as np

    from backbench.plots import _style
    from backbench.plots.maps import OUTSIDE, Panel

    if source.names is None or _heads.missing(source, _heads.CLASSIFICATION):
        return None
    truth, predicted = source.truth[found.rows], source.predictions[found.rows]
    codes = np.where(predicted == OUTSIDE, OUTSIDE, np.where(predicted == truth, RIGHT, WRONG))
    looks = {RIGHT: (_style.RIGHT, "o"), WRONG: (_style.WRONG, "X")}
    names = {RIGHT: "right", WRONG: "wrong"}
    return Panel("by error", "prediction", codes, names, {OUTSIDE: "training image"}, looks)


def _plain(found: "Layout") -> "Panel":
    import numpy as np

    from backbench.plots.maps import Panel

    return Panel("of all images", "group", np.zeros(len(found.rows), int), {0: "image"})


def _about(found: "Layout") -> str:
    """How the positions were made, for a heading."""
    said = [f"from {found.info['d']:,} dimensions"]
    if found.info["n"] < found.info["of"]:
        said.append(f"a sample of {found.info['n']:,} images")
    words = {"perplexity": "perplexity {}", "n_neighbors": "{} neighbours", "min_dist": "min_dist {}"}
    return ", ".join(said + [text.format(found.info[key]) for key, text in words.items() if key in found.info])


def _axes(method: str, found: "Layout") -> tuple[str, str]:
    if method == "pca":
        first, second = found.info["explained"]
        return f"1st component ({first:.1%} of the variance)", f"2nd component ({second:.1%} of the variance)"
    name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    return f"{name}, 1st axis (no unit)", f"{name}, 2nd axis (no unit)"


def _caption(method: str, found: "Layout") -> str:
    if found.info.get("same"):
        return "All images have the same features, so they lie in one point."
    said = SAID.get(method) or (
        f"The two directions of largest variance hold {sum(found.info['explained']):.1%} of it; images that differ in "
        "other directions lie on one another here."
    )
    few = found.info["n"] < found.info["of"]
    return said + (f" A random sample of {found.info['n']:,} of {found.info['of']:,} images is shown." if few else "")


def _of_colours(panels: "list[Panel]") -> str:
    """A warning that equal colours of two panels mean nothing."""
    both = {"class", "cluster"} <= {panel.column for panel in panels}
    return " A class and a cluster of one colour have nothing to do with each other." if both else ""


def _of_error(source: Source, panels: "list[Panel]") -> str:
    """A sentence on predictions, where they are shown."""
    if not any(panel.column == "prediction" for panel in panels):
        return ""
    name = source.row.params["classifier.name"]
    said = f" Right and wrong are predictions of {name} for validation and test images; training images are faint."
    own, shown = source.row.chain("classification"), source.row.chain(layouts.shown_head(source))
    return said if own == shown else f"{said} It worked on other features ({own}) than those shown ({shown})."
