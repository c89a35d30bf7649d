"""The index of a folder of pictures: ``index.json``, from the name of a picture to what is known of it.

An entry has ``png`` and ``csv`` where the picture exists, else ``failure`` or ``lacks`` with the reason. Its ``key``
says what it was made from.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import paths
from backbench.files import locked, make_folder, write_text

FILE = "index.json"
FILES = ("png", "csv")

Entry = Mapping[str, Any]


def root() -> Path:
    """Folder of the pictures of all runs and sweeps made here."""
    return paths.results() / "pictures"


def read(folder: Path) -> dict[str, Entry]:
    """The entries of a folder by name; empty where there are none, or the file is damaged."""
    try:
        content = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return (
        {name: entry for name, entry in content.items() if isinstance(entry, dict)} if isinstance(content, dict) else {}
    )


def update(folder: Path, changes: Mapping[str, Entry | None]) -> None:
    """Replace entries, or with None drop them, in one step; files that no entry names any more are removed."""
    make_folder(folder)
    with locked(root() / ".lock"):
        old = read(folder)
        new = {name: entry for name, entry in {**old, **changes}.items() if entry is not None}
        if new != old:
            write_text(folder / FILE, json.dumps(new, indent=1, sort_keys=True, ensure_ascii=False))
        for name in _files(old) - _files(new):
            (folder / name).unlink(missing_ok=True)


def current(folder: Path, entry: Entry | None, key: str) -> bool:
    """Whether a picture exists and was made from what `key` stands for."""
    return entry is not None and entry.get("key") == key and there(folder, entry)


def there(folder: Path, entry: Entry) -> bool:
    """Whether the files of an entry exist."""
    return all(name in entry and (folder / entry[name]).is_file() for name in FILES)


def _files(entries: Mapping[str, Entry]) -> set[str]:
    return {entry[name] for entry in entries.values() for name in FILES if name in entry}
