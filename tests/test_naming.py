"""Names say what they hold, and docstrings say what shape an array has: held over every function of the library."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import backbench

ROOT = Path(backbench.__file__).parent
# Names that hold anything at all.
EMPTY = {"found", "gone", "one", "own", "said", "told"}
# A tuple such as (n, d), (images,) or (rows, ...).
SHAPE = re.compile(r"\((?:[a-z0-9_]+|\.\.\.)(?: [+*-] [a-z0-9_]+)*,(?: [^()]*)?\)")


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.arg]:
    args = function.args
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]


def locals_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Names that a function binds: its parameters, and what it and its lambdas assign."""
    names = {arg.arg for arg in parameters(function)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Lambda):
            names.update(arg.arg for arg in parameters(node))
    return names


def handles_arrays(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    annotations = [arg.annotation for arg in parameters(function)] + [function.returns]
    return any("ndarray" in ast.unparse(annotation) for annotation in annotations if annotation)


def test_no_name_is_empty_of_meaning():
    wrong = [
        f"{place}: {', '.join(names)}" for place, node in functions() if (names := sorted(locals_of(node) & EMPTY))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_function_of_arrays_says_their_shape():
    wrong = [
        place for place, node in functions() if handles_arrays(node) and not SHAPE.search(ast.get_docstring(node) or "")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_pattern_of_shapes():
    for text in ("(n, d)", "(images,)", "(n, k + 1)", "(n - 1, 4)", "(rows, ...)", "(a, b, ...)", "(h, w, 3)"):
        assert SHAPE.search(f"Rows {text} of it."), text
    for text in ("(none)", "(see above)", "()", "(layer 2)"):
        assert not SHAPE.search(f"Rows {text} of it."), text
