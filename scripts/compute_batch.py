"""Compute the shards of one batch, which is what one job of a cluster does.

python scripts/compute_batch.py --plan results/plans/HASH.json --batch ID --threads 8
"""

import sys

from backbench.engine.run.batch import main

if __name__ == "__main__":
    sys.exit(main())
