"""Processes that work in turns: each loads its libraries and opens its network once, then works when it is told to.

``python _turns.py WAY ARGUMENTS`` says in JSON how long it took to get ready, and then does its work once for each line
that it reads: the name of a folder for what it makes.
"""

import dataclasses
import gc
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _ways import WAYS, Asked, Work


class Way:
    """A process that holds one of the ways."""

    def __init__(self, way: str, asked: Asked):
        command = [sys.executable, __file__, way, json.dumps(dataclasses.asdict(asked))]
        self.asked, self.rounds = asked, list[dict[str, float]]()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.opening: float = self._answer()["opening"]

    def work(self, folder: Path) -> None:
        """Have it done once."""
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()
        self.rounds.append(self._answer())

    def middle(self, what: str) -> float:
        """The median of ``seconds``, ``cpu`` or ``mb`` over the rounds."""
        return statistics.median(round_[what] for round_ in self.rounds)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, float]:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self._process.args[1:])} ended with status {self._process.wait()}")
        return json.loads(line)


def _serve(way: str, asked: Asked) -> None:
    start = time.perf_counter()
    work = WAYS[way](asked)
    # Libraries may print: nothing but answers goes to whoever asks.
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"opening": time.perf_counter() - start}), file=answers, flush=True)
    for line in sys.stdin:
        folder = Path(line.strip())
        folder.mkdir(parents=True)
        print(json.dumps(_measured(work, folder)), file=answers, flush=True)


def _measured(work: Work, folder: Path) -> dict[str, float]:
    """Wall and processor seconds, those of ended processes included, and the largest that the process ever was."""
    start, cpu = time.perf_counter(), _cpu()
    more = work(folder) or {}
    seconds = time.perf_counter() - start
    _reap()
    share = more.get("share", 1.0)
    about = {"seconds": seconds / share, "cpu": (_cpu() - cpu) / share, "batch": more.get("batch", 0)}
    return {**about, "mb": peak() + more.get("workers_mb", 0.0)}


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _reap() -> None:
    """Wait for the processes of a loader that is no longer held, so that their time counts."""
    gc.collect()
    for process in multiprocessing.active_children():
        process.join()


def peak() -> float:
    """MB of the process when it was largest; not what getrusage says, which begins with the size of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    _serve(sys.argv[1], Asked(**json.loads(sys.argv[2])))
