"""Canonical, typed JSON and SHA-256 over it, over arrays and over files."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SHOWN = 12
BLOCK = 1 << 22


def canonical_json(value: Any) -> str:
    """JSON text that is equal for equal values: sorted keys, no spaces; 10 and 10.0 differ.

    Raises
    ------
    TypeError
        For anything but mappings with text keys, lists, tuples, text, booleans, None and finite numbers.
    """
    return json.dumps(_checked(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 (64 hex digits) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def array_digest(array: "np.ndarray") -> str:
    """SHA-256 of the dtype, the shape and the elements, in C order, of an array of any shape (a, b, ...)."""
    import numpy as np

    head = f"{array.dtype.str}{list(array.shape)}".encode("ascii")
    hasher = hashlib.sha256(head)
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    for start in range(0, len(content), BLOCK):
        hasher.update(content[start : start + BLOCK])
    return hasher.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def short(full: str) -> str:
    """The 12 hex digits that are shown for a hash."""
    return full[:SHOWN]


def _checked(value: Any) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a hashed mapping has text keys; received {key!r}")
        return {key: _checked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_checked(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"a hashed number is finite; received {value!r}")
    if value is None or type(value) in (str, bool, int, float):
        return value
    raise TypeError(f"cannot hash {type(value).__name__}: {value!r}")
