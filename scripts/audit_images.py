"""Audit the images of a dataset and write the page that shows what is wrong with them.

python scripts/audit_images.py --plan results/plans/HASH.json --shard ID --threads 2
"""

import argparse
import logging
import sys
from pathlib import Path

from backbench import paths
from backbench.engine.plan import frozen
from backbench.engine.run.supervising import main
from backbench.reports import audit
from backbench.store import Store, StoreError

log = logging.getLogger("backbench")


def write_pages() -> None:
    """Write the page of every audit of the shard; an audit that failed has none, and says why in its record."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--shard", required=True)
    asked, _ = parser.parse_known_args()
    plan = frozen.load(asked.plan)
    for member in plan.shards[asked.shard].members:
        try:
            log.info("page: %s", audit.write(plan.own(Store(paths.store())), member))
        except StoreError as error:
            log.warning("no page: %s", error)


if __name__ == "__main__":
    status = main("audit")
    if not status:
        write_pages()
    sys.exit(status)
