"""Declare that the results of the code of a commit are those of today's, so that they are not computed again.

python scripts/declare_same_code.py COMMIT [--leave-out MODULE...]

For a change that leaves every result as it is: names, types, moved functions. Before it is called, the goldens have to
pass, and a sweep made by COMMIT has to be equal, array by array, to one of today. The table is
workflow/backbench/engine/plan/same_code.json; declarations that held for COMMIT are renewed for today's code.
"""

import argparse
import importlib.util
import io
import itertools
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import code, plugins
from backbench.engine.plan import same_code
from backbench.engine.plan.factory import RECIPE_MODULES

CHECKOUT = Path(__file__).resolve().parents[1]
# Steps of a chain of transforms, at most, whose code is declared.
STEPS = 3
# Stages by their modules at earlier commits: how images are prepared was a stage with a job.
FORMERLY = {tuple(RECIPE_MODULES): ("backbench.stages.images",)}
PLUGGED = {"dataset": "dataset", "features": "backbone", "clustering": "clusterer", "classification": "classifier"}
PROGRAM = """
import json, sys
from backbench import code
digests = {}
for modules in json.load(sys.stdin):
    if all(code._exists(name) for name in modules):
        digests[" ".join(modules)] = code.digest(modules)
json.dump(digests, sys.stdout)
"""


def stages() -> Iterator[list[str]]:
    """The modules of every stage that there may be."""
    yield list(RECIPE_MODULES)
    yield from map(list, FORMERLY.values())
    yield from (["backbench.stages.audit"], ["backbench.stages.neighbours"], ["backbench.stages.retrieval"])
    for stage, kind in PLUGGED.items():
        yield from ([f"backbench.stages.{stage}", plugins.module_name(kind, name)] for name in plugins.names(kind))
    steps = sorted(plugins.names("transform"))
    for count in range(1, STEPS + 1):
        for names in itertools.combinations(steps, count):
            yield ["backbench.stages.matrix", *(plugins.module_name("transform", name) for name in names)]


def digests(commit: str) -> dict[str, str]:
    """Digest of the code of each stage at a commit, by the names of its modules."""
    archive = subprocess.run(
        ["git", "-C", str(CHECKOUT), "archive", commit, "workflow"], capture_output=True, check=True
    )
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(folder) / 'workflow')!r})\n{PROGRAM}"],
            input=json.dumps(list(stages())),
            capture_output=True,
            text=True,
            check=True,
        )
    table_of_commit = json.loads(done.stdout)
    former = {
        same_code.key_of(now): table_of_commit.pop(same_code.key_of(then), None) for now, then in FORMERLY.items()
    }
    return table_of_commit | {key: digest for key, digest in former.items() if digest and key not in table_of_commit}


def declared(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The table of a commit."""
    return {key: (digest, now[key]) for key, digest in sorted(then.items()) if key in now}


def renewed(entry: Mapping[str, Any], then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, Any]:
    """An earlier declaration, for today's code where it held for the code of the commit that is declared."""
    held = {key: old for key, (old, declared_for) in entry["digests"].items() if declared_for == then.get(key)}
    return {**entry, "digests": declared(held, now)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--leave-out", nargs="*", default=[], help="modules whose results are other ones")
    args = parser.parse_args()
    command = ["git", "-C", str(CHECKOUT), "rev-parse", args.commit]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    then = {key: digest for key, digest in digests(commit).items() if not set(key.split()) & set(args.leave_out)}
    now = {same_code.key_of(modules): code.digest(modules) for modules in stages() if _exist(modules)}
    earlier = [entry for entry in json.loads(same_code.FILE.read_text()) if entry["commit"] != commit]
    entries = [*(renewed(entry, then, now) for entry in earlier), {"commit": commit, "digests": declared(then, now)}]
    same_code.FILE.write_text(json.dumps(entries, indent=1) + "\n")
    print("\n".join(f"{len(entry['digests'])} stages of {entry['commit'][:12]}" for entry in entries))
    return 0


def _exist(modules: Sequence[str]) -> bool:
    return all(importlib.util.find_spec(name) for name in modules)


if __name__ == "__main__":
    sys.exit(main())
