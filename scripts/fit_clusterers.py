"""Fit and score one family of clusterers on one matrix.

python scripts/fit_clusterers.py --plan results/plans/HASH.json --shard ID --threads 2
"""

import sys

from backbench.engine.run.supervising import main

if __name__ == "__main__":
    sys.exit(main("clustering"))
