"""The templates of the pages and of their sentences: nothing is left undefined, and pages escape everything."""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import wording
from backbench.metrics import catalogue

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import LoopContext
    from markupsafe import Markup

FOLDER = Path(__file__).parent
SCRIPT = "_sweep.js"


def render(template: str, values: Mapping[str, Any], folder: Path = FOLDER) -> str:
    """The page that a template in `folder` makes of `values`; it may extend and import those of this folder."""
    return _environment(folder, True).get_template(template).render(values)


def words(template: str, folder: Path = FOLDER) -> Any:
    """What a template exports, its macros and tables, as plain text."""
    return _environment(folder, False).get_template(template).module


def script() -> dict[str, str]:
    """The script of a page, and the digest by which the page's policy allows this one and no other."""
    text = (FOLDER / SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return {"script": text, "integrity": f"sha256-{digest}"}


@cache
def _environment(folder: Path, escape: bool) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, FOLDER]),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"breakable": _breakable, "thousands": "{:,}".format}
    environment.globals |= {"counted": wording.counted, "listed": wording.listed, "duration": wording.duration}
    environment.globals |= {"percent": wording.percent, "number": wording.number, "joint": _joint}
    environment.globals |= {"metric": catalogue.metric}
    return environment


def _joint(loop: "LoopContext") -> str:
    """What stands before an element of a list in words: nothing, a comma, or ``and`` before the last."""
    return "" if loop.first else " and " if loop.last else ", "


def _breakable(path: str) -> "Markup":
    """A path, escaped, that may be broken behind its separators."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[/_.=-])", path))
