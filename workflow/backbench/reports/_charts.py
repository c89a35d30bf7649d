"""Geometry of the charts of an audit page: numbers for the template, no drawing library."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

# Classes beyond this many are drawn as the largest and the smallest, with all of them as one outline.
ROWS = 40
ENDS = 15
OUTLINE_POINTS = 300
CHART = 300


def classes(table: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Bars of images per class and part; of very many classes the first and last, and the outline of all."""
    if not table or not table["counts"]:
        return None
    counts = table["counts"]
    largest = max(sum(row[1:]) for row in counts) or 1
    bars = [_bar(row, largest) for row in counts]
    if len(bars) <= ROWS:
        return {"top": bars, "hidden": 0, "bottom": [], "outline": None}
    outline = _outline([sum(row[1:]) for row in counts], largest)
    return {"top": bars[:ENDS], "hidden": len(bars) - 2 * ENDS, "bottom": bars[-ENDS:], "outline": outline}


def sizes(table: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Widths against heights on logarithmic axes: a square for each cell, darker where more images are."""
    if not table or table["distinct"] == 1:
        return None
    octave = table["per_octave"]
    low = math.floor(min(min(x, y) for x, y, _ in table["cells"]) / octave) * octave
    high = math.ceil((max(max(x, y) for x, y, _ in table["cells"]) + 1) / octave) * octave
    step = CHART / (high - low)
    most = max(count for _, _, count in table["cells"])
    cells = [
        {
            "x": round((x - low) * step, 1),
            "y": round(CHART - (y - low + 1) * step, 1),
            "opacity": round(0.25 + 0.75 * math.log1p(count) / math.log1p(most), 2),
            "title": f"about {_pixels(x, octave)} x {_pixels(y, octave)}: {count:,}",
        }
        for x, y, count in table["cells"]
    ]
    stride = 1 if (high - low) // octave <= 8 else 2
    ticks = [
        {"at": round((place - low) * step, 1), "text": f"{2 ** (place // octave):,}"}
        for place in range(low, high + 1, octave * stride)
    ]
    return {"cells": cells, "side": round(step, 1), "ticks": ticks, "extent": CHART}


def _bar(row: Sequence[Any], largest: int) -> dict[str, Any]:
    """One class: its share of the largest class, cut into the parts."""
    name, *counts = row
    starts = [sum(counts[:part]) for part in range(len(counts))]
    pieces = [
        {"part": part, "x": round(100 * start / largest, 2), "width": round(100 * count / largest, 2)}
        for part, (start, count) in enumerate(zip(starts, counts, strict=True))
        if count
    ]
    return {"name": name, "counts": counts, "total": sum(counts), "pieces": pieces}


def _outline(totals: Sequence[int], largest: int) -> str:
    """Points of the sorted class sizes as a falling area of 100 x 100."""
    stride = max(1, len(totals) // OUTLINE_POINTS)
    kept = [*totals[::stride], totals[-1]]
    points = [f"{100 * i / (len(kept) - 1):.2f},{100 - 100 * total / largest:.2f}" for i, total in enumerate(kept)]
    return " ".join(["0,100", *points, "100,100"])


def _pixels(cell: int, octave: int) -> int:
    return round(2 ** ((cell + 0.5) / octave))
