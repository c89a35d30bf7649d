"""Work that several processes of one test run need: the first does it, the others wait and take what it left."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
    """A folder that `make` fills once in a test run, and what `make` returned (JSON).

    pytest-xdist gives each of its processes a folder below that of the run; alone, a process has the run's own.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, answer = shared / f"shared-{name}", shared / f"shared-{name}.json"
    with FileLock(shared / f"shared-{name}.lock"):
        if not answer.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            answer.write_text(json.dumps(make(folder)))
    return folder, json.loads(answer.read_text())
