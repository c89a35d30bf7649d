"""Join the stage results of a plan into its runs, and choose among its clusterings.

python scripts/join_runs.py --plan results/plans/HASH.json
"""

import argparse
import sys
from pathlib import Path

from backbench import paths
from backbench.engine.plan import batches, frozen
from backbench.engine.results import ledger
from backbench.evaluate.answer import SweepAnswer
from backbench.store import Store


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    parser.add_argument("--batches", action="store_true", help="end with status 1 where a shard of a batch failed")
    args = parser.parse_args()
    plan, store = frozen.load(args.plan), Store(paths.store())
    failed = batches.failed(plan) if args.batches else []
    if failed:
        print(f"not joined: {', '.join(failed)}; their logs say why", file=sys.stderr)
        return 1
    records = ledger.read_records(plan, store)
    ledger.join(plan, records)
    SweepAnswer(plan, ledger.rows(plan, records), store).write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
