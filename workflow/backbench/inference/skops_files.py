"""The format of skops: a zip of arrays and of JSON that names types, none of which is made without being trusted."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# What forests and gradient boosting consist of beyond the types that skops trusts by itself. Making them runs no code
# of the file, but scikit-learn follows the numbers in them unchecked: a forged file could end the process.
TRUSTED = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
EPOCH = (1980, 1, 1, 0, 0, 0)
SCHEMA = "schema.json"


class Unsafe(Exception):
    """A model with types that cannot be loaded safely."""


def save(model: Any, path: Path) -> list[str]:
    """Write `model`; returns which of `TRUSTED` whoever loads it has to trust. Equal models make equal files.

    Raises
    ------
    Unsafe
        If it has types besides.
    """
    import skops.io

    raw = path.with_suffix(".raw")
    skops.io.dump(model, raw)
    needed = skops.io.get_untrusted_types(file=raw)
    others = sorted(set(needed) - set(TRUSTED))
    if others:
        raise Unsafe(f"{', '.join(others)}: no type that may be loaded without running code of the file")
    _settle(raw, path)
    raw.unlink()
    return needed


def load(path: Path) -> Any:
    """The model in a file; anything but known types is refused by skops."""
    import skops.io

    return skops.io.load(path, trusted=list(TRUSTED))


def dumps(model: Any) -> "np.ndarray":
    """A model as the bytes (m,) uint8 of such a file, to be stored as an array.

    Raises
    ------
    Unsafe
        If it has types that cannot be loaded safely.
    """
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="backbench-") as folder:
        path = Path(folder) / "model.skops"
        save(model, path)
        return np.fromfile(path, np.uint8)


def loads(content: "np.ndarray") -> Any:
    """The model in the bytes (m,) of a file."""
    import skops.io

    return skops.io.loads(content.tobytes(), trusted=list(TRUSTED))


def _settle(raw: Path, path: Path) -> None:
    """The file without the addresses in memory that skops takes for names, and without times; compressed."""
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        schema = json.loads(old.read(SCHEMA))
        numbers: dict[str, int] = {}
        for node in _nodes(schema):
            if isinstance(node.get("__id__"), int):
                node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers) + 1)
            if isinstance(node.get("file"), str) and node["file"] in old.NameToInfo:
                stem, dot, suffix = node["file"].partition(".")
                kept = f"{numbers.setdefault(stem, len(numbers) + 1)}{dot}{suffix}"
                if kept not in new.NameToInfo:
                    _copy(old, node["file"], new, kept)
                node["file"] = kept
        new.writestr(_entry(SCHEMA), json.dumps(schema, separators=(",", ":")))


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of the schema, in its order."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
        if isinstance(node, (dict, list)):
            waiting.extend(reversed(list(node.values() if isinstance(node, dict) else node)))


def _copy(old: zipfile.ZipFile, name: str, new: zipfile.ZipFile, kept: str) -> None:
    with old.open(name) as source, new.open(_entry(kept), "w", force_zip64=True) as target:
        while block := source.read(1 << 22):
            target.write(block)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
