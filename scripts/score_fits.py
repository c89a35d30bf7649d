"""Score the stored fits on one matrix whose metrics are missing or of other code.

python scripts/score_fits.py --plan results/plans/HASH.json --shard ID --threads 2
"""

import sys

from backbench.engine.run.supervising import main

if __name__ == "__main__":
    sys.exit(main("scores"))
