"""Processes that draw beside each other: a picture that fails, or ends its process, harms no other."""

import contextlib
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from backbench import machine, threads
from backbench.pictures.catalogue import Kind
from backbench.pictures.orders import Order, words
from backbench.pictures.source import Source, Sweep
from backbench.store import Store
from backbench.sweep.runner import THREAD_VARIABLES

log = logging.getLogger("backbench")

# What a process takes that has matplotlib and scipy in it and a picture under way.
PROCESS_MB = 600
# Runs whose arrays a process keeps: pictures of one run come one after the other.
KEPT = 3
MAPS = "Maps"
PRELOADED = ["matplotlib.figure", "matplotlib.backends.backend_agg"]
DIED = "the process that drew it ended without a word; it may have run out of memory"

Chain = Sequence["Task"]


@dataclass(frozen=True)
class Made:
    """How a picture came out: its caption, or what went wrong."""

    caption: str = ""
    failure: str | None = None


@dataclass(frozen=True)
class Task:
    """A picture to draw; `order` and `source` are places in lists that both processes have."""

    order: int
    source: int
    kind: Kind
    options: Mapping[str, str]
    png: Path
    threads: int = 1


class _Reader(Store):
    """A store that verifies an array once per process, not once per run, where it is only mapped into memory."""

    def __init__(self, root: Path):
        super().__init__(root)
        self._mapped = lru_cache(maxsize=None)(super().array)

    def array(self, kind: str, member: str, name: str, mmap: bool = False) -> Any:
        return self._mapped(kind, member, name, True) if mmap else super().array(kind, member, name)


class _Bench:
    """Where tasks are done: the sources of all of them."""

    def __init__(self, sources: Sequence[Source | Sweep]):
        reader = _Reader(sources[0].store.root)
        self.source = lru_cache(maxsize=KEPT)(lambda place: replace(sources[place], store=reader))

    def make(self, task: Task) -> Made:
        from backbench.plots import _files

        try:
            with threads.beside(task.threads):
                picture = task.kind.draw(self.source(task.source), **task.options)
                _files.save(picture, task.png)
        except Exception as error:  # whatever is wrong with one picture, the others are drawn
            log.warning("%s: %s", task.png, words(error), exc_info=True)
            return Made(failure=words(error))
        return Made(picture.caption)


_bench: _Bench | None = None


def draw(orders: Sequence[Order], cores: int) -> Iterator[tuple[Order, Made]]:
    """Draw and save the pictures, each as soon as there is a core for it; they come as they become ready."""
    sources = list({id(order.source): order.source for order in orders}.values())
    places = {id(source): place for place, source in enumerate(sources)}
    tasks = [Task(at, places[id(o.source)], o.kind, o.options, o.png) for at, o in enumerate(orders)]
    if len(tasks) == 1:
        made = ((task, _Bench(sources).make(replace(task, threads=cores))) for task in tasks)
    else:
        made = _beside(sources, _chains(tasks, orders, cores), cores)
    for task, found in made:
        yield orders[task.order], found


def _chains(tasks: Sequence[Task], orders: Sequence[Order], cores: int) -> list[Chain]:
    """Tasks that go one after the other: maps of one matrix, of which the first makes the layout for the others.

    Layouts take longest: they go first and share the cores among them.
    """
    layouts: dict[tuple[str, ...], list[Task]] = {}
    others = []
    for task, order in zip(tasks, orders, strict=True):
        if isinstance(order.source, Source) and order.kind.category == MAPS:
            stages = order.source.row.stages
            own = stages["features"], stages.get("clustering.matrix", ""), order.kind.name.removesuffix("_images")
            layouts.setdefault(own, []).append(task)
        else:
            others.append([task])
    share = max(1, cores // max(1, len(layouts)))
    return [[replace(chain[0], threads=share), *chain[1:]] for chain in layouts.values()] + others


def _beside(sources: Sequence[Any], chains: list[Chain], cores: int) -> Iterator[tuple[Task, Made]]:
    broken: list[Task] = []
    count = max(1, min(cores, len(chains), machine.memory_mb() // PROCESS_MB))
    with _processes(sources, count) as pool:
        waiting = {pool.submit(_make, chain[0]): chain for chain in chains}
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                first, *rest = waiting.pop(future)
                try:
                    yield first, future.result()
                    waiting.update({pool.submit(_make, rest[0]): rest} if rest else {})
                except BrokenProcessPool:
                    broken += rest if future.exception() is None else [first, *rest]
    yield from _one_by_one(sources, broken)


def _one_by_one(sources: Sequence[Any], tasks: list[Task]) -> Iterator[tuple[Task, Made]]:
    """What was under way or waiting when a process died: the one that it dies of again is told by that."""
    left = list(tasks)
    while left:
        with _processes(sources, 1) as pool:
            alive = True
            while left and alive:
                task = left.pop(0)
                try:
                    yield task, pool.submit(_make, task).result()
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
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _bench = _Bench(sources)


def _end_with_parent() -> None:
    """A process whose parent was killed waits for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _make(task: Task) -> Made:
    return _bench.make(task)
