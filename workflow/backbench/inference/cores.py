"""Cores for a few rows or many: BLAS and OpenMP at one thread, as in a sweep, without the cost of setting that up.

To find the libraries of a process takes milliseconds, and so does a pool of threads: more than all that is computed of
a single image. So the libraries are looked for once, and a few rows are computed by the thread that asks.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from backbench import machine, threads

# Up to so many rows the calling thread does all.
FEW = 8

_local = threading.local()
_controllers: dict[int, Any] = {}


@contextlib.contextmanager
def held(rows: int) -> Iterator[None]:
    """Hold BLAS and OpenMP at one thread, and let the caller use as many threads as so many rows are worth."""
    count = 1 if rows <= FEW else machine.cores()
    if getattr(_local, "held", False):
        with threads.beside(count):
            yield
        return
    import sklearn

    # Features were checked when they were computed; scikit-learn's checks take longer than a few rows.
    quick = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with _controller().limit(limits=1), threads.beside(count), quick:
        _local.held = True
        try:
            yield
        finally:
            _local.held = False


def _controller() -> Any:
    """What sets the threads of the libraries of this process; looked for again after more modules were imported."""
    # Libraries that are loaded later would start with all cores: load them first.
    import scipy.linalg  # noqa: F401
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import ThreadpoolController

    count = len(sys.modules)
    if count not in _controllers:
        _controllers.clear()
        _controllers[count] = ThreadpoolController()
    return _controllers[count]
