"""What the audit reads off the record of a dataset without opening an image: files, classes, sizes."""

import math
from collections import Counter
from typing import Any

import numpy as np

from backbench.datasets import PARTS, _files, _gate
from backbench.datasets._printable import printable
from backbench.images.depths import SIXTEEN
from backbench.stages._audit_rows import Rows

# An image this many times longer than it is wide (or the other way round) loses most of itself in a square.
ODD_RATIO = 3.0
TINY_SIDE = 32
PER_OCTAVE = 4
COMMON = 8
# So many bits of a sample may stay empty: a collection of dark pictures may do without the highest one.
SPARE_BITS = 1


def excluded(rows: Rows) -> dict[str, list[dict[str, str]]]:
    """The files that are no part of the dataset: `unreadable`, `left_out` as twins by policy, `passed_over`."""
    found: dict[str, list] = {"unreadable": [], "left_out": [], "passed_over": []}
    for path, reason in rows.info.get("excluded", {}).items():
        entry = {"path": printable(path), "reason": printable(reason)}
        found[_why(reason)].append(entry)
    return found


def _why(reason: str) -> str:
    if reason.startswith((_gate.EXACT, _gate.NEAR)):
        return "left_out"
    return "passed_over" if _files.passed_over(reason) else "unreadable"


def classes(rows: Rows) -> dict[str, Any] | None:
    """Images of each class in each part, the largest class first; None without labels."""
    if rows.labels is None:
        return None
    counts = np.zeros((len(rows.names), len(PARTS)), int)
    np.add.at(counts, (rows.labels, rows.split), 1)
    totals = counts.sum(axis=1)
    order = np.argsort(-totals, kind="stable")
    used = [part for part in range(len(PARTS)) if counts[:, part].any()]
    return {
        "counts": [[rows.names[i], *counts[i].tolist()] for i in order],
        "ratio": float(totals.max() / totals.min()) if len(totals) and totals.min() else None,
        "missing": {PARTS[part]: [rows.names[i] for i in order if not counts[i, part]] for part in used},
    }


def sizes(rows: Rows) -> dict[str, Any] | None:
    """Widths and heights: extremes, the most frequent, and a histogram over both in quarters of an octave."""
    found = rows.sizes()
    if found is None or not len(found):
        return None
    cells = np.floor(np.log2(np.maximum(found, 1)) * PER_OCTAVE).astype(int)
    common = Counter(map(tuple, found.tolist()))
    return {
        "min": found.min(axis=0).tolist(),
        "median": np.median(found, axis=0).astype(int).tolist(),
        "max": found.max(axis=0).tolist(),
        "distinct": len(common),
        "common": [[*size, count] for size, count in common.most_common(COMMON)],
        "per_octave": PER_OCTAVE,
        "cells": sorted([*cell, count] for cell, count in Counter(map(tuple, cells.tolist())).items()),
    }


def odd(rows: Rows) -> list[dict[str, Any]] | None:
    """Images much longer than wide or wider than long, the oddest first."""
    found = rows.sizes()
    if found is None:
        return None
    ratio = found.max(axis=1) / np.maximum(found.min(axis=1), 1)
    order = [row for row in np.argsort(-ratio, kind="stable").tolist() if ratio[row] >= ODD_RATIO]
    return [{**rows.one(row), "size": found[row].tolist()} for row in order]


def tiny(rows: Rows) -> list[dict[str, Any]] | None:
    """Images with a side so short that a network sees little but its own enlargement, the smallest first.

    Where all images are tiny, that is the collection and no fault of single ones.
    """
    found = rows.sizes()
    if found is None:
        return None
    side = found.min(axis=1)
    if len(side) and np.median(side) < TINY_SIDE:
        return []
    order = [row for row in np.argsort(side, kind="stable").tolist() if side[row] < TINY_SIDE]
    return [{**rows.one(row), "size": found[row].tolist()} for row in order]


def shallow(rows: Rows) -> list[dict[str, Any]] | None:
    """16-bit images whose values fill only the lower bits, and how many: a sensor's 12 bits, say, nearly black.

    The largest value of all grey images counts, and that of all colour images, since one image may be dark.
    """
    if not rows.has_images:
        return None
    found = []
    for kind, depth in rows.info.get("depth", {}).items():
        bits = int(depth["peak"]).bit_length()
        if bits < (rows.info.get("bits") or SIXTEEN) - SPARE_BITS:
            found += [{**rows.one(row), "bits": bits, "colour": kind == "colour"} for row in depth["rows"]]
    return found


def examples(rows: Rows, count: int) -> list[int]:
    """Rows that show what the collection is: one of each of `count` classes, or evenly spread."""
    if rows.labels is None or not rows.n:
        return sorted({math.floor(place) for place in np.linspace(0, max(rows.n - 1, 0), min(count, rows.n))})
    present, firsts = np.unique(rows.labels, return_index=True)
    if len(present) >= count:
        return firsts[np.linspace(0, len(present) - 1, count).astype(int)].tolist()
    spread = np.argsort(rows.labels, kind="stable")[np.linspace(0, rows.n - 1, min(count, rows.n)).astype(int)]
    return sorted(set(spread.tolist()))
