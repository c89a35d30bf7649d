"""Seconds and peak memory of one piece of work in a process of its own.

A piece of work is named by a module of this folder and a function in it. The function gets plain JSON, does what is not
to be measured (imports, reading, a small trial that loads libraries lazily) and returns a function without arguments;
that one is measured, and returns plain JSON.
"""

import contextlib
import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """Wall and processor seconds of the work, peak MB above what the process held before it, and what it returned.

    `total_mb` is the peak of the whole process. `failure` says why there is nothing else.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0
    total_mb: float = 0.0
    value: Any = None
    failure: str | None = None


def alone(
    module: str, function: str, arguments: dict[str, Any], limit: float | None = None, checkout: Path | None = None
) -> Measured:
    """Run and measure `module.function(**arguments)()`; `limit` is in seconds, preparation included.

    With another `checkout`, its code and its benchmarks do it.
    """
    # Who ends this process ends the work too, which has a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        script = checkout / "benchmarks" / Path(__file__).name if checkout else Path(__file__)
        code = {"PYTHONPATH": str(checkout / "workflow")} if checkout else {}
        command = [sys.executable, str(script), module, function, json.dumps(arguments), str(answer)]
        process = subprocess.Popen(
            command, start_new_session=True, stderr=subprocess.PIPE, text=True, env={**os.environ, **code}
        )
        try:
            _, said = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _stop(process)
            return Measured(failure=f"over {limit:.0f} s")
        except BaseException:
            _stop(process)
            raise
        if process.returncode:
            last = (said.strip().splitlines() or ["no word"])[-1]
            return Measured(failure=f"status {process.returncode}: {last}")
        return Measured(**json.loads(answer.read_text()))


def _stop(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def command(script: str) -> str:
    """The command that ran a script; where its folders lie is nobody's business."""
    words = sys.argv[1:]
    if "--work" in words:
        place = words.index("--work")
        words = words[:place] + words[place + 2 :]
    return shlex.join(["python", script, *("FOLDER" if Path(word).is_absolute() else word for word in words)])


def _main(module: str, function: str, arguments: str, answer: str) -> None:
    work = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    before = _start_of_peak()
    start, cpu = time.perf_counter(), time.process_time()
    value = work()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    total = _memory("VmHWM")
    found = Measured(seconds, cpu, total - before, total, value)
    Path(answer).write_text(json.dumps(vars(found)))


def _start_of_peak() -> float:
    """MB held now; the peaks that the kernel remembers begin anew."""
    for process in _processes():
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(what: str) -> float:
    """MB of this process and of those that it started; not getrusage, whose peak begins with that of the parent."""
    found = 0.0
    for process in _processes():
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024
    return found


def _processes() -> list[int]:
    own = [os.getpid()]
    for process in own:
        for tasks in Path(f"/proc/{process}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                own += [int(child) for child in tasks.read_text().split()]
    return own


if __name__ == "__main__":
    _main(*sys.argv[1:])
