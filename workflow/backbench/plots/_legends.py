"""A legend below all panels of a figure, above its stamp."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backbench.plots._style import FOOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches that an entry takes without its letters, each letter, and a line.
ENTRY, LETTER, LINE = 0.6, 0.064, 0.175


def below(figure: "Figure", handles: Sequence[Any], title: str | None = None) -> None:
    """Draw the legend of `handles` in as many columns as there is room for; the panels make way."""
    from backbench.plots._margins import Margins

    widest = max(len(handle.get_label()) for handle in handles)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / (ENTRY + LETTER * widest))))
    lines = math.ceil(len(handles) / columns) + (title is not None)
    engine = figure.get_layout_engine()
    assert isinstance(engine, Margins)  # `_style.figure` has set it
    engine.below += LINE * lines + 0.12
    whole = figure.get_figheight()
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, FOOT / whole), "borderaxespad": 0.1}
    figure.legend(handles=handles, ncols=columns, title=title, title_fontsize=8, **place).set_in_layout(False)
