"""Processes that draw in parallel: a picture that fails, or ends its process, harms no other."""

import contextlib
import gc
import heapq
import itertools
import logging
import math
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from backbench import hashing, machine, threads
from backbench.engine.run.runner import THREAD_VARIABLES
from backbench.pictures import layouts
from backbench.pictures.catalogue import Kind
from backbench.pictures.orders import Order, words
from backbench.pictures.source import Source, Sweep
from backbench.schema import ConfigError
from backbench.store import Store

log = logging.getLogger("backbench")

# Memory of a process with matplotlib, scipy and a picture in progress.
PROCESS_MB = 600
# Runs whose arrays a process keeps: pictures of one run are drawn one after the other.
KEPT = 3
# After how many pictures what a process left in circles is collected.
COLLECTED = 32
NOTHING = ""
PRELOADED = ["matplotlib.figure", "matplotlib.backends.backend_agg"]
DIED = "the process that drew it ended without an error message; it may have run out of memory"


@dataclass(frozen=True)
class Made:
    """The outcome of a picture: its caption, or what went wrong."""

    caption: str = ""
    failure: str | None = None


@dataclass(frozen=True)
class Task:
    """A picture to draw; `order` and `source` are places in the lists of the pool."""

    order: int
    source: int
    kind: Kind
    options: Mapping[str, str]
    png: Path

    def do(self, bench: "_Bench") -> Made:
        from backbench.plots import _files

        try:
            picture = self.kind.draw(bench.source(self.source), **self.options)
            _files.save(picture, self.png)
        except ConfigError as error:
            return Made(failure=str(error))
        except Exception as error:  # whatever is wrong with one picture, the others are drawn
            log.warning("%s: %s", self.png, words(error), exc_info=True)
            return Made(failure=words(error))
        return Made(picture.caption)


@dataclass(frozen=True)
class Layouts:
    """What several pictures of a run need, made once before they are drawn."""

    source: int
    kinds: tuple[str, ...]
    threads: int

    def do(self, bench: "_Bench") -> Made:
        source = bench.source(self.source)
        assert isinstance(source, Source)  # pictures of sweeps need no layouts
        with threads.beside(self.threads):
            layouts.prepare(source, self.kinds)
        return Made()


Job = tuple[Task | Layouts, list[Task]]


class _Reader(Store):
    """A store that verifies an array mapped into memory once per process, not once per run."""

    def __init__(self, root: Path):
        super().__init__(root)
        self._maps: dict[Path, Any] = {}

    def _load(self, path: Path, entry: Mapping[str, Any], mmap: bool) -> Any:
        if not mmap:
            return super()._load(path, entry, mmap)
        if path not in self._maps:  # named by the digest of its content
            self._maps[path] = super()._load(path, entry, mmap)
        return self._maps[path]


class _Bench:
    """The sources of all tasks of a process."""

    def __init__(self, sources: Sequence[Source | Sweep]):
        reader = _Reader(sources[0].store.root)
        self.source = lru_cache(maxsize=KEPT)(lambda place: replace(sources[place], store=reader))


_bench: _Bench | None = None
# The settings of matplotlib, for the life of a process.
_settings = contextlib.ExitStack()
# Counts what this process has done.
_done = itertools.count(1)


def draw(orders: Sequence[Order], cores: int) -> Iterator[tuple[Order, Made]]:
    """Draw and save the pictures, each as soon as there is a core for it; yields them as they become ready."""
    sources = list({id(order.source): order.source for order in orders}.values())
    places = {id(source): place for place, source in enumerate(sources)}
    tasks = [Task(at, places[id(o.source)], o.kind, o.options, o.png) for at, o in enumerate(orders)]
    if len(tasks) == 1:
        with threads.beside(cores):
            yield orders[0], tasks[0].do(_Bench(sources))
        return
    for task, made in _beside(sources, _jobs(tasks, sources, cores), cores):
        yield orders[task.order], made


