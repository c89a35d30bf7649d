"""Write docs/tour.ipynb: run its cells in an empty results folder and keep what they show.

python scripts/write_notebook.py            run the cells of docs/tour.py and write the notebook
python scripts/write_notebook.py --check    exit with 1 if the notebook has other cells than docs/tour.py

docs/tour.py holds the cells as text: a comment block that begins with ``# %% [markdown]`` is a page of text, what
follows ``# %%`` is code.
"""

import argparse
import ast
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
SOURCE, NOTEBOOK = DOCS / "tour.py", DOCS / "tour.ipynb"
CELL = re.compile(r"^# %%(?P<kind> \[markdown\])?\n", re.MULTILINE)


def cells(text: str) -> list[tuple[str, str]]:
    """(kind, text) of each cell: ``markdown`` or ``code``."""
    starts = list(CELL.finditer(text))
    stops = [start.start() for start in starts[1:]] + [len(text)]
    parts = []
    for start, stop in zip(starts, stops, strict=True):
        body = text[start.end() : stop].strip("\n")
        if start["kind"]:
            parts.append(
                ("markdown", "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines()))
            )
        else:
            parts.append(("code", body))
    return parts


def run(code: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the code of a cell; returns what it prints, and the value of its last line."""
    tree, printed = ast.parse(code), io.StringIO()
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, SOURCE.name, "exec"), names)
        value = eval(compile(last, SOURCE.name, "eval"), names) if last else None
    outputs = [{"output_type": "stream", "name": "stdout", "text": lines(printed.getvalue())}] if printed.tell() else []
    if value is not None:
        data = {"text/plain": lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = lines(value._repr_html_())
        outputs.append({"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data})
    return outputs


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def notebook(executed: bool) -> dict[str, Any]:
    """The notebook as JSON; `executed` runs its cells."""
    names: dict[str, Any] = {}
    made = []
    for number, (kind, text) in enumerate(cells(SOURCE.read_text())):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": lines(text)}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": run(text, names) if executed else []}
        made.append(cell)
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def fresh() -> bool:
    """Whether the notebook has the cells of the source."""
    written = json.loads(NOTEBOOK.read_text())["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in written] == cells(SOURCE.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        return 0 if fresh() else 1
    with tempfile.TemporaryDirectory(prefix="backbench-tour-") as folder:
        os.environ.setdefault("BACKBENCH_RESULTS", folder)
        NOTEBOOK.write_text(json.dumps(notebook(executed=True), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
