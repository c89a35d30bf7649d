"""Draw the pictures of a joined sweep: those that are not there yet, or show what has changed.

python scripts/draw_pictures.py --plan results/plans/HASH.json --threads 4
"""

import argparse
import logging
import os
import sys
from pathlib import Path

from backbench import hashing, paths, processes
from backbench.engine.plan import frozen
from backbench.engine.run.runner import Progress
from backbench.pictures import drawing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    parser.add_argument("--threads", type=int, default=1, help="pictures that are drawn beside each other (default 1)")
    args = parser.parse_args()
    os.nice(processes.AFTER_ANSWER)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    found = frozen.load(args.plan)
    progress = Progress(paths.results() / "progress" / f"pictures-{hashing.short(found.sweep)}.json")
    said = drawing.draw_sweep(found, args.threads, progress)
    print(f"{said['drawn']} pictures, {len(said['failed'])} failed", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
