"""Threads that hold the libraries below them at one core each."""

import sys
import types

import pytest
from threadpoolctl import threadpool_info

from backbench import threads


def counts(*_) -> set[int]:
    """The numbers of threads of BLAS and OpenMP in the thread that asks."""
    return {library["num_threads"] for library in threadpool_info()}


@pytest.mark.parametrize("run", [threads.as_done, threads.in_order])
def test_each_has_one_core(run):
    with threads.one_core_each(3):
        assert counts() == {1}
        assert list(run(counts, range(4))) == [{1}] * 4


def test_libraries_are_looked_for_again_after_an_import(monkeypatch):
    first = threads.libraries()
    assert threads.libraries() is first
    monkeypatch.setitem(sys.modules, "imported_meanwhile", types.ModuleType("imported_meanwhile"))
    assert threads.libraries() is not first
