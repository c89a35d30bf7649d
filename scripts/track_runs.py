"""Record the joined runs of a plan in MLflow, each exactly once; attach_pages adds what is drawn meanwhile.

python scripts/track_runs.py --plan results/plans/HASH.json [--pages]
"""

import argparse
import os
import sys
from pathlib import Path

from backbench import paths, processes, tracking
from backbench.engine.plan import frozen
from backbench.evaluate import answer
from backbench.store import Store
from backbench.tracking import sweeps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    parser.add_argument("--pages", action="store_true", help="attach the report and the pictures as well")
    args = parser.parse_args()
    os.nice(processes.AFTER_ANSWER)
    plan = frozen.load(args.plan)
    try:
        report = sweeps.record(answer.joined(plan, Store(paths.store())), pages=args.pages)
    except tracking.TrackingUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    print(report, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
