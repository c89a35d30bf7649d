"""Attach the pictures and the report of a sweep to its runs in MLflow.

python scripts/attach_pages.py --plan results/plans/HASH.json --receipt FILE
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from backbench import paths, tracking
from backbench.engine.plan import frozen
from backbench.evaluate import answer
from backbench.files import write_text
from backbench.store import Store
from backbench.tracking import sweeps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    parser.add_argument("--receipt", type=Path, required=True, help="file to write when all are attached")
    args = parser.parse_args()
    plan = frozen.load(args.plan)
    try:
        report = sweeps.record(answer.joined(plan, Store(paths.store())))
    except tracking.TrackingUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    write_text(args.receipt, json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