def _jobs(tasks: Sequence[Task], sources: Sequence[Source | Sweep], cores: int) -> list[Job]:
    """What can start at once, each with the pictures that wait for it: maps wait for the layout of their matrix.

    Layouts take longest. The first ones start at once and share the cores; the others are spread among the pictures, so
    that the pace is even.
    """
    needing: dict[str, list[Task]] = {}
    for task in tasks:
        needing.setdefault(_shared(task, sources[task.source]), []).append(task)
    alone: list[Job] = [(task, []) for task in needing.pop(NOTHING, [])]
    share = max(1, cores // max(1, len(needing)))
    long: list[Job] = []
    for waiting in needing.values():
        kinds = tuple(dict.fromkeys(task.kind.name for task in waiting))
        long.append((Layouts(waiting[0].source, kinds, share), waiting))
    first = max(1, cores // 2)
    every = len(alone) // (len(long[first:]) + 1)
    for place, job in enumerate(long[first:], 1):
        alone.insert(place * every + place - 1, job)
    return long[:first] + alone


def _shared(task: Task, source: Source | Sweep) -> str:
    """A name for the layout or the tree that a picture of a run needs, the same for runs that share it."""
    need = layouts.needed(task.kind.name)
    if need is None or not isinstance(source, Source) or (head := layouts.shown_head(source)) is None:
        return NOTHING
    config = source.row.plan.stages[source.row.run.stages[head]].config if need == layouts.TREE else {}
    tree = {name: value for name, value in config.items() if name in ("clusterer", "scope")}
    return hashing.digest([list(source.matrix_ref(head)), tree])


def _beside(sources: Sequence[Any], jobs: list[Job], cores: int) -> Iterator[tuple[Task, Made]]:
    """Those that were ordered first come first, also of those that had to wait for a layout."""
    broken: list[Task] = []
    queue = _queued(jobs)
    count = max(1, min(cores, len(jobs), machine.memory_mb() // PROCESS_MB))
    with _processes(sources, count) as pool:
        waiting: dict[Future[Made], Job] = {}
        while queue or waiting:
            while queue and len(waiting) <= count:  # one more than there are processes, so that none has to wait
                item, then = heapq.heappop(queue)[-1]
                try:
                    waiting[pool.submit(_do, item)] = item, then
                except BrokenProcessPool:
                    broken += _tasks(item, then)
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                item, then = waiting.pop(future)
                try:
                    made = future.result()
                except BrokenProcessPool:
                    broken += _tasks(item, then)
                    continue
                for task in then:
                    heapq.heappush(queue, (task.order, (task, [])))
                if isinstance(item, Task):
                    yield item, made
    yield from _one_by_one(sources, sorted(broken, key=lambda task: task.order))


def _queued(jobs: list[Job]) -> list[tuple[float, Job]]:
    """The jobs as a heap: a picture by its place in the orders, a layout before the picture that it stands before."""
    queue: list[tuple[float, Job]] = []
    following = math.inf
    for place, job in enumerate(reversed(jobs)):
        if isinstance(job[0], Task):
            following = job[0].order
            queue.append((following, job))
        else:
            queue.append((min(following, len(jobs)) - 1 + 1 / (place + 2), job))
    heapq.heapify(queue)
    return queue


def _tasks(item: Task | Layouts, then: list[Task]) -> list[Task]:
    """The pictures of a job."""
    return [item, *then] if isinstance(item, Task) else then


def _one_by_one(sources: Sequence[Any], tasks: list[Task]) -> Iterator[tuple[Task, Made]]:
    """Draw singly what was in progress or waiting when a process died: it dies again of the one that is at fault."""
    left = list(tasks)
    while left:
        with _processes(sources, 1) as pool:
            alive = True
            while left and alive:
                task = left.pop(0)
                try:
                    yield task, pool.submit(_do, task).result()
                except BrokenProcessPool:
                    alive = False
                    yield task, Made(failure=DIED)


@contextlib.contextmanager
def _processes(sources: Sequence[Any], count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with one thread each for BLAS and OpenMP: cores are shared out by pictures."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(PRELOADED)
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(list(sources),))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin(sources: list[Source | Sweep]) -> None:
    global _bench
    from backbench.plots import _style

    _settings.enter_context(_style.style())
    # A figure is tens of thousands of objects: the collector would run through them, and through all that was imported,
    # hundreds of times. They are collected after every few pictures instead, whichever generation they are of.
    gc.freeze()
    gc.disable()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _bench = _Bench(sources)


def _end_with_parent() -> None:
    """End with the parent: a process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # only processes of the pool run this
    parent.join()
    os._exit(1)


def _do(item: Task | Layouts) -> Made:
    assert _bench is not None  # `_begin` has set it
    made = item.do(_bench)
    gc.collect(2 if next(_done) % COLLECTED == 0 else 0)
    return made
