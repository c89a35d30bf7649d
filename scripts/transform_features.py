"""Apply the transform chains of the heads to one backbone's embeddings.

python scripts/transform_features.py --plan results/plans/HASH.json --shard ID --threads 2
"""

import sys

from backbench.engine.run.supervising import main

if __name__ == "__main__":
    sys.exit(main("matrix"))
