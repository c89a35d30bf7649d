"""One line on stderr where a command has said nothing for a second: libraries take time to load."""

import contextlib
import sys
import threading
from collections.abc import Iterator

# Seconds of silence.
PATIENCE = 1.0
_WAITING: list[threading.Timer] = []


@contextlib.contextmanager
def after_silence(line: str) -> Iterator[None]:
    """Print a line unless what is done ends, or says something, within `PATIENCE` seconds."""
    timer = threading.Timer(PATIENCE, _print, (line,))
    timer.daemon = True
    _WAITING.append(timer)
    timer.start()
    try:
        yield
    finally:
        over()


def over() -> None:
    """Something has been said, or is asked: the line is not needed any more."""
    while _WAITING:
        _WAITING.pop().cancel()


def _print(line: str) -> None:
    """A terminal that is closed stops nothing."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
