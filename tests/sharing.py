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
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, told = shared / f"shared-{name}", shared / f"shared-{name}.json"
    with FileLock(shared / f"shared-{name}.lock"):
        if not told.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            told.write_text(json.dumps(make(folder)))
    return folder, json.loads(told.read_text())
