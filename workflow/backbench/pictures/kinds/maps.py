"""Maps of one run: its images in the plane by PCA, t-SNE or UMAP, as points or as images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from backbench.pictures import _heads, _images, layouts
from backbench.pictures.contract import RunPicture
from backbench.pictures.source import Source
from backbench.plots import Heading, Picture

if TYPE_CHECKING:
    from backbench.pictures.layouts import Layout
    from backbench.plots.maps import Panel

NAMES = {"pca": "PCA map", "tsne": "t-SNE map", "umap": "UMAP map"}
FAR = (
    "{} keeps similar images close together: which images are neighbours is meaningful, but the distances between "
    "groups and how large or dense they look mean little."
)
MEANINGS: Mapping[str, str] = {"tsne": FAR.format("t-SNE"), "umap": FAR.format("UMAP")}
RIGHT, WRONG = 0, 1


@dataclass(frozen=True)
class Map:
    """A map by one method; with `images`, it shows some of the images themselves. `ORDER` is its place in reports."""

    method: str
    images: bool
    ORDER: int
    CATEGORY: ClassVar[str] = "Maps"
    SUBJECTS: ClassVar[tuple[str, ...]] = ("clustering", "classification")

    @property
    def TITLE(self) -> str:
        return NAMES[self.method] + (" with images" if self.images else "")

    def lacks(self, source: Source) -> str | None:
        """Why there is no such map."""
        return layouts.refusal(source, self.method) or (_images.missing(source) if self.images else None)

    def draw(self, source: Source) -> Picture:
        """Points by class, by cluster and by error, or images framed by cluster or class."""
        heading = partial(source.heading, self.TITLE)
        return _images_in_place(source, self.method, heading) if self.images else _points(source, self.method, heading)


PICTURES: Mapping[str, RunPicture] = {
    "map_pca": Map("pca", False, 10),
    "map_tsne": Map("tsne", False, 20),
    "map_umap": Map("umap", False, 30),
    "map_pca_images": Map("pca", True, 40),
    "map_tsne_images": Map("tsne", True, 50),
    "map_umap_images": Map("umap", True, 60),
}


def _points(source: Source, method: str, heading: Callable[[str], Heading]) -> Picture:
    """The images as points by class, by cluster and by error, as far as the run has these."""
    from backbench.plots import maps

    layout = layouts.layout(source, method)
    panels = [
        panel for panel in (_by_class(source, layout), _by_cluster(source, layout), _by_error(source, layout)) if panel
    ]
    caption = _caption(method, layout) + _of_colours(panels) + _of_error(source, panels)
    return maps.draw(
        heading(_about(layout)),
        layout.rows,
        layout.positions,
        panels or [_plain(layout)],
        _axes(method, layout),
        caption,
    )


def _images_in_place(source: Source, method: str, heading: Callable[[str], Heading]) -> Picture:
    """Some of the images themselves, framed by cluster, or by class where the run has no clusters."""
    from backbench.plots import thumbnails

    layout = layouts.layout(source, method)
    panel = _by_cluster(source, layout) or _by_class(source, layout) or _plain(layout)
    shown, side = thumbnails.thinned(layout.positions)
    images = source.shown(layout.rows[shown])
    caption = (
        f"{len(shown):,} of {len(layout.rows):,} images are shown, at most one per cell of a grid, framed "
        f"{panel.title}; faint points show all images. {_caption(method, layout)}"
    )
    about = heading(f"{_about(layout)}, framed {panel.title}")
    return thumbnails.draw(
        about, layout.rows, layout.positions, panel, shown, side, images, _axes(method, layout), caption
    )


def _by_class(source: Source, layout: "Layout") -> "Panel | None":
    from backbench.plots.maps import Panel

    if not source.names:
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

    if not source.names or _heads.missing(source, _heads.CLASSIFICATION):
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
    text = MEANINGS.get(method) or (
        f"The two directions of largest variance hold {sum(layout.info['explained']):.1%} of it; images that differ "
        "only in other directions overlap here."
    )
    few = layout.info["n"] < layout.info["of"]
    return text + (f" A random sample of {layout.info['n']:,} of {layout.info['of']:,} images is shown." if few else "")


def _of_colours(panels: "list[Panel]") -> str:
    """A warning that equal colours in two panels mean nothing."""
    both = {"class", "cluster"} <= {panel.column for panel in panels}
    return " A class and a cluster of the same colour are unrelated." if both else ""


def _of_error(source: Source, panels: "list[Panel]") -> str:
    """Sentences on predictions, where they are shown."""
    if not any(panel.column == "prediction" for panel in panels):
        return ""
    name = source.row.params["classifier.name"]
    text = f" Predictions of {name} for validation and test images are right or wrong; training images are faint."
    classified, shown = source.row.chain("classification"), source.row.chain(layouts.head_of(source))
    return (
        text
        if classified == shown
        else f"{text} It was trained on other features ({classified}) than those shown ({shown})."
    )
