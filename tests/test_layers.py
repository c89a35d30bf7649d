"""Imports go downward only, and each heavy library has one importer."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import backbench

ROOT = Path(backbench.__file__).parent
# The layer that each room's docstring says; "" is the package itself.
PAGE = runpy.run_path(str(ROOT.parents[1] / "scripts" / "write_architecture.py"))
LAYER, HEAVY = PAGE["layers"](), PAGE["HEAVY"] - {"hydra", "omegaconf"}
ONLY_IMPORTER = {"hydra": "compose", "omegaconf": "compose", "mlflow": "tracking", "snakemake": "cli"}
FILES = sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py").removesuffix("__init__")


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downward(path):
    for name in imported(path):
        if name.startswith("backbench."):
            target = name.split(".")[1]
            target = target if target in LAYER else ""
            assert LAYER[target] <= LAYER[room(path)], f"{room(path)} imports {name} from a layer above"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_heavy_library_has_one_importer(path):
    for name in imported(path):
        package = name.split(".")[0]
        if package in ONLY_IMPORTER:
            assert room(path) == ONLY_IMPORTER[package], f"{room(path)} imports {package}"


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
