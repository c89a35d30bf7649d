"""The silhouette plot of a run's clustering."""

from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Silhouettes of the clusters"
CATEGORY = "Clustering"
SUBJECTS = ("clustering",)
ORDER = 20


def lacks(source: Source) -> str | None:
    """Why there are no silhouettes."""
    reason = _heads.missing(source, _heads.CLUSTERING)
    if reason or "silhouettes" in source.row.heads[_heads.CLUSTERING]["arrays"]:
        return reason
    reason = source.row.notes.get("silhouette") or source.row.notes.get("silhouette_sampled")
    if reason:
        return f"there is no silhouette: {reason}"
    if "silhouette_sampled" in source.row.metrics:
        return "the silhouette was estimated on a sample, so the widths of all images are not stored"
    return "the widths of the images are not stored"


def draw(source: Source) -> Picture:
    """The sorted widths of each cluster."""
    from backbench.plots import silhouette

    heading = source.heading(TITLE, _heads.of_rows(source))
    return silhouette.draw(heading, _heads.reported(source), source.stored("clustering", "silhouettes"))
