"""What the audit learns from the record of a dataset without opening an image: files, classes, sizes."""

import math
from collections import Counter
from typing import Any

import numpy as np

from backbench.datasets import PARTS, _files, _gate
from backbench.datasets._printable import printable
from backbench.images.depths import SIXTEEN
from backbench.stages._audit_rows import Rows

# An image this many times longer than it is wide (or the other way round) loses most of its content in a square.
ODD_RATIO = 3.0
TINY_SIDE = 32
PER_OCTAVE = 4
COMMON = 8
# This many bits of a sample may stay unused: a collection of dark images may not need the highest one.
SPARE_BITS = 1


def excluded(rows: Rows) -> dict[str, list[dict[str, str]]]:
    """The files that are not in the dataset: `unreadable`, `left_out` as duplicates by policy, `passed_over`."""
    files: dict[str, list[dict[str, str]]] = {"unreadable": [], "left_out": [], "passed_over": []}
    for path, reason in rows.info.get("excluded", {}).items():
        entry = {"path": printable(path), "reason": printable(reason)}
        files[_why(reason)].append(entry)
    return files


def _why(reason: str) -> str:
    if reason.startswith((_gate.EXACT, _gate.NEAR)):
        return "left_out"
    return "passed_over" if _files.passed_over(reason) else "unreadable"


def classes(rows: Rows) -> dict[str, Any] | None:
    """Images of each class in each split, the largest class first; None without labels."""
    if rows.labels is None or rows.names is None:
        return None
    names = rows.names
    counts = np.zeros((len(names), len(PARTS)), np.int64)
    np.add.at(counts, (rows.labels, rows.split), 1)
    totals = counts.sum(axis=1)
    order = np.argsort(-totals, kind="stable")
    used = [part for part in range(len(PARTS)) if counts[:, part].any()]
    return {
        "counts": [[names[i], *counts[i].tolist()] for i in order],
        "ratio": float(totals.max() / totals.min()) if len(totals) and totals.min() else None,
        "missing": {PARTS[part]: [names[i] for i in order if not counts[i, part]] for part in used},
    }


def sizes(rows: Rows) -> dict[str, Any] | None:
    """Widths and heights: extremes, the most frequent, and a histogram over both in quarters of an octave."""
    boxes = rows.sizes()
    if boxes is None or not len(boxes):
        return None
    cells = np.floor(np.log2(np.maximum(boxes, 1)) * PER_OCTAVE).astype(int)
    common = Counter(map(tuple, boxes.tolist()))
    return {
        "min": boxes.min(axis=0).tolist(),
        "median": np.median(boxes, axis=0).astype(int).tolist(),
        "max": boxes.max(axis=0).tolist(),
        "distinct": len(common),
        "common": [[*size, count] for size, count in common.most_common(COMMON)],
        "per_octave": PER_OCTAVE,
        "cells": sorted([*cell, count] for cell, count in Counter(map(tuple, cells.tolist())).items()),
    }


def odd(rows: Rows) -> list[dict[str, Any]] | None:
    """Images much longer in one direction than in the other, the most extreme first."""
    boxes = rows.sizes()
    if boxes is None:
        return None
    ratio = boxes.max(axis=1) / np.maximum(boxes.min(axis=1), 1)
    order = [row for row in np.argsort(-ratio, kind="stable").tolist() if ratio[row] >= ODD_RATIO]
    return [{**rows.image(row), "size": boxes[row].tolist()} for row in order]


def tiny(rows: Rows) -> list[dict[str, Any]] | None:
    """Images with a side so short that a network sees little but the enlargement, the smallest first.

    If most images are tiny, that is a property of the collection and no image is reported.
    """
    boxes = rows.sizes()
    if boxes is None:
        return None
    side = boxes.min(axis=1)
    if len(side) and np.median(side) < TINY_SIDE:
        return []
    order = [row for row in np.argsort(side, kind="stable").tolist() if side[row] < TINY_SIDE]
    return [{**rows.image(row), "size": boxes[row].tolist()} for row in order]


def shallow(rows: Rows) -> list[dict[str, Any]] | None:
    """16-bit images whose values use only the lower bits, and how many: for instance 12 bits of a sensor, almost black.

    What counts is the largest value of all grey images, and that of all colour images, since a single one may be dark.
    """
    if not rows.has_images:
        return None
    images: list[dict[str, Any]] = []
    for kind, depth in rows.info.get("depth", {}).items():
        bits = int(depth["peak"]).bit_length()
        if bits < (rows.info.get("bits") or SIXTEEN) - SPARE_BITS:
            images += [{**rows.image(row), "bits": bits, "colour": kind == "colour"} for row in depth["rows"]]
    return images


def examples(rows: Rows, count: int) -> list[int]:
    """Rows that show what the collection looks like: one of each of `count` classes, or evenly spread."""
    if rows.labels is None or not rows.n:
        return sorted({math.floor(place) for place in np.linspace(0, max(rows.n - 1, 0), min(count, rows.n))})
    present, firsts = np.unique(rows.labels, return_index=True)
    if len(present) >= count:
        return firsts[np.linspace(0, len(present) - 1, count).astype(int)].tolist()
    spread = np.argsort(rows.labels, kind="stable")[np.linspace(0, rows.n - 1, min(count, rows.n)).astype(int)]
    return sorted(set(spread.tolist()))
