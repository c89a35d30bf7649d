"""The tree that a run's agglomerative clustering was cut from."""

from backbench.pictures import _heads, layouts
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Dendrogram"
CATEGORY = "Clustering"
SUBJECTS = ("clustering",)
ORDER = 45
# What the height of a merge is, by linkage.
HEIGHTS = {
    "ward": "height (root of twice the growth of the sum of squares)",
    "average": "height (mean {} distance between the two)",
    "complete": "height (greatest {} distance between the two)",
    "single": "height (least {} distance between the two)",
}


def lacks(source: Source) -> str | None:
    """Why there is no tree."""
    return layouts.refusal(source, layouts.TREE) or _heads.unclustered(source)


def draw(source: Source) -> Picture:
    """The last merges of the tree, and the cut into the run's clusters."""
    from backbench.plots import dendrogram

    tree = layouts.linkage(source)
    params = source.row.params
    linkage, metric = params["clusterer.linkage"], params["clusterer.metric"]
    about = ", ".join(part for part in (f"{linkage} linkage, {metric} distance", _heads.of_rows(source)) if part)
    caption = (
        "Each arch joins two groups of images at the height at which they are merged; long legs above the cut mean "
        "well separated clusters. Colours and numbers are those of the run's clusters."
    )
    words = HEIGHTS[linkage].format(metric)
    labels = _heads.reported(source)[tree.rows]
    return dendrogram.draw(source.heading(TITLE, about), tree.merges, labels, int(params["k"]), words, caption)
