"""Digest of the code that a result depends on.

Over the normalised syntax trees (no comments, docstrings, positions) of the given modules and of every module of this
package that they import, directly or not. Modules that cannot change a result are left out.

Parsing the package takes most of a second. What it gives is kept beside Python's compiled files, for each module under
the digest of its source, and like those it is not written where Python is told to write none.
"""

import ast
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "backbench"
ROOT = Path(__file__).parent
# What a plugin says of its time and memory changes no result: functions of these names at the top of a module.
UNCOUNTED = frozenset({"memory_mb", "seconds", "way", "gflops", "layers"})
NEUTRAL = frozenset(
    f"{PACKAGE}.{name}"
    for name in (
        *("paths", "files", "store", "schema", "plugins", "hashing", "code", "cost", "stage", "provenance", "derived"),
        "datasets._registry",
        "backbones._contract",
    )
)


class _Syntax(NamedTuple):
    """What the source of a module says: its digest, and what it names of this package in its imports."""

    source: str
    digest: str
    imports: tuple[str, ...]


class _Kept:
    """The syntax of modules in a file beside the compiled ones, read at the first question."""

    def __init__(self) -> None:
        # Written by this very source, or made anew.
        self.version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        self.path = Path(cache_from_source(__file__)).with_name(f"code.{sys.implementation.cache_tag}.json")
        self.modules = self._read()
        self.changed = False

    def of(self, name: str) -> _Syntax:
        content = _source(name).read_bytes()
        source = hashlib.sha256(content).hexdigest()
        kept = self.modules.get(name)
        if kept is None or kept.source != source:
            kept = self.modules[name] = _parsed(content, source)
            self.changed = True
        return kept

    def write(self) -> None:
        """Write what is new, whole or not at all; where nothing can be written, each process parses for itself."""
        if not self.changed or sys.dont_write_bytecode:
            return
        self.changed = False
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps({"version": self.version, "modules": self._read() | self.modules}))
            new.replace(self.path)

    def _read(self) -> dict[str, _Syntax]:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            kept = json.loads(self.path.read_text())
            if kept["version"] == self.version:
                entries = kept["modules"].items()
                return {name: _Syntax(source, dumped, tuple(names)) for name, (source, dumped, names) in entries}
        return {}


def digest(modules: Iterable[str]) -> str:
    """SHA-256 over the syntax of `modules` (dotted names) and all that they import within the package."""
    closure = sorted(_closure(frozenset(modules)))
    hasher = hashlib.sha256()
    for name in closure:
        hasher.update(f"{name}={_module_digest(name)}\n".encode())
    _kept().write()
    return hasher.hexdigest()


@cache
def _closure(modules: frozenset[str]) -> frozenset[str]:
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen or name in NEUTRAL:
            continue
        seen.add(name)
        waiting.extend(_imports(name))
    return frozenset(seen)


@cache
def _kept() -> _Kept:
    return _Kept()


@cache
def _syntax(name: str) -> _Syntax:
    return _kept().of(name)


def _parsed(content: bytes, source: str) -> _Syntax:
    tree = ast.parse(content)
    tree.body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name in UNCOUNTED)]
    dumped = hashlib.sha256("".join(_dump(tree)).encode()).hexdigest()
    return _Syntax(source, dumped, tuple(sorted(_imported(tree))))


def _module_digest(name: str) -> str:
    return _syntax(name).digest


def _source(name: str) -> Path:
    base = ROOT.joinpath(*name.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _exists(name: str) -> bool:
    return name.split(".")[0] == PACKAGE and name != PACKAGE and _source(name).exists()


@cache
def _imports(name: str) -> frozenset[str]:
    return frozenset(candidate for candidate in _syntax(name).imports if _exists(candidate))


def _imported(tree: ast.Module) -> set[str]:
    """Names below the package that imports mention, some of them things in modules."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.startswith(f"{PACKAGE}.")}


def _dump(node: Any) -> Iterator[str]:
    """Text of a syntax tree that is the same on every supported Python: empty fields are left out."""
    if isinstance(node, ast.AST):
        yield type(node).__name__ + "("
        for field, value in ast.iter_fields(node):
            if value is None or value == [] or field in ("type_comment", "kind"):
                continue
            yield field + "="
            yield from _dump(_without_docstring(node, field, value))
        yield ")"
    elif isinstance(node, list):
        for item in node:
            yield from _dump(item)
            yield ","
    else:
        yield repr(node)


def _without_docstring(node: ast.AST, field: str, value: Any) -> Any:
    holds_one = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and field == "body"
    if holds_one and isinstance(value[0], ast.Expr) and isinstance(value[0].value, ast.Constant):
        return value[1:] if isinstance(value[0].value.value, str) else value
    return value
