"""The page of doubtful labels, with ``labels.csv`` and ``labels.json`` beside it."""

import base64
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing, paths
from backbench.answers import naming
from backbench.datasets import PARTS
from backbench.files import write_if_changed
from backbench.metrics.catalogue import CLASSIFICATION
from backbench.metrics.confident import Doubt
from backbench.pictures import _images
from backbench.pictures.source import Source
from backbench.reports import templates
from backbench.wording import counted, percent

if TYPE_CHECKING:
    import numpy as np

TEMPLATE = "labels.html"
PAGE, TABLE, DATA = "index.html", "labels.csv", "labels.json"
# Images with thumbnails on the page, then lines of its table; labels.csv has all images.
CARDS, LINES = 60, 240
COLUMNS = ("rank", "image", "split", "label", "suggested", "label_probability", "suggested_probability", "doubtful")


@dataclass(frozen=True)
class Doubts:
    """The doubts about the labels of a run's collection, by probabilities (n, classes) of `folds` folds."""

    source: Source
    probabilities: "np.ndarray"
    doubt: Doubt
    folds: int

    @property
    def count(self) -> int:
        """How many labels are doubtful."""
        return int(self.doubt.doubtful.sum())

    @property
    def headline(self) -> str:
        """What came out, in a sentence."""
        n = len(self.doubt.confidence)
        if not self.count:
            return f"No label of {counted(n, 'image')} is doubtful."
        return f"{self.count:,} of {n:,} labels {'is' if self.count == 1 else 'are'} doubtful."

    @property
    def agreement(self) -> float:
        """Share of the images whose label is the most probable class."""
        return float((self.probabilities.argmax(axis=1) == self.source.truth).mean())

    @property
    def made_by(self) -> str:
        """What the probabilities are from, in a sentence."""
        parts = f"{self.folds - 1} of {self.folds} parts of the images"
        name = naming.named(self.source.row, CLASSIFICATION).whole
        fitted = f"By {name}, fitted {self.folds} times on {parts}"
        return (
            f"{fitted}; each image is judged by the fit that has not seen it. That agrees with "
            f"{percent(self.agreement)} of the labels, so that some of the doubts are its own errors."
        )

    @property
    def doubtful(self) -> "np.ndarray":
        """Numbers (m,) of the images with doubtful labels, the least self-confidence first."""
        return self.doubt.order[self.doubt.doubtful[self.doubt.order]]

    def records(self, rows: "np.ndarray") -> list[dict[str, Any]]:
        """A record of each image of the numbers `rows` (m,), by the names in `COLUMNS`."""
        import numpy as np

        ranks = np.argsort(self.doubt.order) + 1
        source, doubt = self.source, self.doubt
        names, split = source.names, source.split
        return [
            {
                "rank": int(ranks[row]),
                "image": _name(source, row),
                "split": PARTS[int(split[row])],
                "label": names[source.truth[row]],
                "suggested": names[doubt.suggested[row]],
                "label_probability": round(float(doubt.confidence[row]), 4),
                "suggested_probability": round(float(self.probabilities[row, doubt.suggested[row]]), 4),
                "doubtful": bool(doubt.doubtful[row]),
            }
            for row in rows.tolist()
        ]

    def summary(self) -> dict[str, Any]:
        """Everything but the images themselves, as plain JSON."""
        row = self.source.row
        return {
            "run": row.config_hash,
            "name": row.name,
            "collection": row.collection,
            "images": len(self.doubt.confidence),
            "folds": self.folds,
            "doubtful": self.count,
            "agreement": round(self.agreement, 4),
            "verdict": self.headline,
            "pairs": self.pairs(),
        }

    def pairs(self, most: int = 12) -> list[dict[str, Any]]:
        """Which class is doubted in favour of which, and how often, the most frequent first."""
        import numpy as np

        names, doubt = self.source.names, self.doubt
        both = np.stack([self.source.truth[doubt.doubtful], doubt.suggested[doubt.doubtful]], axis=1)
        pairs, counts = np.unique(both, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:most].tolist()
        frequent = [(*pairs[at].tolist(), int(counts[at])) for at in order]
        return [{"label": names[a], "suggested": names[b], "images": count} for a, b, count in frequent]


def write(doubts: Doubts) -> Path:
    """Write the page, the table and the summary, each only if it has changed; returns the path of the page."""
    row = doubts.source.row
    folder = paths.results() / "audits" / f"labels-{hashing.short(row.config_hash)}"
    target = io.StringIO()
    writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(doubts.records(doubts.doubt.order))
    write_if_changed(folder / TABLE, target.getvalue())
    write_if_changed(folder / DATA, json.dumps(doubts.summary(), indent=1, sort_keys=True) + "\n")
    write_if_changed(folder / PAGE, render(doubts))
    return folder / PAGE


def render(doubts: Doubts) -> str:
    """The page, one HTML text that needs nothing else."""
    records = doubts.records(doubts.doubtful[: CARDS + LINES])
    cards = records[:CARDS] if _images.missing(doubts.source) is None else []
    rows = doubts.doubtful[: len(cards)].tolist()
    pictures = [_picture(thumbnail) for thumbnail in doubts.source.thumbnails.thumbnails(rows)] if rows else []
    values = {
        "title": doubts.source.row.collection,
        "headline": doubts.headline,
        "made_by": doubts.made_by,
        "run": hashing.short(doubts.source.row.config_hash),
        "cards": list(zip(cards, pictures, strict=True)),
        "lines": records[len(cards) :],
        "hidden": doubts.count - len(records),
        "pairs": doubts.pairs(),
        "table": TABLE,
    }
    return templates.render(TEMPLATE, values)


def _picture(thumbnail: Any) -> dict[str, Any] | None:
    """A thumbnail as a data URI with its size; None where the file cannot be read any more."""
    if thumbnail is None:
        return None
    content = base64.b64encode(thumbnail.content).decode("ascii")
    return {
        "uri": f"data:image/{thumbnail.format};base64,{content}",
        "width": thumbnail.width,
        "height": thumbnail.height,
    }


def _name(source: Source, row: int) -> str:
    """The path of an image in its collection, or its place there where that is no files."""
    files = source.info("dataset").get("files")
    if files:
        return str(files[row])
    places = source.array("dataset", "rows")
    return str(row if places is None else int(places[row]))
