"""``backbench plan``: what a sweep would run."""

import argparse

from backbench import hashing, paths, planning
from backbench.engine.results import ledger
from backbench.engine.run import status
from backbench.store import Store
from backbench.sweeping.describing import cores, describe, say
from backbench.sweeping.launch import Launch


def run(args: argparse.Namespace) -> int:
    planned = planning.make(args.overrides, fingerprint=False, tell=say)
    store = Store(paths.store())
    state = planning.with_known(planned, status.inspect(planned.plan, store), store)
    describe(planned, state, cores(args.cores), Launch(args.cores, snakemake=args.snakemake).cluster)
    if args.list:
        for row in ledger.rows(planned.plan, state.records):
            print(hashing.short(row.config_hash), row.status, row.name)
    return 0
