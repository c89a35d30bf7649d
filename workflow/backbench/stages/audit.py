"""Stage ``audit``: what is wrong with the images of a dataset, before anything is computed from them.

Unreadable files, exact and near duplicates, the same image in two splits, the same image in two classes, blank, odd and
tiny images, small classes, sizes and colour modes. The report is plain JSON (the record's ``info``) with thumbnails of
the images concerned beside it; ``reports.audit`` makes the page. Nothing is left out or changed here: the policies of
the dataset (``dataset.duplicates``, ...) do that, and are reported beside each fault.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from backbench.images import phash
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _audit_duplicates, _audit_images, _audit_tables
from backbench.stages._audit_duplicates import Duplicates
from backbench.stages._audit_rows import Rows

THUMBNAILS = 96
# Images that are shown even if nothing is wrong with them.
EXAMPLES = 12
# Of a group of a hundred copies, a few are enough to see.
SHOWN_OF_GROUP = 4
NO_IMAGES = "the data set is embeddings, without images"
NO_SIZES = "the sizes of the images are not recorded"
NO_HASHES = "the data set has no perceptual hashes"
NO_LABELS = "the images have no labels"
NO_FILES = "the images come as one array, not as files"

Report = dict[str, Any]


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Audit the dataset for each member.

    Files that are missing, or have changed since the dataset stage read them, fail the audit alone: the stages that
    need the files report that themselves.
    """
    for member in members:
        start = time.perf_counter()
        try:
            report, thumbnails = _audit(member.config, inputs, context)
        except (OSError, ValueError) as error:
            yield Outcome(member.hash, failure=str(error), seconds=time.perf_counter() - start)
            continue
        metrics = {name: float(value) for name, value in report["counts"].items() if value is not None}
        seconds = time.perf_counter() - start
        yield Outcome(member.hash, metrics, info=report, arrays={"thumbnails": thumbnails}, seconds=seconds)


def _audit(config: Mapping[str, Any], inputs: Inputs, context: Context) -> tuple[Report, np.ndarray]:
    """The report, and the thumbnails (m, 96, 96, 3) uint8 that it refers to."""
    rows = Rows(inputs, config)
    pictures = _audit_images.Pictures(inputs, context, config.get("root")) if rows.has_images else None
    faults = _faults(rows, pictures, config["near_distance"])
    tables = {"classes": _audit_tables.classes(rows), "sizes": _audit_tables.sizes(rows)}
    examples = rows.images(_audit_tables.examples(rows, EXAMPLES)) if pictures else []
    shown = _shown(examples, faults, config.get("thumbnails", THUMBNAILS)) if pictures else []
    stack, boxes = _audit_images.thumbnails(pictures, shown)
    report = {
        **rows.about(),
        "near_distance": config["near_distance"],
        "counts": _counts(rows, faults, tables["classes"]),
        "absent": _absent(rows, faults),
        **faults,
        **tables,
        "modes": rows.info.get("modes"),
        "examples": examples,
        "thumbnails": {str(row): [place, *box] for place, (row, box) in enumerate(zip(shown, boxes, strict=True))},
    }
    return report, stack


def _faults(rows: Rows, pictures: _audit_images.Pictures | None, distance: int) -> Report:
    """The images or files with each fault; None where that could not be determined."""
    duplicates, flat = Duplicates(), None
    if pictures:
        contents, phashes = rows.array("contents"), rows.array("phashes")
        if rows.files is None:
            contents, phashes = _audit_images.hashes(pictures, rows.n)
        duplicates = _audit_duplicates.find(contents, phashes, rows, pictures, distance)
        flat = None if phashes is None else rows.images(_blank(rows, pictures, phashes))
    return {
        **_audit_tables.excluded(rows),
        **_audit_duplicates.described(duplicates, rows),
        "flat": flat,
        "odd": _audit_tables.odd(rows),
        "tiny": _audit_tables.tiny(rows),
        "shallow": _audit_tables.shallow(rows),
    }


def _blank(rows: Rows, pictures: _audit_images.Pictures, phashes: np.ndarray) -> np.ndarray:
    """The rows (m,) whose images show nothing.

    For files the reading recorded it; otherwise the images whose perceptual hash (`phashes`, (n,) uint64) has no
    structure are opened.
    """
    spreads = rows.array("spreads")
    if spreads is not None:
        return np.flatnonzero(spreads < _audit_images.BLANK)
    return _audit_images.blank(pictures, np.flatnonzero(phashes == phash.NO_STRUCTURE))


def _counts(rows: Rows, faults: Report, classes: Report | None) -> dict[str, float | None]:
    """The numbers of the report. All but one of a group of copies count as duplicates."""
    lists = (
        "unreadable",
        "left_out",
        "passed_over",
        "across_parts",
        "near_across_parts",
        "flat",
        "odd",
        "tiny",
        "shallow",
    )
    groups = ("duplicates", "near_duplicates")
    beyond = {name: _sum(faults[name], lambda group: len(group["images"]) - 1) for name in groups}
    conflicts = {f"{name}_in_two_classes": _sum(faults[name], lambda group: group["classes"] > 1) for name in groups}
    return {
        "images": rows.n,
        **{name: None if faults[name] is None else len(faults[name]) for name in lists},
        **beyond,
        **(conflicts if rows.labels is not None else dict.fromkeys(conflicts)),
        "look_alikes": faults["look_alikes"] and faults["look_alikes"]["pairs"],
        "classes": len(classes["counts"]) if classes else None,
        "imbalance": classes and classes["ratio"],
    }


def _sum(groups: Sequence[Report] | None, count: Callable[[Report], int]) -> int | None:
    return None if groups is None else sum(map(count, groups))


def _absent(rows: Rows, faults: Report) -> dict[str, str]:
    """Why something could not be checked."""
    reason = {"odd": NO_SIZES, "tiny": NO_SIZES}
    absent = {
        name: reason.get(name, NO_HASHES) if rows.has_images else NO_IMAGES
        for name, offenders in faults.items()
        if offenders is None
    }
    absent |= {} if rows.labels is not None else {"classes": NO_LABELS}
    return absent | ({} if rows.files is not None else {"unreadable": NO_FILES if rows.has_images else NO_IMAGES})


def _shown(examples: Sequence[Report], faults: Report, limit: int) -> list[int]:
    """The rows that get a thumbnail: the examples, then the faults in turn, the worst of each first."""
    pairs = [*(faults["across_parts"] or []), *(faults["near_across_parts"] or [])]
    wanted = [
        [[pair["image"], pair["twin"]] for pair in pairs],
        *(
            [group["images"][:SHOWN_OF_GROUP] for group in faults[name] or []]
            for name in ("duplicates", "near_duplicates")
        ),
        *([[image] for image in faults[name] or []] for name in ("flat", "odd", "tiny", "shallow")),
        [[pair["image"], pair["twin"]] for pair in (faults["look_alikes"] or {}).get("shown", [])],
    ]
    shown = dict.fromkeys(image["row"] for image in examples)
    for turn in zip_longest(*wanted, fillvalue=()):
        for images in turn:
            fresh = {image["row"] for image in images} - shown.keys()
            if len(shown) + len(fresh) <= limit:
                shown |= dict.fromkeys(image["row"] for image in images)
    return list(shown)
