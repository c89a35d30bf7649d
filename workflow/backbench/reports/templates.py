"""The templates of the pages and of their sentences: nothing is left undefined, and pages escape everything."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import templates

FOLDER = Path(__file__).parent
SCRIPT = "_sweep.js"


def render(template: str, values: Mapping[str, Any], folder: Path = FOLDER) -> str:
    """The page that a template in `folder` makes of `values`; it may extend and import those of this folder."""
    return templates.shared((folder, FOLDER), True).get_template(template).render(values)


def words(template: str, folder: Path = FOLDER) -> Any:
    """What a template exports, its macros and tables, as plain text."""
    return templates.shared((folder, FOLDER), False).get_template(template).module


def script() -> dict[str, str]:
    """The script of a page, and the digest by which the page's policy allows this one and no other."""
    text = (FOLDER / SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return {"script": text, "integrity": f"sha256-{digest}"}
