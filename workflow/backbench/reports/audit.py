"""The page of an audit and ``audit.json`` beside it, from the stored record alone."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing, paths
from backbench.datasets import PARTS
from backbench.files import write_if_changed
from backbench.reports import _audit_checks, _charts, templates
from backbench.store import Store, StoreError

if TYPE_CHECKING:
    import numpy as np

TEMPLATE = "audit.html"
PAGE, DATA = "index.html", "audit.json"
WITHOUT_IMAGES = _audit_checks.WITHOUT_IMAGES
QUALITY = 82
# Cards of one section, then lines of its table; audit.json has everything.
CARDS, LINES = 36, 100
OF_GROUP = 4


def write(store: Store, member: str) -> Path:
    """Write the page and the JSON of an audit, each only if it has changed; returns the path of the page.

    Raises
    ------
    StoreError
        If the store does not hold the audit.
    """
    record = store.read("audit", member)
    if record is None or record.get("status") == "failed":
        reason = (record or {}).get("reason") or "it was not computed"
        raise StoreError(f"no audit {hashing.short(member)} in {store.root}: {reason}")
    folder = place(record["info"], member)
    write_if_changed(folder / DATA, json.dumps(summary(record["info"]), indent=1, sort_keys=True) + "\n")
    write_if_changed(folder / PAGE, render(record["info"], store.array("audit", member, "thumbnails")))
    return folder / PAGE


def place(report: Mapping[str, Any], member: str) -> Path:
    """The folder of the page of an audit."""
    return paths.results() / "audits" / f"{report['name']}-{hashing.short(member)}"


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """The whole report with its verdict and checks: what ``audit.json`` says."""
    checked = _audit_checks.checks(report)
    others = {key: value for key, value in report.items() if key != "thumbnails"}
    return {"verdict": _audit_checks.verdict(report, checked), "checks": _audit_checks.plain(checked), **others}


def verdict(report: Mapping[str, Any]) -> str:
    """The verdict in one sentence."""
    return _audit_checks.verdict(report, _audit_checks.checks(report))["text"]


def render(report: Mapping[str, Any], thumbnails: "np.ndarray") -> str:
    """The page, one HTML text that needs nothing else; `thumbnails` (n, side, side, 3) are uint8."""
    checked = _audit_checks.checks(report)
    values = {
        "report": report,
        "parts": PARTS,
        "title": _audit_checks.title(report),
        "verdict": _audit_checks.verdict(report, checked),
        "checks": checked,
        "sections": _sections(report, checked),
        "pictures": _pictures(report, thumbnails),
        "classes": _charts.classes(report["classes"]),
        "sizes": _charts.sizes(report["sizes"]),
    }
    return templates.render(TEMPLATE, values)


def worst(key: str, report: Mapping[str, Any]) -> list[str]:
    """The offenders of a kind, one line of text each, the worst first."""
    if key in ("unreadable", "passed_over"):
        return [f"{file['path']}: {file['reason']}" for file in report[key]]
    return [_line(card) for card in _groups(key, report)]


def _line(card: Mapping[str, Any]) -> str:
    images = [f"{image['path']} ({image['part']})" for image in card["shown"]]
    more = f" and {card['more']:,} more" if card["more"] else ""
    size = f", {card['size'][0]} x {card['size'][1]}" if card["size"] else ""
    return f"{(' = ' if card['equal'] else ' ~ ').join(images)}{more}{size}"


def _sections(report: Mapping[str, Any], checked: Sequence[_audit_checks.Check]) -> list[dict[str, Any]]:
    """A section for each fault that there is: cards of images side by side, then a table, then how many more."""
    return [
        {"check": check, **_content(check.key, report)}
        for check in checked
        if check.state in (_audit_checks.FAULT, _audit_checks.LOOK) and check.key not in _audit_checks.WITHOUT_IMAGES
    ]


def _content(key: str, report: Mapping[str, Any]) -> dict[str, Any]:
    if key in ("unreadable", "passed_over"):
        return {"files": report[key][:LINES], "hidden": max(0, len(report[key]) - LINES), "cards": [], "lines": []}
    groups = _groups(key, report)
    ready = [group for group in groups if all(str(image["row"]) in report["thumbnails"] for image in group["shown"])]
    cards = ready[:CARDS]
    drawn = set(map(id, cards))
    lines = [group for group in groups if id(group) not in drawn]
    return {"files": [], "cards": cards, "lines": lines[:LINES], "hidden": max(0, len(lines) - LINES)}


def _groups(key: str, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The offenders of a kind as groups of images: pairs where two parts are meant, else a group or a single image."""
    if key in ("across_parts", "near_across_parts"):
        return [_card([pair["image"], pair["twin"]], pair, key == "across_parts") for pair in report[key]]
    if key == "two_classes":
        both = [(group, name) for name in ("duplicates", "near_duplicates") for group in report[name] or []]
        split = [(group, name) for group, name in both if group["classes"] > 1]
        return [_card(_one_of_each_class(group["images"]), group, name == "duplicates") for group, name in split]
    if key in ("duplicates", "near_duplicates"):
        return [_card(group["images"], group, key == "duplicates") for group in report[key]]
    return [_card([image], image) for image in report[key]]


def _card(images: Sequence[Mapping[str, Any]], about: Mapping[str, Any], equal: bool = False) -> dict[str, Any]:
    return {
        "equal": equal,
        "shown": images[:OF_GROUP],
        "more": max(0, len(images) - OF_GROUP),
        "distance": None if equal else about.get("distance"),
        "likeness": about.get("likeness"),
        "size": about.get("size"),
    }


def _one_of_each_class(images: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The images of a group, one of each class first."""
    firsts = {image["class"]: image for image in reversed(images)}.values()
    return [*reversed(firsts), *(image for image in images if not any(image is first for first in firsts))]


def _pictures(report: Mapping[str, Any], thumbnails: "np.ndarray") -> dict[int, dict[str, Any]]:
    """The `thumbnails` (n, side, side, 3) by row of the image, without their letterbox, as data URIs."""
    pictures = {}
    for row, (number, width, height) in report["thumbnails"].items():
        side = thumbnails.shape[1]
        left, top = (side - width) // 2, (side - height) // 2
        pixels = thumbnails[number, top : top + height, left : left + width]
        pictures[int(row)] = {"uri": _data_uri(pixels), "width": width, "height": height}
    return pictures


def _data_uri(pixels: "np.ndarray") -> str:
    """Pixels (height, width, 3) uint8 as a JPEG."""
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(target.getvalue()).decode("ascii")
