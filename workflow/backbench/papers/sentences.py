"""The sentences of a table: each macro of ``sentences.jinja`` as a function that returns text."""

from collections.abc import Callable
from pathlib import Path

from backbench.reports import templates


def __getattr__(name: str) -> Callable[..., str]:
    if name.startswith("_"):
        raise AttributeError(name)
    macro: Callable[..., str] = getattr(templates.words("sentences.jinja", Path(__file__).parent), name)
    return macro
