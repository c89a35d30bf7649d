"""Join the stage results of a plan into its runs, and choose among its clusterings.

python scripts/join_runs.py --plan results/plans/HASH.json
"""

import argparse
import sys
from pathlib import Path

from backbench import paths
from backbench.engine.plan import frozen
from backbench.engine.results import ledger
from backbench.evaluate.answer import SweepAnswer
from backbench.store import Store


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    plan, store = frozen.load(parser.parse_args().plan), Store(paths.store())
    records = ledger.read_records(plan, store)
    ledger.join(plan, records)
    SweepAnswer(plan, ledger.rows(plan, records), store).write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
