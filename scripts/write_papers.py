"""Write docs/papers.md from the stored tables in docs/papers; tables given as arguments are copied there first.

python scripts/write_papers.py                                       write the page
python scripts/write_papers.py results/papers/*/*/paper.json         add these tables, then write the page
python scripts/write_papers.py --check                               exit with 1 if the page is out of date
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from backbench.papers.page import papers
from backbench.papers.table import Table
from backbench.schema import ConfigError

DOCS = Path(__file__).resolve().parents[1] / "docs"


def page(folder: Path) -> str:
    """The text of the page for the tables in a folder."""
    return papers.render(read(path) for path in sorted(folder.glob("*.json")))


def read(path: Path) -> Table:
    """A stored table.

    Raises
    ------
    ConfigError
        If the file is none.
    """
    try:
        return Table.from_record(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} is not a paper.json ({type(error).__name__}: {error}); `backbench paper NAME` writes one."
        ) from error


def take(given: Sequence[Path], folder: Path) -> list[Path]:
    """Copy tables into a folder as NAME.json, NAME-2.json... without places of this machine; returns their paths.

    A table of the same command takes the place of the one that is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = [papers.public(read(path)) for path in given]
    taken = []
    for table in tables:
        target = _place(table, folder)
        target.write_text(json.dumps(table.record(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
        taken.append(target)
    return taken


def _place(table: Table, folder: Path) -> Path:
    """The file of the same command, or the first free name."""
    number = 1
    while (path := folder / f"{table.name}{f'-{number}' if number > 1 else ''}.json").exists():
        if read(path).command == table.command:
            return path
        number += 1
    return path


def main(words: Sequence[str] | None = None, docs: Path = DOCS) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "tables", nargs="*", type=Path, metavar="PAPER.JSON", help="tables that `backbench paper` wrote"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is out of date")
    args = parser.parse_args(words)
    target, stored = docs / "papers.md", docs / "papers"
    try:
        if args.check:
            fresh = target.exists() and target.read_text(encoding="utf-8") == page(stored)
            print("" if fresh else "docs/papers.md is out of date; run `make docs`", end="", file=sys.stderr)
            return int(not fresh)
        for path in take(args.tables, stored):
            print(path.relative_to(docs.parent))
        target.write_text(page(stored), encoding="utf-8")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
