"""Find the nearest rows of each row of one matrix, for all who need them.

python scripts/find_neighbours.py --plan results/plans/HASH.json --shard ID --threads 2
"""

import sys

from backbench.engine.run.supervising import main

if __name__ == "__main__":
    sys.exit(main("neighbours"))
