"""Write docs/architecture.md from what the package says and imports.

python scripts/write_architecture.py            write the page
python scripts/write_architecture.py --check    exit with 1 if the page is out of date
"""

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "backbench"
CHECKOUT = Path(__file__).resolve().parents[1]
ROOT = CHECKOUT / "workflow" / PACKAGE
PAGE = CHECKOUT / "docs" / "architecture.md"
# Packages whose own packages and modules are rooms.
DIVIDED = {"engine"}
IMPORTS = (ast.Import, ast.ImportFrom)
Levels = Iterable[tuple[int, list[str]]]
HEAVY = {
    *(
        "faiss",
        "fast_plscan",
        "fastcluster",
        "genieclust",
        "hydra",
        "imagehash",
        "joblib",
        "kneed",
        "matplotlib",
        "mlflow",
        "omegaconf",
    ),
    *("open_clip", "openTSNE", "openvino", "pandas", "PIL", "pooch", "pyarrow", "quitefastmst", "rich", "safetensors"),
    *(
        "scikit_posthocs",
        "scipy",
        "sklearn",
        "sknetwork",
        "skops",
        "sqlalchemy",
        "statsmodels",
        "timm",
        "torch",
        "torchvision",
        "umap",
    ),
}
HEAD = """\
# Architecture

<!-- Written by scripts/write_architecture.py (`make docs`); a test keeps it fresh. Do not edit. -->

The library is `workflow/backbench/`. Its rooms, modules and packages, stand on floors: a room imports from the floors
below it alone, and no files import each other in a circle (imports for types count as well). `tests/test_layers.py`
declares the floors. Above them are the `Snakefile` with `workflow/rules/*.smk`, which import the planning side alone,
and `scripts/`, one per rule, each of which can be run by hand. Hydra is imported by `compose` alone, MLflow by
`tracking` and Snakemake by `cli`.

Plugins (`plugins.load`), stages (`engine.run.runner`) and commands (`cli`) are loaded by name when they are needed, so
that planning and `--help` stay quick; they do not count as imports here.
"""


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path

    @property
    def name(self) -> str:
        """Dotted name below the package; empty for the package itself."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(part for part in parts if part != "__init__")

    @property
    def room(self) -> str:
        """The module or package that this file is, or is part of."""
        return room_of(self.name)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return self.docstring.partition("\n")[0].replace("``", "`").replace("|", "\\|")

    @cached_property
    def imports(self) -> Mapping[str, bool]:
        """Dotted names that are imported; the value says whether it happens when this module is imported."""
        names: dict[str, bool] = {}
        for node, at_once in _imports(self.tree, True):
            for name in _names(node):
                names[name] = names.get(name, False) or at_once
        return names

    @cached_property
    def files(self) -> set[str]:
        """Files of this package that it imports, by name; those for types alone too."""
        names = {name for node in ast.walk(self.tree) if isinstance(node, IMPORTS) for name in _names(node)}
        inside = (name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}."))
        return {_file_of(name) for name in inside} - {self.name, ""}

    @property
    def inside(self) -> list[str]:
        """Rooms of this package that it imports, its own left out."""
        return sorted({room_of(name) for name in self.files} - {self.room})

    @property
    def heavy(self) -> list[str]:
        """Heavy libraries that it imports, those inside functions in brackets."""
        tops: dict[str, bool] = {}
        for name, at_once in self.imports.items():
            top = name.split(".")[0]
            tops[top] = tops.get(top, False) or at_once
        return [name if tops[name] else f"({name})" for name in sorted(HEAVY & set(tops))]


def modules() -> list[Module]:
    """All files of the package, by name."""
    return sorted((Module(path) for path in ROOT.rglob("*.py")), key=lambda module: module.name)


def room_of(name: str) -> str:
    """The room of a file of this package."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in DIVIDED else parts[0]


def circles(files: Iterable[Module]) -> list[str]:
    """Files that import each other in a circle, the first circle that there is."""
    try:
        TopologicalSorter({file.name: file.files for file in files}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def floors(files: Iterable[Module]) -> list[list[str]]:
    """The rooms by floor, the lowest first: each as low as what it imports allows.

    Raises
    ------
    CycleError
        If rooms import each other in a circle.
    """
    sorter = TopologicalSorter({room: targets for room, targets in _edges(files).items() if room not in ("", *DIVIDED)})
    sorter.prepare()
    found = []
    while sorter.is_active():
        found.append(sorted(ready := sorter.get_ready()))
        sorter.done(*ready)
    return found


def page() -> str:
    """The text of docs/architecture.md."""
    files = modules()
    levels = list(enumerate(floors(files)))[::-1]
    parts = [HEAD, _picture(levels, files), _rooms(levels, files)]
    parts += [_floor(level, [file for file in files if file.room in rooms]) for level, rooms in levels]
    return "\n".join(parts)


def _picture(levels: Levels, files: Iterable[Module]) -> str:
    edges = _reduced(_edges(files))
    lines = ["## Picture", "", "An arrow means *imports*; arrows that follow from others are left out.", ""]
    lines += ["```mermaid", "flowchart TD"]
    for level, rooms in levels:
        lines += [f'  subgraph F{level}["{level}"]', *(f"    {room}" for room in rooms), "  end"]
    lines += [f"  {source} --> {target}" for source in sorted(edges) for target in sorted(edges[source])]
    return "\n".join([*lines, "```", ""])


def _rooms(levels: Levels, files: list[Module]) -> str:
    edges, named = _edges(files), {file.name: file for file in files}
    lines = ["## Rooms", "", "| floor | room | what | imports |", "| --- | --- | --- | --- |"]
    for level, rooms in levels:
        for room in rooms:
            imports = ", ".join(f"`{target}`" for target in sorted(edges[room])) or "nothing of this package"
            lines.append(f"| {level} | `{room}` | {named[room].summary} | {imports} |")
    return "\n".join([*lines, ""])


def _floor(level: int, files: Iterable[Module]) -> str:
    lines = [f"## Floor {level}", "", "Libraries in brackets are imported inside functions alone.", ""]
    lines += ["| module | what | imports within the package | libraries |", "| --- | --- | --- | --- |"]
    for file in files:
        inside = ", ".join(f"`{room}`" for room in file.inside)
        lines.append(f"| `{file.name}` | {file.summary} | {inside} | {', '.join(file.heavy)} |")
    return "\n".join([*lines, ""])


def _edges(files: Iterable[Module]) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {}
    for file in files:
        edges.setdefault(file.room, set()).update(file.inside)
    return edges


def _reduced(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The edges that do not follow from others."""
    return {
        source: {far for far in targets if not any(far in _reach(edges, near) for near in targets - {far})}
        for source, targets in edges.items()
    }


def _reach(edges: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        room = waiting.pop()
        if room not in seen:
            seen.add(room)
            waiting.extend(edges.get(room, ()))
    return seen


def _file_of(name: str) -> str:
    """The file that a dotted name is, or lies in."""
    path = ROOT.joinpath(*name.split("."))
    return name if path.is_dir() or path.with_suffix(".py").is_file() else name.rpartition(".")[0]


def _imports(node: ast.AST, at_once: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Import statements below `node`; type-checking blocks import nothing."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, IMPORTS):
            yield child, at_once
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _imports(child, at_once and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is out of date")
    text = page()
    if not parser.parse_args().check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print(f"{PAGE.relative_to(CHECKOUT)} is out of date; run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
