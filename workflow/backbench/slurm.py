"""What SLURM says of its jobs and nodes, and how jobs are cancelled (standard library only).

Every call ends within a limit, and answers None where there is no SLURM or it does not answer in that time.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

SECONDS, SACCT_SECONDS = 20.0, 5.0
# Stands between the columns; neither names nor comments hold it.
BETWEEN = "\x1f"
QUEUE_COLUMNS = ("%i", "%j", "%u", "%T", "%r", "%N", "%V", "%S", "%C", "%m", "%l", "%P", "%Z", "%k")
ACCOUNT_COLUMNS = ("JobID", "JobName", "User", "State", "NodeList", "ExitCode", "Timelimit", "ReqMem", "AllocCPUS")
NODE_COLUMNS = ("%N", "%T", "%c", "%m", "%G", "%P", "%l", "%E")
# Variables with which a user changes what the programs show: they are left out of their environment.
FILTERS = ("SQUEUE_", "SINFO_", "SACCT_", "SCANCEL_")
# States in which a job has not begun, computes or is being ended; in all others it has ended.
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
COMPUTING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT")
UNITS_MB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}
# A key of `scontrol --oneliner` with its value, which may hold spaces.
PAIR = re.compile(r"(?:^|(?<=\s))([A-Z][\w/:]*)=(.*?)(?=\s+[A-Z][\w/:]*=|\s*$)")


@dataclass(frozen=True)
class Job:
    """A job as SLURM knows it: times in seconds since 1970, memory in MB, the time limit in minutes.

    `reason` is SLURM's word on why a job waits or how it ended; `place` is its nodes, empty before it starts. `code`
    and `signal` are its exit status (None in the queue's listing).
    """

    id: str
    name: str
    user: str
    state: str
    reason: str = ""
    place: str = ""
    submitted: float | None = None
    began: float | None = None
    ended: float | None = None
    cpus: int | None = None
    memory_mb: float | None = None
    minutes: float | None = None
    partition: str = ""
    folder: str = ""
    comment: str = ""
    code: int | None = None
    signal: int | None = None

    @property
    def waiting(self) -> bool:
        """Whether it has not begun."""
        return self.state in WAITING

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.state in WAITING or self.state in COMPUTING


@dataclass(frozen=True)
class Node:
    """A node of one partition: `memory_mb` and `cpus` are all it has, `minutes` the partition's limit (None: none)."""

    name: str
    state: str
    cpus: int
    memory_mb: int
    gpus: int
    partition: str
    default: bool
    minutes: float | None
    reason: str


def present() -> bool:
    """Whether the programs of SLURM are installed here."""
    return shutil.which("squeue") is not None


def queue(
    prefix: str | None = None, ids: Collection[str] | None = None, user: str | None = None, seconds: float = SECONDS
) -> list[Job] | None:
    """Jobs that have not ended, in SLURM's order.

    Parameters
    ----------
    prefix, ids, user
        Only jobs whose name begins so, only these, only this user's.
    """
    command = ["squeue", "--noheader", "--array", "--format", BETWEEN.join(QUEUE_COLUMNS)]
    text = _said([*command, *(["--user", user] if user else [])], seconds)
    if text is None:
        return None
    jobs = [_queued(line.split(BETWEEN)) for line in text.splitlines() if line.count(BETWEEN) == len(QUEUE_COLUMNS) - 1]
    wanted = None if ids is None else set(ids)
    named = (job for job in jobs if job.name.startswith(prefix or ""))
    return [job for job in named if wanted is None or job.id in wanted]


def job(id: str, seconds: float = SECONDS) -> Job | None:
    """One job, also after its end: for a while (SLURM's ``MinJobAge``), and for long where there is accounting.

    None where SLURM does not know it.
    """
    text = _said(["scontrol", "--oneliner", "show", "job", id], seconds)
    lines = (text or "").splitlines()
    return _shown(pairs(lines[0])) if lines else _accounted(id)


def nodes(seconds: float = SECONDS) -> list[Node] | None:
    """Every node, once for each partition that it is in."""
    command = ["sinfo", "--Node", "--noheader", "--format", BETWEEN.join(NODE_COLUMNS)]
    text = _said(command, seconds)
    if text is None:
        return None
    return [_node(line.split(BETWEEN)) for line in text.splitlines() if line.count(BETWEEN) == len(NODE_COLUMNS) - 1]


def settings(seconds: float = SECONDS) -> dict[str, str] | None:
    """SLURM's configuration by name, such as ``MinJobAge`` (``300 sec``)."""
    text = _said(["scontrol", "show", "config"], seconds)
    if text is None:
        return None
    cells = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, sign, value in cells if sign}


def cancel(ids: Iterable[str], seconds: float = SECONDS) -> bool | None:
    """Cancel jobs; whether SLURM took all of them. Jobs that have ended are no error."""
    wanted = list(ids)
    return True if not wanted else None if _said(["scancel", *wanted], seconds) is None else True


