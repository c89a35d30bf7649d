"""Files of weights: finding them without importing their package, and their digest (layer 1)."""

import functools
import importlib.util
from pathlib import Path

from backbench import hashing
from backbench.schema import ConfigError


def packaged(package: str, file: str) -> Path | None:
    """Path of a file inside an installed package, whether or not it exists; None without the package."""
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent / file if found and found.origin else None


def digest(path: Path) -> str:
    """SHA-256 of a file of weights; computed once per process unless its size or modification time changes.

    Raises
    ------
    ConfigError
        If there is no such file.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise ConfigError(f"weights: cannot read {path} ({error.strerror}).") from error
    if not path.is_file():
        raise ConfigError(f"weights: {path} is no file.")
    return _digest(path, about.st_size, about.st_mtime_ns)


@functools.cache
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    return hashing.file_digest(path)
