"""Embed a sample of the rows of one representation, by which it judges clusterings.

python scripts/embed_judges.py --plan results/plans/HASH.json --shard ID --threads 1
"""

import sys

from backbench.engine.run.supervising import main

if __name__ == "__main__":
    sys.exit(main("judge"))
