"""The commands of docs/cluster.md and of the README's section, as they are written, on the real SLURM."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import needs_slurm, slurm
from pictures import paint
from workbench import MAIN, NOT_INHERITED, PATIENCE, copy_checkout, end_all, processes

from backbench import paths

__all__ = ["slurm"]

README = (paths.CHECKOUT / "README.md").read_text()
SECTION = README.partition("## On a cluster\n")[2].partition("\n## ")[0]
PAGE = (paths.CHECKOUT / "docs" / "cluster.md").read_text() + SECTION
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# Programs that are not here, or that would set up an environment: their commands are only read by the shell.
READ_ONLY = ("make", "source", "apptainer", "docker", "kubectl", "sbatch")
# In place of the default grids, which take minutes.
TINY = """\
# @package _global_
# Two runs, for tests.
defaults:
  - override /dataset: folder
  - override /backbone: pixels
  - override /selection: published
plots: none
dataset:
  root: {photos}
sweep:
  k: 2,3
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a few photos, and a checkout whose default grids are small."""
    folder = tmp_path_factory.mktemp("home")
    for number in range(30):
        paint(folder / "photos" / f"class{number % 3}" / f"{number:02}.png", number)
    checkout = copy_checkout(folder / "checkout")
    shutil.copy2(paths.CHECKOUT / "requirements.lock", checkout)
    for name in ("quickstart", "collection"):
        text = TINY.format(photos=folder / "photos")
        (checkout / "conf" / "experiment" / f"{name}.yaml").write_text(text)
    for name, start in (("backbench", f'-c "{MAIN}"'), ("snakemake", "-m snakemake")):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {start} "$@"\n')
        program.chmod(0o755)
    yield folder
    end_all(checkout / "results")


def typed(home: Path, script: str) -> subprocess.CompletedProcess:
    """What comes of lines that are typed in the checkout."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
    own = {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(home / "checkout" / "workflow"),
        "TMPDIR": str(home),
        "HF_HUB_OFFLINE": "1",
    }
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=home / "checkout",
        env={**inherited, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def run_lines(block: str) -> list[str]:
    """The lines of a block that are run."""
    return [line for line in block.splitlines() if line.split()[0] not in READ_ONLY]


@needs_slurm
@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if run_lines(block)], ids=lambda block: run_lines(block)[0]
)
def test_the_commands_work_as_written(home, block):
    done = typed(home, "\n".join(run_lines(block)))
    assert done.returncode == 0, done.stdout + done.stderr
    results = home / "checkout" / "results"
    if "sweep ~/photos -- --workflow-profile profiles/slurm\n" in block:
        assert "2 runs: 2 finished" in done.stderr
        assert [*(results / "receipts" / "batch").glob("*.json")] and not processes(results)
    elif "-n\n" in block:
        assert "compute_batch" in done.stdout + done.stderr or "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if not run_lines(block)], ids=lambda block: block.split()[0]
)
def test_the_other_commands_are_lines_of_a_shell(block):
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)
    for line in block.splitlines():
        if line.split()[0] == "make":
            subprocess.run(["make", "-n", *line.partition("#")[0].split()[1:]], cwd=paths.CHECKOUT, check=True)


@needs_slurm
@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize("line", sorted(set(re.findall(r"`((?:squeue|backbench doctor) [^`]+)`", PAGE))))
def test_the_commands_against_failures_work(home, line):
    done = typed(home, line)
    assert done.returncode == 0, done.stdout + done.stderr
