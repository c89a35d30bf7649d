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

    layout = layouts.layout(source, method)
    panels = [
        panel for panel in (_by_class(source, layout), _by_cluster(source, layout), _by_error(source, layout)) if panel
    ]
    caption = _caption(method, layout) + _of_colours(panels) + _of_error(source, panels)
    heading = source.heading(title(method), _about(layout))
    return maps.draw(heading, layout.rows, layout.positions, panels or [_plain(layout)], _axes(method, layout), caption)


def draw_images(source: Source, method: str) -> Picture:
    """Some of the images themselves, framed by cluster, or by class where the run has no clusters."""
    from backbench.plots import thumbnails

    layout = layouts.layout(source, method)
    panel = _by_cluster(source, layout) or _by_class(source, layout) or _plain(layout)
    shown, side = thumbnails.thinned(layout.positions)
    images = source.images[layout.rows[shown]]
    caption = (
        f"{len(shown):,} of {len(layout.rows):,} images are shown, at most one for each cell of a grid, framed "
        f"{panel.title}; faint points are all of them. {_caption(method, layout)}"
    )
    heading = source.heading(title(method, images=True), f"{_about(layout)}, framed {panel.title}")
    return thumbnails.draw(
        heading, layout.rows, layout.positions, panel, shown, side, images, _axes(method, layout), caption
    )


def _by_class(source: Source, layout: "Layout") -> "Panel | None":
    from backbench.plots.maps import Panel

    if source.names is None:
        return None
    return Panel("by class", "class", source.truth[layout.rows], dict(enumerate(source.names)))


def _by_cluster(source: Source, layout: "Layout") -> "Panel | None":
    from backbench.plots.maps import NOISE, OUTSIDE, Panel

    if _heads.missing(source, _heads.CLUSTERING):
        return None
    codes = _heads.reported(source)[layout.rows]
    numbers = range(int(codes.max(initial=-1)) + 1)
    names, marks = {code: f"cluster {code}" for code in numbers}, {code: str(code) for code in numbers}
    return Panel("by cluster", "cluster", codes, names, {NOISE: "noise", OUTSIDE: "not clustered"}, marks=marks)


def _by_error(source: Source, layout: "Layout") -> "Panel | None":
    import numpy as np

    from backbench.plots import _style
    from backbench.plots.maps import OUTSIDE, Panel

    if source.names is None or _heads.missing(source, _heads.CLASSIFICATION):
        return None
    truth, predicted = source.truth[layout.rows], source.predictions[layout.rows]
    codes = np.where(predicted == OUTSIDE, OUTSIDE, np.where(predicted == truth, RIGHT, WRONG))
    looks = {RIGHT: (_style.RIGHT, "o"), WRONG: (_style.WRONG, "X")}
    names = {RIGHT: "right", WRONG: "wrong"}
    return Panel("by error", "prediction", codes, names, {OUTSIDE: "training image"}, looks)


def _plain(layout: "Layout") -> "Panel":
    import numpy as np

    from backbench.plots.maps import Panel

    return Panel("of all images", "group", np.zeros(len(layout.rows), int), {0: "image"})


def _about(layout: "Layout") -> str:
    """How the positions were made, for a heading."""
    parts = [f"from {layout.info['d']:,} dimensions"]
    if layout.info["n"] < layout.info["of"]:
        parts.append(f"a sample of {layout.info['n']:,} images")
    words = {"perplexity": "perplexity {}", "n_neighbors": "{} neighbours", "min_dist": "min_dist {}"}
    return ", ".join(parts + [text.format(layout.info[key]) for key, text in words.items() if key in layout.info])


def _axes(method: str, layout: "Layout") -> tuple[str, str]:
    if method == "pca":
        first, second = layout.info["explained"]
        return f"1st component ({first:.1%} of the variance)", f"2nd component ({second:.1%} of the variance)"
    name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    return f"{name}, 1st axis (no unit)", f"{name}, 2nd axis (no unit)"


def _caption(method: str, layout: "Layout") -> str:
    if layout.info.get("same"):
        return "All images have the same features, so they lie in one point."
    text = SAID.get(method) or (
        f"The two directions of largest variance hold {sum(layout.info['explained']):.1%} of it; images that differ in "
        "other directions lie on one another here."
    )
    few = layout.info["n"] < layout.info["of"]
    return text + (f" A random sample of {layout.info['n']:,} of {layout.info['of']:,} images is shown." if few else "")


def _of_colours(panels: "list[Panel]") -> str:
    """A warning that equal colours of two panels mean nothing."""
    both = {"class", "cluster"} <= {panel.column for panel in panels}
    return " A class and a cluster of one colour have nothing to do with each other." if both else ""


def _of_error(source: Source, panels: "list[Panel]") -> str:
    """A sentence on predictions, where they are shown."""
    if not any(panel.column == "prediction" for panel in panels):
        return ""
    name = source.row.params["classifier.name"]
    text = f" Right and wrong are predictions of {name} for validation and test images; training images are faint."
    classified, shown = source.row.chain("classification"), source.row.chain(layouts.shown_head(source))
    return (
        text
        if classified == shown
        else f"{text} It worked on other features ({classified}) than those shown ({shown})."
    )
