"""One probe, for `rounds`: prints its findings as JSON.

python -m backbench.doctor store -- --workflow-profile profiles/slurm
"""

import json
import sys

from backbench.doctor.probes import PROBES

if __name__ == "__main__":
    name, _, *options = sys.argv[1:]
    print(json.dumps([finding.record for finding in PROBES[name].look(options)]))
