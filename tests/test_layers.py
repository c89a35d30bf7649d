"""Imports go downward only, and each heavy library has one importer."""

import ast
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import backbench

ROOT = Path(backbench.__file__).parent
# The layer that each room's docstring says; "" is the package itself.
PAGE = runpy.run_path(str(ROOT.parents[1] / "scripts" / "write_architecture.py"))
LAYER, HEAVY = PAGE["layers"](), PAGE["HEAVY"] - {"hydra", "omegaconf"}
ONLY_IMPORTER = {"hydra": "compose", "omegaconf": "compose", "mlflow": "tracking", "snakemake": None}
FILES = sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py").removesuffix("__init__")


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def imports() -> Iterator[tuple[Path, str]]:
    """Every import of every file of the package."""
    for path in FILES:
        for name in sorted(imported(path)):
            yield path, name


def test_imports_go_downward():
    wrong = []
    for path, name in imports():
        if name.startswith("backbench."):
            target = name.split(".")[1]
            target = target if target in LAYER else ""
            if LAYER[target] > LAYER[room(path)]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name} from a layer above")
    assert not wrong, "\n".join(wrong)


def test_each_heavy_library_has_one_importer():
    wrong = []
    for path, name in imports():
        package = name.split(".")[0]
        if package in ONLY_IMPORTER and room(path) != ONLY_IMPORTER[package]:
            wrong.append(f"{path.relative_to(ROOT)} imports {package}")
    assert not wrong, "\n".join(wrong)


def test_planning_imports_nothing_heavy():
    program = (
        "import sys; from backbench import planning, plugins\n"
        "from backbench.cli import audit, plan, sweep, runs, leaderboard, select, show, diff, reproduce, track, ui\n"
        "[plugins.load(kind, name) for kind in plugins.PACKAGES for name in plugins.names(kind)]\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "hydra" in loaded
    assert not set(loaded) & set(HEAVY)
