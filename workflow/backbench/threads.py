"""Threads that cannot change a result.

Sums inside BLAS and OpenMP depend on the number of threads. So one fit always has one core, and what runs in parallel
is fits beside each other, and blocks of rows whose size depends on the data alone.
"""

import contextlib
import functools
import itertools
import sys
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")

_local = threading.local()


def available() -> int:
    """Number of threads that the caller may use."""
    return getattr(_local, "count", 1)


@contextlib.contextmanager
def one_core_each(count: int) -> Iterator[None]:
    """Hold BLAS and OpenMP at one thread and let the caller use `count` threads of its own."""
    # Libraries that are loaded later would start with all cores: load them first.
    import scipy.linalg  # noqa: F401
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), beside(count):
        yield


@contextlib.contextmanager
def beside(count: int) -> Iterator[None]:
    """Let the caller use `count` threads of its own; what they call has to hold itself at one core."""
    before = available()
    _local.count = max(1, count)
    try:
        yield
    finally:
        _local.count = before


def in_order(function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 0) -> Iterator[Result]:
    """Results of `function` in the order of `items`; only as many are held as there are threads, and `ahead` more.

    A single item is left to the thread of the caller.
    """
    count, items = available(), iter(items)
    first = list(itertools.islice(items, 2))
    items = itertools.chain(first, items)
    if count == 1 or len(first) < 2:
        yield from map(function, items)
        return
    with _pool(count, 1) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > count + ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def as_done(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results of `function` as they become ready; the threads are divided among the items."""
    items = list(items)
    count = min(available(), len(items))
    if count <= 1:
        yield from map(function, items)
        return
    with _pool(count, available() // count) as pool:
        waiting = {pool.submit(function, item) for item in items}
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                yield future.result()


class Once:
    """Values that are computed once each, by the thread that asks first; a failure is kept as well."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._found: dict[Hashable, tuple[Any, Exception | None]] = {}

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of `key`, made by `make` at the first call."""
        value, error = self.attempt(key, make)
        if error is not None:
            raise error
        return value

    def attempt(self, key: Hashable, make: Callable[[], Any]) -> tuple[Any, Exception | None]:
        """The value of `key` or the error that making it raised; called ahead, it has all threads to itself."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._found:
                self._found[key] = _tried(make)
            return self._found[key]


def _tried(make: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return make(), None
    except Exception as error:  # kept for every member that asks, each of which reports it
        return None, error


@contextlib.contextmanager
def _pool(count: int, share: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(count, initializer=_enter, initargs=(share,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _enter(share: int) -> None:
    # The OpenMP limit belongs to a thread, so each new one sets its own.
    _controller(len(sys.modules)).limit(limits=1)
    _local.count = share


@functools.lru_cache(maxsize=1)
def _controller(modules: int) -> "ThreadpoolController":
    """The libraries that have threads, looked for again when more modules are loaded: that takes a millisecond."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
