"""Cores for a few rows or many: BLAS and OpenMP at one thread, as in a sweep, without the cost of setting that up.

A pool of threads takes milliseconds, more than all that is computed of a single image: a few rows are computed by the
thread that asks.
"""

import contextlib
import threading
from collections.abc import Iterator

from backbench import machine, threads

# Up to so many rows the calling thread does all.
FEW = 8

_local = threading.local()


@contextlib.contextmanager
def held(rows: int) -> Iterator[None]:
    """Hold BLAS and OpenMP at one thread, and let the caller use as many threads as so many rows are worth."""
    count = 1 if rows <= FEW else machine.cores()
    if getattr(_local, "held", False):
        with threads.beside(count):
            yield
        return
    # Libraries that are loaded later would start with all cores: load them first.
    import scipy.linalg  # noqa: F401
    import sklearn.cluster

    # Features were checked when they were computed; scikit-learn's checks take longer than a few rows.
    quick = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with threads.libraries().limit(limits=1), threads.beside(count), quick:
        _local.held = True
        try:
            yield
        finally:
            _local.held = False
