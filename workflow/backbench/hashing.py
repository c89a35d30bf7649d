"""Canonical, typed JSON and SHA-256 over it, over arrays and over files."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SHOWN = 12
BLOCK = 1 << 22
LEVELS = 2
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_SCALARS = frozenset({str, bool, int, type(None)})
_CONTAINERS = frozenset({dict, list, tuple})


def canonical_json(value: Any) -> str:
    """JSON text that is equal for equal values: sorted keys, no spaces; 10 and 10.0 differ.

    Raises
    ------
    TypeError
        For anything but mappings with text keys, lists, tuples, text, booleans, None and finite numbers.
    """
    return _ENCODER.encode(value if _plain(value) else _checked(value))


def digest(value: Any) -> str:
    """SHA-256 (64 hex digits) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def large_digest(value: Mapping[str, Any]) -> str:
    """`digest` of a mapping of large mappings and lists, whose text is made piece by piece and never whole."""
    hasher = hashlib.sha256()
    for piece in _pieces(value, LEVELS):
        hasher.update(piece.encode("ascii"))
    return hasher.hexdigest()


def _pieces(value: Any, levels: int) -> Iterator[str]:
    """The canonical JSON of `value`, its uppermost `levels` taken apart."""
    if not levels or type(value) not in (dict, list):
        yield canonical_json(value)
        return
    yield "{" if type(value) is dict else "["
    for number, key in enumerate(sorted(value) if type(value) is dict else range(len(value))):
        yield "," if number else ""
        if type(value) is dict:
            yield f"{canonical_json(key)}:"
        yield from _pieces(value[key], levels - 1)
    yield "}" if type(value) is dict else "]"


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


def _plain(value: Any) -> bool:
    """Whether a value can be encoded as it is. Most can, and `_checked` copies what it checks."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        items: Iterable[Any] = value.values()
    elif kind is list or kind is tuple:
        items = value
    else:
        items = (value,)
    for item in items:
        kind = type(item)
        if kind in _CONTAINERS and item is not value:
            if not _plain(item):
                return False
        elif kind not in _SCALARS and not (kind is float and math.isfinite(item)):
            return False
    return True


def _checked(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is int:
        return value
    if kind is dict or isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a hashed mapping has text keys; received {key!r}")
        return {key: _checked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_checked(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"a hashed number is finite; received {value!r}")
    if kind is float:
        return value
    raise TypeError(f"cannot hash {kind.__name__}: {value!r}")
