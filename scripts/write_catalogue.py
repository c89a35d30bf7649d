"""Write docs/catalogue.md: every plugin with its options, from the YAML files and the plugins' own docstrings.

python scripts/write_catalogue.py            write the page
python scripts/write_catalogue.py --check    exit with 1 if the page is out of date
"""

import argparse
import ast
import re
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs" / "catalogue.md"
KINDS = {
    "dataset": ("datasets", "Collections of images"),
    "backbone": ("backbones", "Backbones"),
    "transform": ("transforms", "Transforms"),
    "clusterer": ("clusterers", "Clusterers"),
    "classifier": ("classifiers", "Classifiers"),
}
HEAD = """\
# Catalogue

<!-- Written by scripts/write_catalogue.py (`make docs`); a test keeps it fresh. Do not edit. -->

Every plugin, with a description, its options and their defaults. Set an option with `KIND.OPTION=VALUE`
(`backbone.image.size=128`), and sweep it with several values (`backbone.image.size=96,128`).
"""


def page() -> str:
    """The text of docs/catalogue.md."""
    parts = [HEAD, _contents()]
    for kind, (package, title) in KINDS.items():
        parts.append(f"## {title}\n\nChosen with `{kind}=NAME`.\n")
        parts += [_entry(package, path) for path in _files(kind)]
    return "\n".join(parts)


def _files(kind: str) -> list[Path]:
    return [path for path in sorted((CHECKOUT / "conf" / kind).glob("*.yaml")) if path.stem != "none"]


def _contents() -> str:
    lines = ["| kind | plugins |", "| --- | --- |"]
    for kind in KINDS:
        names = ", ".join(f"[{path.stem}](#{path.stem})" for path in _files(kind))
        lines.append(f"| {kind} | {names} |")
    return "\n".join([*lines, ""])


def _entry(package: str, path: Path) -> str:
    module = CHECKOUT / "workflow" / "backbench" / package / f"{path.stem}.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    options = "\n".join(line for line in lines if line.strip() and not line.startswith("name:"))
    return "\n".join([f"### {path.stem}", "", _docstring(module), "", "```yaml", options, "```", ""])


def _docstring(path: Path) -> str:
    """The docstring of a module, without its layer and without the markup of code."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.sub(r" \(layer \d\)", "", text).replace("``", "`")


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
