"""How a sweep stands, in words."""

import time
from collections.abc import Iterator

from backbench import hashing, launch_record
from backbench.launch_record import Launch
from backbench.sweeping import overview
from backbench.sweeping.overview import Failure, Overview, Queued, Work
from backbench.wording import counted, duration, listed

SHOWN_WORKS, SHOWN_REASONS, SHOWN_IDS = 12, 5, 5
UNITS = {"dataset": "images", "audit": "images", "features": "images", "judge": "images"}
COLUMNS = ("total", "done", "failed", "running", "queued", "waiting")
FOLLOWS = "the next `backbench sweep` waits for it (--cancel-running ends it)"


def text(view: Overview) -> str:
    """All of an overview, as lines."""
    return "\n".join(_lines(view))


def _lines(view: Overview) -> Iterator[str]:
    yield _title(view)
    if view.slurm_answers is False:
        yield "  SLURM does not answer: what is queued is not known"
    if view.plan:
        yield from _table(view)
        yield from _works("running", view.working)
        yield from _works("killed", view.killed)
        yield from _queue(view)
        yield from _failures(view.failed)
        yield _left(view)
    if view.next:
        yield f"next: {'   '.join(view.next)}"


def _title(view: Overview) -> str:
    runs = f"{view.runs_done:,} of {counted(view.runs, 'run')} done" if view.runs else ""
    failed = f"{view.runs_failed:,} failed" if view.runs_failed else ""
    name = f"sweep {hashing.short(view.sweep)}" if view.sweep else "sweep"
    shown = f" ({view.experiment})" if view.experiment not in (None, "none") else ""
    return f"{name}{shown}: {', '.join(filter(None, (_state(view), runs, failed)))}"


def _state(view: Overview) -> str:
    """What the launch does, or what became of it."""
    launch = view.launch
    if launch is None:
        return "not launched here, or by an earlier version"
    since = f"began {_at(launch.began)}"
    if view.state == overview.RUNNING:
        heard = f", last heard of {duration(view.heard or 0)} ago" if not launch.launcher.here else ""
        return f"{_phase(launch)} for {duration(view.at - launch.began)} by {launch.where}{heard}"
    if view.state == overview.ORPHANED:
        return f"its launcher ({launch.where}, {since}) has ended, and what it started goes on: {FOLLOWS}"
    if view.state == overview.SILENT:
        heard = duration(view.heard) if view.heard and view.heard < float("inf") else "a long time"
        return f"{launch.where} ({since}) was not heard of for {heard}: it was killed, or that machine is off"
    if view.state == overview.KILLED:
        return f"{launch.where} ({since}) was killed while {launch.phase}; nothing of it runs any more"
    return f"{view.state} {_at(launch.ended or launch.began)} (began {_at(launch.began)}, {launch.where})"


def _phase(launch: Launch) -> str:
    where = f" on {launch.executor.upper()}" if launch.executor not in (None, "local") else ""
    return f"{launch.phase}{where if launch.phase == launch_record.COMPUTING else ''}"


def _table(view: Overview) -> Iterator[str]:
    yield f"  {'results':<16}" + "".join(f"{name:>9}" for name in COLUMNS)
    for kind in view.kinds:
        yield f"  {kind.kind:<16}" + "".join(f"{getattr(kind, name):>9,}" for name in COLUMNS)


def _works(title: str, works: tuple[Work, ...]) -> Iterator[str]:
    if works:
        yield title
    for work in works[:SHOWN_WORKS]:
        yield f"  {work.kind} {work.family}: {', '.join(filter(None, _about(work)))}"
    if len(works) > SHOWN_WORKS:
        yield f"  ... and {len(works) - SHOWN_WORKS:,} more (--format json lists all)"


def _about(work: Work) -> Iterator[str]:
    """What is said of one process."""
    yield counted(work.results, "result") if work.results else ""
    if work.alive is None:
        yield f"may still run on {work.host}, which cannot be seen from here"
    else:
        yield f"on {work.host}"
    yield f"SLURM job {work.slurm_job}" if work.slurm_job else f"process {work.pid}"
    yield f"since {_at(work.since)}"
    if work.total:
        left = f", about {duration(work.left)} left" if work.left else ""
        yield f"{work.done:,} of {work.total:,} {UNITS.get(work.kind, 'fits')}{left}"
    yield f"attempt {work.attempt}" if work.attempt > 1 else ""
    if work.asked:
        yield f"may have {work.asked['mem_mb']:,} MB and {work.asked['minutes']:,} min"


def _queue(view: Overview) -> Iterator[str]:
    if view.queued:
        yield "queued in SLURM"
    for queued in view.queued:
        yield f"  {_jobs(queued)}: {queued.words} ({queued.reason or 'None'})"
        if queued.hopeless:
            yield "    they never start so: stop the sweep, change that, and start it again"
    known = {work.slurm_job for work in view.working}
    starting = [id for id in view.slurm_jobs if id not in known]
    if starting:
        yield f"starting or ending in SLURM: {listed(starting, SHOWN_IDS)}"


def _jobs(queued: Queued) -> str:
    return f"{counted(len(queued.jobs), 'job')} ({listed(queued.jobs, SHOWN_IDS)})"


def _failures(failures: tuple[Failure, ...]) -> Iterator[str]:
    if failures:
        yield "failed"
    for failure in failures[:SHOWN_REASONS]:
        yield f"  {counted(failure.results, 'result')} ({', '.join(failure.kinds)}): {failure.reason}"
    if len(failures) > SHOWN_REASONS:
        yield f"  ... and {counted(len(failures) - SHOWN_REASONS, 'other reason')} (--format json lists all)"


def _left(view: Overview) -> str:
    if not view.left_results:
        return "left: no results"
    about = f", about {duration(view.left_seconds)}" if view.left_seconds else ""
    return f"left: {counted(view.left_results, 'result')}{about}"


def _at(moment: float) -> str:
    """A time of day; of other days with the date."""
    then, now = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%Y-%m-%d %H:%M:%S", then)
