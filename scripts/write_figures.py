"""Write the table of speeds in README.md from the pages in benchmarks/results, each of which has its rows at the end.

python scripts/write_figures.py            write the table
python scripts/write_figures.py --check    exit with 1 if it is out of date
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import _figures  # noqa: E402

# The order of the pages in the table: what people wait for, and what that rests on.
PAGES = (
    *("first_table", "drawing", "peers", "million", "precision", "forward", "extraction", "planning"),
    "sweep_overhead",
)
MARKED = re.compile(r"(?<=<!-- numbers -->\n).*?(?=<!-- /numbers -->)", re.DOTALL)
INTRODUCTION = """\
On two shared cores, each row from one run of its script in `benchmarks/`. The pages in `benchmarks/results/` have the
commands, the machines and the full tables, bad launches included.
"""


def table(results: Path) -> str:
    """What stands between the two marks."""
    rows = [row for page in PAGES for row in _figures.read(results / f"{page}.md")]
    return "\n".join([INTRODUCTION, *_figures.TOP, *rows, "", ""])


def main(words: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the table is out of date")
    args = parser.parse_args(words)
    readme = root / "README.md"
    before = readme.read_text(encoding="utf-8")
    fresh = table(root / "benchmarks" / "results")
    after, marks = MARKED.subn(lambda _: fresh, before)
    if marks != 1:
        print(f"{readme.name}: received {marks} pairs of marks <!-- numbers -->; allowed: one.", file=sys.stderr)
        return 1
    if args.check:
        print("" if after == before else "README.md is out of date; run `make docs`", end="", file=sys.stderr)
        return int(after != before)
    readme.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
