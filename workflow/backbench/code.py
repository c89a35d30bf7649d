"""Digest of the code that a result depends on.

Over the normalised syntax trees (no comments, docstrings, positions) of the given modules and of every module of this
package that they import, directly or not. Modules that cannot change a result are left out.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

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


def digest(modules: Iterable[str]) -> str:
    """SHA-256 over the syntax of `modules` (dotted names) and all that they import within the package."""
    closure = sorted(_closure(frozenset(modules)))
    hasher = hashlib.sha256()
    for name in closure:
        hasher.update(f"{name}={_module_digest(name)}\n".encode())
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
def _tree(name: str) -> ast.Module:
    tree = ast.parse(_source(name).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name in UNCOUNTED)]
    return tree


@cache
def _module_digest(name: str) -> str:
    return hashlib.sha256("".join(_dump(_tree(name))).encode()).hexdigest()


def _source(name: str) -> Path:
    base = ROOT.joinpath(*name.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _exists(name: str) -> bool:
    return name.split(".")[0] == PACKAGE and name != PACKAGE and _source(name).exists()


@cache
def _imports(name: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(candidate for candidate in names if _exists(candidate))


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
