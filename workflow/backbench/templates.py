"""Jinja environments for sentences and pages: nothing is left undefined, and pages escape everything."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import wording
from backbench.metrics import catalogue

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import LoopContext
    from markupsafe import Markup


def environment(folders: Sequence[Path], escape: bool) -> "Environment":
    """An environment of its own over the templates of `folders`, with the words of `wording`; `escape` is for HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(list(folders)),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"breakable": _breakable, "thousands": "{:,}".format}
    made.globals |= {"counted": wording.counted, "listed": wording.listed, "duration": wording.duration}
    made.globals |= {"percent": wording.percent, "number": wording.number, "joint": _joint}
    made.globals |= {"metric": catalogue.metric}
    return made


@cache
def shared(folders: tuple[Path, ...], escape: bool) -> "Environment":
    """The one environment over the templates of `folders`, which nobody changes."""
    return environment(folders, escape)


def _joint(loop: "LoopContext") -> str:
    """What stands before an element of a list in words: nothing, a comma, or ``and`` before the last."""
    return "" if loop.first else " and " if loop.last else ", "


def _breakable(path: str) -> "Markup":
    """A path, escaped, that may be broken behind its separators."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[/_.=-])", path))
