"""Join the stage results of a plan into its runs.

python scripts/join_runs.py --plan results/plans/HASH.json
"""

import argparse
import sys
from pathlib import Path

from backbench import paths
from backbench.store import Store
from backbench.sweep import ledger, plan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    found = plan.load(parser.parse_args().plan)
    ledger.join(found, ledger.read_records(found, Store(paths.store())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
