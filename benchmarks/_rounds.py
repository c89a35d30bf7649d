"""Processes that work in turns: each gets ready once, and then does one of its pieces of work whenever it is asked.

A piece of work returns plain JSON. Standard library only: peers run it in an environment of their own.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Answer = dict[str, Any]


class Side:
    """A process that `serve`s; one that fails or takes more than `limit` seconds for an answer has a `failure`."""

    def __init__(self, command: list[str], environment: Mapping[str, str], limit: float):
        self.failure: str | None = None
        self._limit = limit
        # A session of its own, so that the processes that it starts end with it.
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._answer()

    def ask(self, work: str) -> Answer:
        """The answer of a piece of work with its seconds; empty after a failure."""
        if self.failure is None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(f"{work}\n")
                self._process.stdin.flush()
            return self._answer()
        return {}

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            _kill(self._process)
        self._process.wait()

    def _answer(self) -> Answer:
        timer = threading.Timer(self._limit, _kill, [self._process])
        timer.start()
        line = self._process.stdout.readline()
        late = not timer.is_alive()
        timer.cancel()
        if not line:
            self.failure = f"over {self._limit:.0f} s" if late else f"it ended with status {self._process.wait()}"
            return {}
        answer: Answer = json.loads(line)
        self.failure = answer.get("failure")
        return {} if self.failure else answer


def _kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)


def serve(open_: Callable[[], Mapping[str, Callable[[], Answer]]]) -> None:
    """Get ready, say so, and do the pieces of work that are named in the lines of the standard input."""
    # Libraries may print: nothing but answers goes to whoever asks.
    answers, sys.stdout = sys.stdout, sys.stderr
    works: dict[str, Callable[[], Answer]] = {}

    def ready() -> Answer:
        works.update(open_())
        return {}

    print(json.dumps(_tried(ready)), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_tried(works[line.strip()])), file=answers, flush=True)


def _tried(work: Callable[[], Answer]) -> Answer:
    start = time.perf_counter()
    try:
        answer = work()
    except Exception as error:  # the failure of one side, which the table says
        return {"failure": f"{type(error).__name__}: {error}"}
    return {"seconds": time.perf_counter() - start, **answer}
