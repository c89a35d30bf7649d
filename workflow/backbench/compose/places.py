"""Whether a word is a path (no hydra)."""

import os
import re
import urllib.parse
from pathlib import Path

# The end of a name that is a file's, not a word's.
SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,11}$")


def there(path: str) -> bool:
    """Whether a file or folder is at `path`; ``~`` is the home folder."""
    try:
        return bool(path) and os.path.lexists(_expanded(path))
    except (OSError, ValueError):
        return False


def like_a_path(word: str) -> bool:
    """Whether a word is written as a path: it has a slash, begins with a tilde or a dot, or ends in a suffix."""
    return "/" in word or "\\" in word or word.startswith(("~", ".")) or bool(SUFFIX.search(word))


def absolute(path: str | Path) -> Path:
    """The absolute path, without ``~``, ``.`` and ``..``; links stay."""
    return Path(os.path.normpath(_expanded(path).absolute()))


def _expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # a name behind the tilde that is nobody's
        return Path(path)


def of_address(path: str) -> str:
    """The path that a ``file:`` address names; any other path is itself."""
    if not path.startswith("file:/"):
        return path
    host_and_path = path.removeprefix("file://") if path.startswith("file://") else path.removeprefix("file:")
    return urllib.parse.unquote(host_and_path[host_and_path.find("/") :]) if "/" in host_and_path else path


def of_nobody(path: str) -> bool:
    """Whether a path begins with a tilde and a name that no user has, so that it is a name like any other."""
    return path.startswith("~") and _expanded(path) == Path(path)
