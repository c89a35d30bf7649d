"""What the launch of a sweep says of itself, for the next launch and for `backbench status`.

One file, ``launches/current.json`` in the results folder: who launched what, where, and which Snakemake works on it.
Its time of change is the heartbeat: the launcher and its Snakemake touch it every few seconds, which tells other
machines that share the folder that something still works there.
"""

import contextlib
import getpass
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backbench import files, hashing, paths, processes
from backbench.processes import Process

PLANNING, COMPUTING, RECORDING = "planning", "computing", "recording"
FINISHED, FAILED, STOPPED = "finished", "failed", "stopped"
# Seconds between two beats, and those after which nothing works there any more.
BEAT_SECONDS, SILENT_SECONDS = 5.0, 60.0
# Jobs of SLURM are named so, followed by the id of the launch.
NAMES = "backbench-"


@dataclass(frozen=True)
class Launch:
    """A launch; times are in seconds since 1970.

    `launcher` is the process that was started by hand, `snakemake` the one that computes (None before it is started).
    `plan` and `sweep` are full hashes, None while it plans. `phase` is what it does, `progress` how far that is in
    words. The SLURM jobs of the launch have names that begin with `slurm_name`; without one they are told by `folder`,
    in which Snakemake works. `ended` and `outcome` are None until it ended in order.
    """

    id: str
    launcher: Process
    user: str
    command: str
    began: float
    phase: str = PLANNING
    plan: str | None = None
    sweep: str | None = None
    snakemake: Process | None = None
    computing: float | None = None
    executor: str | None = None
    slurm_name: str | None = None
    folder: str = ""
    cores: str = ""
    progress: str = ""
    ended: float | None = None
    outcome: str | None = None

    @property
    def where(self) -> str:
        """``process 123 of anna on login1``."""
        return f"process {self.launcher.pid} of {self.user} on {self.launcher.host}"


def path() -> Path:
    """The file of the launch that runs, or ran last."""
    return paths.results() / "launches" / "current.json"


def current() -> Launch | None:
    """The launch that runs, or ran last; None where there is none that can be read."""
    return _read(path())


def of_sweep(sweep: str) -> Launch | None:
    """The last launch of a sweep."""
    newest = current()
    return newest if newest and newest.sweep == sweep else _read(_archived(sweep))


def begin(command: str, **more: Any) -> Launch:
    """Write the record of a launch that this process begins; the one before is kept with its sweep."""
    before = current()
    if before and before.sweep:
        files.write_text(_archived(before.sweep), _text(before))
    launch = Launch(uuid.uuid4().hex[:12], processes.me(), user(), command, time.time(), **more)
    write(launch)
    return launch


def write(launch: Launch) -> None:
    """Write the record of a launch."""
    files.write_text(path(), _text(launch))


def change(id: str, **changes: Any) -> Launch | None:
    """Change the record of the launch that runs; None, and nothing is written, where another one has begun."""
    launch = current()
    if launch is None or launch.id != id:
        return None
    changed = replace(launch, **changes)
    if changed != launch:
        write(changed)
    return changed


def beat(id: str) -> None:
    """Say that the launch still works."""
    launch = current()
    if launch and launch.id == id:
        with contextlib.suppress(OSError):
            os.utime(path())


def silence() -> float:
    """Seconds since the launch was last heard of."""
    try:
        return max(0.0, time.time() - path().stat().st_mtime)
    except OSError:
        return float("inf")


@contextlib.contextmanager
def beating(id: str) -> Iterator[None]:
    """Beat in the background meanwhile."""
    ending = threading.Event()
    thread = threading.Thread(target=_beat, args=(id, ending), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def beat_until_the_end(id: str) -> None:
    """Beat in the background as long as this process lives."""
    threading.Thread(target=_beat, args=(id, threading.Event()), name="heartbeat", daemon=True).start()


def _beat(id: str, ending: threading.Event) -> None:
    while not ending.wait(BEAT_SECONDS):
        beat(id)


def _read(place: Path) -> Launch | None:
    try:
        values = json.loads(place.read_bytes())
        launcher = processes.read(values)
        worker = processes.read({**values, **(values.pop("snakemake") or {})}) if values["snakemake"] else None
        if launcher is None:
            return None
        known = {name: values[name] for name in Launch.__dataclass_fields__ if name in values and name != "launcher"}
        return Launch(**{**known, "launcher": launcher, "snakemake": worker})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _text(launch: Launch) -> str:
    values = asdict(launch)
    worker = values.pop("snakemake")
    values |= values.pop("launcher")
    values["snakemake"] = worker
    return json.dumps(values, indent=1, sort_keys=True)


def _archived(sweep: str) -> Path:
    return path().with_name(f"{hashing.short(sweep)}.json")


def user() -> str:
    """The name of this user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # containers run under numbers without a name
        return str(os.getuid())
