"""The map: the images of a run as points in the plane, coloured by what is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backbench.app.opened import Opened, cluster_title
from backbench.datasets import PARTS
from backbench.pictures import layouts

if TYPE_CHECKING:
    import numpy as np

TITLES = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PCA"}
CLASS, CLUSTER, RIGHT, SPLIT = "class", "cluster", "right or wrong", "split"
# More groups than this are drawn in one layer without a legend.
LISTED = 60
COLOURS = (
    *("#4269d0", "#efb118", "#ff725c", "#3ca951", "#a463f2", "#ff8ab7", "#6cc5b0", "#9c6b4e", "#97bbf5", "#c0392b"),
    *("#17becf", "#bcbd22", "#8c564b", "#e377c2", "#2ca02c", "#7f7fff", "#ff9f40", "#00a087", "#b07aa1", "#d4a6c8"),
)
FAINT = "#9aa0a6"
VERDICTS = {0: "wrong", 1: "right", -2: "not predicted"}
VERDICT_COLOURS = {0: "#ff725c", 1: "#4269d0"}
# Above so many points, smaller ones.
MANY = 5_000


@dataclass(frozen=True)
class Colouring:
    """Groups of the points: their numbers (m,), negative for what is shown faintly, with names and perhaps colours."""

    codes: "np.ndarray"
    names: Mapping[int, str]
    colours: Mapping[int, str] = field(default_factory=dict)

    def colour(self, code: int) -> str:
        """The colour of a group."""
        return FAINT if code < 0 else self.colours.get(code, COLOURS[code % len(COLOURS)])


def methods(opened: Opened) -> list[str]:
    """The layouts that a run can have."""
    return [method for method in TITLES if layouts.refusal(opened.source, method) is None]


def ready(opened: Opened, method: str) -> bool:
    """Whether a layout is there, or made in a moment."""
    return method == "pca" or layouts.stored(opened.source, method)


def layout(opened: Opened, method: str) -> layouts.Layout:
    """The points of a run, made if they are not stored."""
    with opened.drawing:
        return layouts.layout(opened.source, method)


def ways(opened: Opened) -> list[str]:
    """What the points of a run can be coloured by."""
    classes, predicted = bool(opened.source.names), opened.predictions is not None
    there = {CLASS: classes, CLUSTER: opened.labels is not None, RIGHT: classes and predicted, SPLIT: True}
    return [way for way, possible in there.items() if possible]


def colouring(opened: Opened, way: str, rows: "np.ndarray", names: dict[int, str]) -> Colouring:
    """The groups of the images `rows` (m,) by one of :func:`ways`; `names` are those of clusters."""
    import numpy as np

    source = opened.source
    if way == CLASS:
        return Colouring(source.truth[rows], dict(enumerate(source.names)))
    if way == CLUSTER and opened.labels is not None:
        codes = opened.labels[rows]
        return Colouring(codes, {int(code): cluster_title(int(code), names) for code in np.unique(codes)})
    if way == RIGHT and opened.predictions is not None:
        predicted = opened.predictions[rows]
        codes = np.where(predicted < 0, -2, predicted == source.truth[rows]).astype(int)
        return Colouring(codes, VERDICTS, VERDICT_COLOURS)
    return Colouring(source.split[rows], dict(enumerate(PARTS)))


def figure(points: layouts.Layout, groups: Colouring, chosen: "Sequence[int] | None" = None) -> dict[str, Any]:
    """A figure for plotly, as plain JSON and arrays; the number of its image goes with each point.

    Parameters
    ----------
    chosen : numbers of images that were chosen elsewhere; the others are faint
    """
    import numpy as np

    size = 4 if len(points.rows) > MANY else 7
    kept = None if chosen is None else np.isin(points.rows, np.asarray(chosen, int))
    codes, counts = np.unique(groups.codes, return_counts=True)
    order = sorted(range(len(codes)), key=lambda at: (codes[at] >= 0, -counts[at]))
    if len(codes) > LISTED:
        colours = np.array([groups.colour(int(code)) for code in groups.codes])
        traces = [_trace(points, np.arange(len(points.rows)), colours.tolist(), size, kept)]
    else:
        traces = []
        for at in order:
            code = int(codes[at])
            places = np.flatnonzero(groups.codes == code)
            name = f"{groups.names.get(code, str(code))} ({counts[at]:,})"
            named = {"name": _escaped(name), "legendrank": 1000 + code % 10_000}
            traces.append(_trace(points, places, groups.colour(code), size, kept) | named)
    return {"data": traces, "layout": _layout(len(traces) > 1)}


def _escaped(text: str) -> str:
    """Text without the markup that plotly would follow."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def chosen(state: Any) -> list[int]:
    """The numbers of the images that were chosen in a map, as streamlit gives them, each once."""
    listed = (state or {}).get("selection", {}).get("points", [])
    return list(dict.fromkeys(row for point in listed if (row := _row(point)) is not None))


def _row(point: Mapping[str, Any]) -> int | None:
    """The number of the image of a point; of one value plotly makes a value or a list."""
    value = point.get("customdata")
    value = value[0] if isinstance(value, list) and value else value
    return int(value) if isinstance(value, (int, float)) else None


def _trace(
    points: layouts.Layout, places: "np.ndarray", colour: "str | list[str]", size: int, kept: "np.ndarray | None"
) -> dict[str, Any]:
    """A layer of the points at `places` (m,); where some were chosen, `kept` (n,) says which."""
    import numpy as np

    trace: dict[str, Any] = {
        "type": "scattergl",
        "mode": "markers",
        "x": points.positions[places, 0],
        "y": points.positions[places, 1],
        "customdata": points.rows[places].astype(np.int32),
        "marker": {"size": size, "color": colour, "opacity": 0.85},
        "unselected": {"marker": {"opacity": 0.12}},
        # Nothing is written beside a point, but its thumbnail is told which it is.
        "hoverinfo": "none",
    }
    if kept is not None:
        trace["selectedpoints"] = np.flatnonzero(kept[places]).tolist()
    return trace


def _layout(legend: bool) -> dict[str, Any]:
    axis = {"showgrid": False, "zeroline": False, "showticklabels": False, "showline": False}
    return {
        "xaxis": axis,
        "yaxis": axis | {"scaleanchor": "x"},
        "dragmode": "lasso",
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "height": 520,
        "showlegend": legend,
        "legend": {"orientation": "h", "y": -0.02, "yanchor": "top", "font": {"size": 11}, "itemsizing": "constant"},
    }
