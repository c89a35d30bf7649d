"""Fetch and split a dataset.

python scripts/fetch_dataset.py --plan results/plans/HASH.json --shard ID --threads 2
"""

import sys

from backbench.engine.run.supervising import main

if __name__ == "__main__":
    sys.exit(main("dataset"))
