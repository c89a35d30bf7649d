"""Write the page of a sweep from its joined results and pictures.

python scripts/write_report.py --plan results/plans/HASH.json --threads 2
"""

import argparse
import sys
from pathlib import Path

from backbench import paths, threads
from backbench.engine.plan import frozen
from backbench.evaluate import answer
from backbench.reports import sweep
from backbench.store import Store


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    parser.add_argument("--threads", type=int, default=1, help="pictures made small beside each other (default 1)")
    args = parser.parse_args()
    plan = frozen.load(args.plan)
    with threads.beside(args.threads):
        page = sweep.write(answer.joined(plan, Store(paths.store())))
    print(page, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