def accounting(seconds: float = SACCT_SECONDS) -> bool | None:
    """Whether ``sacct`` answers; None where that program is not installed."""
    if shutil.which("sacct") is None:
        return None
    return _said(["sacct", "--noheader", "--allocations", "--parsable2", "--format", "jobid"], seconds) is not None


def pairs(line: str) -> dict[str, str]:
    """Keys and values of a line of ``scontrol --oneliner``."""
    return dict(PAIR.findall(line))


def megabytes(text: str) -> float | None:
    """Memory as SLURM writes it (``500M``, ``1.50G``, ``62.5Gn``, ``4000Mc``) in MB; None where it says nothing."""
    written = re.fullmatch(r"([0-9.]+)([KMGT]?)[nc]?", text)
    number = float(written[1]) if written else 0.0
    return number * UNITS_MB[written[2] or "M"] if written and number else None


def minutes(text: str) -> float | None:
    """A time limit as SLURM writes it (``10:00``, ``2-01:30:00``) in minutes; None where there is none."""
    written = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if not written:
        return None
    days, hours, whole, rest = (int(part or 0) for part in written.groups())
    return days * 1440 + hours * 60 + whole + rest / 60


def gpus(text: str) -> int:
    """GPUs among the generic resources of a node (``gpu:a100:4(S:0-1),shard:2``)."""
    counts = re.findall(r"(?:^|,)gpu(?::[^:,()]+)*?:(\d+)", text)
    return sum(map(int, counts))


def _queued(cells: Sequence[str]) -> Job:
    id, name, user, state, reason, place, submitted, began, cpus, memory, limit, partition, folder, comment = cells
    times = (_seconds(submitted), _seconds(began), None)
    asked = (_whole(cpus), megabytes(memory), minutes(limit))
    comment = "" if comment == "(null)" else comment
    return Job(id, name, user, state, _word(reason), place, *times, *asked, partition, folder, comment)


def _shown(values: Mapping[str, str]) -> Job:
    """A job of ``scontrol show job``; memory is that of each of its nodes."""
    cpus = _whole(values.get("NumCPUs", "").split("-")[0])
    whole = re.search(r"(?:^|,)mem=([^,]+)", values.get("TRES") or values.get("ReqTRES", ""))
    memory = megabytes(whole[1]) if whole else megabytes(values.get("MinMemoryNode", ""))
    code, _, signal = values.get("ExitCode", "").partition(":")
    words = {key: _word(values.get(key, "")) for key in ("Reason", "NodeList", "Partition", "WorkDir", "Comment")}
    submitted, began, ended = (_seconds(values.get(key, "")) for key in ("SubmitTime", "StartTime", "EndTime"))
    who = (values["JobId"], values.get("JobName", ""), values.get("UserId", "").split("(")[0])
    asked = (cpus, memory, minutes(values.get("TimeLimit", "")))
    place = (words["Partition"], words["WorkDir"], words["Comment"])
    states = (values.get("JobState", ""), words["Reason"], words["NodeList"])
    return Job(*who, *states, submitted, began, ended, *asked, *place, _whole(code), _whole(signal))


def _accounted(id: str) -> Job | None:
    """A job in the accounting, which is asked no more once it has not answered."""
    if not _accounting_answers():
        return None
    command = ["sacct", "--noheader", "--allocations", "--parsable2", "--jobs", id]
    text = _said([*command, "--format", ",".join(ACCOUNT_COLUMNS)], SACCT_SECONDS)
    cells = (text or "").splitlines()[0].split("|") if text and text.strip() else []
    if len(cells) != len(ACCOUNT_COLUMNS):
        return None
    number, name, user, state, place, status, limit, memory, cpus = cells
    code, _, signal = status.partition(":")
    asked = (_whole(cpus), megabytes(memory), minutes(limit))
    ended = (_whole(code), _whole(signal))
    return Job(number, name, user, state.split()[0], "", place, None, None, None, *asked, "", "", "", *ended)


@cache
def _accounting_answers() -> bool:
    return bool(accounting())


def _node(cells: Sequence[str]) -> Node:
    name, state, cpus, memory, resources, partition, limit, reason = (cell.strip() for cell in cells)
    state = state.rstrip("*~#!%$@^-")
    default, partition = partition.endswith("*"), partition.rstrip("*")
    sizes = (_whole(cpus.rstrip("+")) or 0, _whole(memory.rstrip("+")) or 0, gpus(resources))
    return Node(name, state, *sizes, partition, default, minutes(limit), _word(reason))


def _word(text: str) -> str:
    return "" if text.strip().lower() in ("none", "(null)", "n/a") else text.strip()


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _seconds(text: str) -> float | None:
    return float(text) if text.isdigit() else None


def _said(command: Sequence[str], seconds: float) -> str | None:
    """What a program of SLURM prints; None where it is not there, fails or does not answer in time."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FILTERS)}
    environment = {**kept, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C.UTF-8"}
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if answer.returncode else answer.stdout.decode("utf-8", "replace")
