"""How far a command is with many files, on stderr: how many are done, how fast, and how long the rest will take."""

import sys
import time
from collections import deque

from backbench.wording import duration

# Seconds before the first line, between lines on a terminal and elsewhere, and those by which the speed is measured.
PATIENCE, OFTEN, SELDOM, WINDOW = 3.0, 0.5, 30.0, 30.0


class Progress:
    """The progress through `total` images; a terminal keeps one line, a file gets a line now and then."""

    def __init__(self, total: int, quiet: bool = False):
        self._total, self._done, self._quiet = total, 0, quiet
        self._terminal = sys.stderr.isatty()
        self.began = self._shown = time.monotonic()
        self._past: deque[tuple[float, int]] = deque([(self.began, 0)])
        self._width = 0

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._past[-1][0] >= OFTEN:
            self._past.append((now, self._done))
            while len(self._past) > 2 and now - self._past[1][0] > WINDOW:
                self._past.popleft()
        wait = OFTEN if self._terminal else SELDOM
        if not self._quiet and now - self.began >= PATIENCE and now - self._shown >= wait and self._done < self._total:
            self._shown = now
            self._say(self._text(now))

    def close(self) -> None:
        """Clear the line on a terminal."""
        if self._width:
            print(f"\r{' ' * self._width}\r", end="", file=sys.stderr, flush=True)
            self._width = 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def _text(self, now: float) -> str:
        then, before = self._past[0]
        speed = (self._done - before) / max(now - then, 1e-9)
        rest = f", about {duration((self._total - self._done) / speed)} left" if speed > 0 else ""
        return f"{self._done:,} of {self._total:,} images, {speed:.1f} a second{rest}"

    def _say(self, text: str) -> None:
        if not self._terminal:
            print(text, file=sys.stderr, flush=True)
            return
        print(f"\r{text.ljust(self._width)}", end="", file=sys.stderr, flush=True)
        self._width = max(self._width, len(text))
