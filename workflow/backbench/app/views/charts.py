"""Charts of the page, as figures of plotly."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CONFIG = {"displaylogo": False, "scrollZoom": True, "modeBarButtonsToRemove": ["toImage", "sendDataToCloud"]}
FEW = 25


def confusion(matrix: "np.ndarray", names: Sequence[str]) -> dict[str, Any]:
    """A confusion matrix (classes, classes) as shades, below points that can be clicked."""
    import numpy as np

    size = len(names)
    totals = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    true, predicted = (axis.ravel() for axis in np.mgrid[:size, :size])
    counts = matrix.ravel()
    shades = {
        "type": "heatmap",
        "z": matrix / totals,
        "colorscale": "Blues",
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "hoverinfo": "skip",
    }
    said = [
        f"{count:,} of {names[row]}<br>predicted {names[column]}"
        for row, column, count in zip(true.tolist(), predicted.tolist(), counts.tolist(), strict=True)
    ]
    shares = (matrix / totals).ravel()
    cells = {
        "type": "scatter",
        "mode": "markers+text" if size <= FEW else "markers",
        "x": predicted,
        "y": true,
        "text": [f"{count:,}" if count and size <= FEW else "" for count in counts.tolist()],
        "textfont": {"color": ["#ffffff" if share > 0.5 else "#1a2b45" for share in shares.tolist()]},
        "hovertext": [_escaped(text) for text in said],
        "hoverinfo": "text",
        "customdata": np.stack([true, predicted], axis=1),
        "marker": {"symbol": "square", "size": max(6, min(44, 460 // max(size, 1))), "color": "rgba(0,0,0,0)"},
        "selected": {"marker": {"color": "rgba(255,114,92,0.35)"}},
        "unselected": {"marker": {"opacity": 0}, "textfont": {"color": "#7a8699"}},
    }
    ticks = {"tickmode": "array", "tickvals": list(range(size)), "ticktext": [_escaped(_short(name)) for name in names]}
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True, **(ticks if size <= 60 else {})}
    layout = {
        "xaxis": {**axis, "title": "predicted class", "constrain": "domain"},
        "yaxis": {**axis, "title": "true class", "autorange": "reversed", "scaleanchor": "x", "constrain": "domain"},
        "height": min(760, 260 + 36 * min(size, 14)),
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "dragmode": False,
        "clickmode": "event+select",
    }
    return {"data": [shades, cells], "layout": layout}


def cell(state: Any) -> tuple[int, int] | None:
    """The true and the predicted class of the cell that was clicked."""
    points = (state or {}).get("selection", {}).get("points", [])
    for point in points:
        if "x" in point and "y" in point:
            return int(point["y"]), int(point["x"])
    return None


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def _escaped(text: str) -> str:
    """Text without the markup that plotly would follow, but for the breaks put in here."""
    return text.replace("&", "&amp;").replace("<br>", "\0").replace("<", "&lt;").replace("\0", "<br>")
