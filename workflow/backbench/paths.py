"""Where things lie (standard library only). No path is ever part of a hash."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def conf() -> Path:
    """Folder of the configuration groups (``BACKBENCH_CONF``, else ``conf/`` of the checkout)."""
    return _place("BACKBENCH_CONF", CHECKOUT / "conf")


def results() -> Path:
    """Folder of everything that a sweep makes (``BACKBENCH_RESULTS``, else ``results/``)."""
    return _place("BACKBENCH_RESULTS", CHECKOUT / "results")


def store() -> Path:
    """Root of the content-addressed store (``BACKBENCH_STORE``, else ``results/store``)."""
    return _place("BACKBENCH_STORE", results() / "store")


def downloads() -> Path:
    """Folder of fetched originals, verified at every use (``BACKBENCH_DOWNLOADS``)."""
    return _place("BACKBENCH_DOWNLOADS", results() / "downloads")


def logs() -> Path:
    """Folder of the job logs."""
    return results() / "logs"


def plans() -> Path:
    """Folder of the frozen plans."""
    return results() / "plans"


def sweeps() -> Path:
    """Folder of the joined results, one sub-folder per plan."""
    return results() / "sweeps"


def receipts() -> Path:
    """Folder of the shard receipts: the outputs that Snakemake sees."""
    return results() / "receipts"


def _place(variable: str, default: Path) -> Path:
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else default
