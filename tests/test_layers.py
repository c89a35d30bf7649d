"""Rooms import from the floors below them alone, no files import each other in a circle, and each heavy library has
one importer."""

import ast
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import backbench

ROOT = Path(backbench.__file__).parent
PAGE = runpy.run_path(str(ROOT.parents[1] / "scripts" / "write_architecture.py"))
MODULES, HEAVY = PAGE["modules"](), PAGE["HEAVY"] - {"hydra", "omegaconf"}
# From the lowest floor to the highest. A room that moves to another floor is moved here as well, on purpose.
FLOORS = """
code cost device findings first_words hashing machine mounts paths processes schema slurm threads titles wording
arrays engine.grid files metrics plugins provenance settings slurm_reasons
classifiers clusterers images judging launch_record plots sharing statistics store templates transforms
derived lock stage
datasets
backbones compose
engine.cost stages
engine.plan
engine.run
engine.results engine.time
evaluate reproduce
answers pictures
inference organising planning reports upkeep
app exports launching papers
tracking
sweeping
doctor interface
cli
__main__
"""
ONLY_IMPORTER = {"hydra": "compose", "omegaconf": "compose", "mlflow": "tracking", "snakemake": "sweeping"}


def imports() -> Iterator[tuple[Path, str]]:
    """Every import of every file of the package."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: relative import"
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


def test_no_files_import_each_other_in_a_circle():
    assert PAGE["circles"](MODULES) == []


def test_rooms_stand_on_the_floors_that_are_declared():
    assert PAGE["floors"](MODULES) == [line.split() for line in FLOORS.strip().splitlines()]


def test_each_heavy_library_has_one_importer():
    wrong = []
    for path, name in imports():
        package, room = name.split(".")[0], path.relative_to(ROOT).parts[0].removesuffix(".py")
        if package in ONLY_IMPORTER and room != ONLY_IMPORTER[package]:
            wrong.append(f"{path.relative_to(ROOT)} imports {package}")
    assert not wrong, "\n".join(wrong)


def test_planning_imports_nothing_heavy():
    program = (
        "import sys; from backbench import planning, plugins\n"
        "from backbench.cli import answer, audit, plan, sweep, runs, leaderboard, select, show, diff\n"
        "from backbench.cli import reproduce, track, ui\n"
        "[plugins.load(kind, name) for kind in plugins.PACKAGES for name in plugins.names(kind)]\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "hydra" in loaded
    assert not set(loaded) & set(HEAVY)
