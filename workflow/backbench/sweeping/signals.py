"""SIGTERM and SIGHUP end a launch as Ctrl-C does, at any moment: what runs is ended, what is finished is kept."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

HANDLED = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """The process was asked to end by a signal other than that of Ctrl-C."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Raise :class:`Stopped` on SIGTERM and SIGHUP; one that is ignored already (nohup) stays ignored.

    Only the main thread of a process gets signals; in others this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in HANDLED}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _raise)
    try:
        yield
    except OSError as error:  # the terminal that hung up cannot be written to any more
        stopped = _before(error)
        if stopped is None:
            raise
        raise stopped from error
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def interruptible_children() -> Iterator[None]:
    """What is started meanwhile ends on SIGINT, also where this process, in the background, ignores it."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def _before(error: BaseException) -> Stopped | None:
    """The signal during whose handling an error came up."""
    context = error.__context__
    while context is not None and not isinstance(context, Stopped):
        context = context.__context__
    return context
