"""The templates of the pages: one environment, everything escaped, nothing left undefined."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).parent


def render(template: str, values: Mapping[str, Any]) -> str:
    """The page that a template of this folder makes of `values`."""
    return _environment().get_template(template).render(values)


def source(name: str) -> str:
    """A file of this folder as it stands."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["thousands"] = "{:,}".format
    return environment


def _breakable(path: str) -> "Markup":
    """A path, escaped, that may be broken behind its separators."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[/_.=-])", path))
