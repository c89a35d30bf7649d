"""The notebook of the documents: its cells run as they are, and are those of its source."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "write_notebook.py"))


def test_it_has_the_cells_of_its_source():
    assert SCRIPT["fresh"]()


@pytest.mark.slow
def test_every_cell_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    cells = SCRIPT["notebook"](executed=True)["cells"]
    texts = [
        "".join(output["data"]["text/plain"])
        for cell in cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert texts[-1] == "'agrees: bit for bit'"
