"""Which files a piece of code opens, by what the interpreter itself reports."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# A hook stays for the life of a process, so that there is one, and it writes to whoever listens.
_LISTENING: list[tuple[str, list[str]]] = []


def _heard(event: str, arguments: tuple) -> None:
    if event == "open" and _LISTENING and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.fsdecode(arguments[0])
        for root, names in _LISTENING:
            if path.startswith(root):
                names.append(path.removeprefix(root))


sys.addaudithook(_heard)


@contextlib.contextmanager
def opened(root: Path) -> Iterator[list[str]]:
    """The paths below `root` of the files that any thread opens, once for each time."""
    listener = (f"{root}{os.sep}", [])
    _LISTENING.append(listener)
    try:
        yield listener[1]
    finally:
        _LISTENING.remove(listener)
