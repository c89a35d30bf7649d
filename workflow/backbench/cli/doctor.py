"""``backbench doctor``: look at the surroundings, and say what to set."""

import argparse
import json

from backbench.doctor import rounds
from backbench.findings import FAIL, OK, WARN, failed
from backbench.wording import counted


def run(args: argparse.Namespace) -> int:
    findings = rounds.examine(args.snakemake)
    if args.format == "json":
        print(json.dumps([finding.record for finding in findings], indent=2))
    else:
        for finding in findings:
            print(finding.line)
        counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in (OK, WARN, FAIL)}
        print(f"{counted(len(findings), 'finding')}: " + ", ".join(f"{n} {name}" for name, n in counts.items() if n))
    return 1 if failed(findings) else 0
