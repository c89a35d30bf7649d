"""One part of ``gpu.py`` in a process of its own: a lost device, a hang or a crash costs this part alone.

It is given its options as JSON, prints a record as a line of JSON as soon as there is one, and ends when its parent
does. Run ``gpu.py`` instead of this.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

MARK = "@record "


class Clock:
    """The seconds that a part has."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()


def checks(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The agreements of every check; a check that breaks does not hold."""
    import _device_checks
    import _gpu_machine
    from _device_agreement import as_record

    on = "torch" if asked["device"] == "cpu" else asked["device"]
    chosen = dict(_device_checks.EVERYWHERE) | ({} if on == "torch" else _device_checks.ON_A_GPU)
    if asked["size"] == "tiny":
        chosen = {"linear heads": chosen["linear heads"]}
    for name, check in chosen.items():
        if asked["clock"].left() < 0:
            yield {"check": name, "skipped": "not measured: the time of this part was over"}
            continue
        if name == "compiled" and (reason := _gpu_machine.lacking(asked["device"])):
            yield {"check": name, "absent": f"not measured: {reason}"}
            continue
        if not asked["begin"](name):
            continue
        start = time.perf_counter()
        try:
            agreements = [as_record(each) for each in check(on)]
        except Exception as error:
            traceback.print_exc()
            if "CUDA error" in str(error):  # nothing more can be computed in this process
                raise
            agreements = [_broken(error)]
        yield {"check": name, "seconds": time.perf_counter() - start, "agreements": agreements}


def _broken(error: Exception) -> dict[str, Any]:
    return {"what": f"it broke: {_words(error)}", "measure": "", "off": None, "allowed": None, "holds": False}


def _words(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {(str(error).strip() or 'no word').splitlines()[0]}"


def main(part: str, options: str) -> int:
    """Print the records of a part; status 1 if it broke."""
    asked = json.loads(options)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asked["clock"], asked["begin"] = Clock(asked["seconds"]), lambda name: _begun(name, asked["skip"])
    try:
        for record in _function(part)(asked):
            _say(record)
    except Exception as error:
        traceback.print_exc()
        _say({"broke": _words(error)})
        return 1
    return 0


def _begun(name: str, skipped: list[str]) -> bool:
    """Tell the parent what is about to be measured, so that it can go on behind it; False if it is to be left out."""
    if name in skipped:
        return False
    _say({"begin": name})
    return True


def _say(record: dict[str, Any]) -> None:
    print(MARK + json.dumps(record), flush=True)


def _function(part: str) -> Any:
    import importlib

    if part == "checks":
        return checks
    module, _, name = part.partition(":")
    return getattr(importlib.import_module(module), name or "measure")


def _end_with_parent() -> None:
    """Standard input is a pipe that the parent never writes to: its end is the end of the parent."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    with contextlib.suppress(OSError):
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
