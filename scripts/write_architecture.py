"""Write docs/architecture.md from what the package says and imports.

python scripts/write_architecture.py            write the page
python scripts/write_architecture.py --check    exit with 1 if the page is out of date
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = "backbench"
CHECKOUT = Path(__file__).resolve().parents[1]
ROOT = CHECKOUT / "workflow" / PACKAGE
PAGE = CHECKOUT / "docs" / "architecture.md"
LAYER = re.compile(r"\(layer (\d)\b")
HEAVY = {
    *(
        "faiss",
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
        "skops",
        "sqlalchemy",
        "statsmodels",
        "timm",
        "torch",
        "torchvision",
        "umap",
    ),
}
TITLES = {
    4: "the command line",
    3: "the interfaces to Hydra and MLflow",
    2: "the sweep and its stages",
    1: "plugins and metrics",
    0: "types, paths and storage",
}
HEAD = """\
# Architecture

<!-- Written by scripts/write_architecture.py (`make docs`); a test keeps it fresh. Do not edit. -->

The library is `workflow/backbench/`. Its modules and packages form layers; each states its layer in its docstring,
and imports go only downward or sideways. Above it are the `Snakefile` with `workflow/rules/*.smk`, which import only
what planning needs, and `scripts/`, one per rule, each of which can be run by hand. Layers 0 to 2 import neither
snakemake nor mlflow nor hydra.

Plugins (`plugins.load`), stages (`sweep.run.runner`) and commands (`cli`) are loaded by name when they are needed, so
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
        """The top-level module or package that this file is, or is part of."""
        return self.name.split(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @property
    def summary(self) -> str:
        """First line of the docstring, the layer left out."""
        line = re.sub(r" \(layer \d\)", "", self.docstring.partition("\n")[0])
        line = re.sub(r"\(layer \d[,;:] ", "(", line)
        return line.replace("``", "`").replace("|", "\\|")

    @cached_property
    def imports(self) -> Mapping[str, bool]:
        """Dotted names that are imported; the value says whether it happens when this module is imported."""
        found: dict[str, bool] = {}
        for node, at_once in _imports(self.tree, True):
            for name in _names(node):
                found[name] = found.get(name, False) or at_once
        return found

    @property
    def inside(self) -> list[str]:
        """Rooms of this package that it imports, its own left out."""
        names = (name.split(".")[1] for name in self.imports if name.startswith(f"{PACKAGE}."))
        rooms = {name if _is_room(name) else "" for name in names}
        return sorted(rooms - {self.room, ""})

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


def layers() -> dict[str, int]:
    """Layer of every room, as its docstring says it; the package itself imports nothing and is in layer 0.

    Raises
    ------
    ValueError
        If a docstring does not say it.
    """
    found = {"": 0}
    for module in modules():
        if module.name and module.name == module.room:
            match = LAYER.search(module.docstring)
            if not match:
                raise ValueError(f"{module.path}: the docstring says no '(layer N)'")
            found[module.room] = int(match[1])
    return found


def page() -> str:
    """The text of docs/architecture.md."""
    rank, files = layers(), modules()
    parts = [HEAD, _picture(rank, files), _rooms(rank, files)]
    parts += [
        _layer(layer, [file for file in files if rank[file.room] == layer and file.name]) for layer in (4, 3, 2, 1, 0)
    ]
    return "\n".join(parts)


def _picture(rank: Mapping[str, int], files: Iterable[Module]) -> str:
    edges = _reduced(_edges(files))
    lines = [
        "## Picture",
        "",
        "An arrow means *imports*; arrows that follow from other arrows are omitted.",
        "",
        "```mermaid",
    ]
    lines.append("flowchart TD")
    for layer in sorted(set(rank.values()), reverse=True):
        lines.append(f'  subgraph L{layer}["{layer}: {TITLES[layer]}"]')
        lines += [f"    {room}" for room in sorted(rank) if room and rank[room] == layer]
        lines.append("  end")
    lines += [f"  {source} --> {target}" for source in sorted(edges) for target in sorted(edges[source])]
    return "\n".join([*lines, "```", ""])


def _rooms(rank: Mapping[str, int], files: list[Module]) -> str:
    edges = _edges(files)
    lines = ["## Packages", "", "| layer | package or module | what | imports |", "| --- | --- | --- | --- |"]
    named = {file.name: file for file in files}
    for room in sorted(edges, key=lambda room: (-rank[room], room)):
        if room:
            imports = ", ".join(f"`{target}`" for target in sorted(edges[room])) or "none"
            lines.append(f"| {rank[room]} | `{room}` | {named[room].summary} | {imports} |")
    return "\n".join([*lines, ""])


def _layer(layer: int, files: Iterable[Module]) -> str:
    lines = [f"## Layer {layer}: {TITLES[layer]}", "", "Libraries in brackets are imported only inside functions.", ""]
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


def _is_room(name: str) -> bool:
    return (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file()


def _imports(node: ast.AST, at_once: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Import statements below `node`; type-checking blocks import nothing."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
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
