"""Where plans of 1,000, 10,000 and 100,000 runs saturate: seconds and memory of each step, and what computing costs.

    python benchmarks/scale.py [--runs 1000 10000 100000] [--million] [--write]

Every size is a process of its own in an empty results folder. It composes, builds, freezes, saves and loads the plan,
reads the state of every result (of an empty store, and of one in which all are there), and lets Snakemake make its
graph in a dry run, once for all shards. `--million` adds what the planner expects of 1,000,000 images with 20
representations: hours of one core by kind, from the measured rates. `--write` keeps the page in results/scale.md.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import _measure

PAGE = Path(__file__).parent / "results" / "scale.md"
CHAINS = "chain=none,l2,pca50,standardise,l2_pca50"
CLUSTERERS = "clusterer=kmeans,gaussian_mixture"
COMMON = ("experiment=none", "backbone=pixels,efficientnet_lite0", CLUSTERERS, "k=range(2,27)", "plots=none")
CLASSIFIERS = "classifier=knn,svm,random_forest,logistic_regression"
# Sizes of images are representations of their own: 20 of them stand for 20 backbones.
GRIDS = {
    1_000: (*COMMON, CHAINS, "classifier=knn,svm"),
    10_000: (*COMMON, CHAINS, CLASSIFIERS, "seed=range(0,5)"),
    100_000: (*COMMON, CHAINS, CLASSIFIERS, "seed=range(0,5)", "backbone.image.size=range(32,72,4)"),
}
IMAGES, CORES, MINUTES = 1_000_000, 16, 10


def plan(runs: int) -> dict[str, Any]:
    """Each step of one grid in this process: (seconds of the processor, peak MB so far)."""
    steps: dict[str, tuple[float, float]] = {}

    def measured(name: str, work: Callable[[], Any]) -> Any:
        cpu = time.process_time() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        value = work()
        spent = time.process_time() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu
        steps[name] = (round(spent, 2), round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
        return value

    from backbench import compose, paths
    from backbench.engine.plan import builder, frozen
    from backbench.engine.run import status
    from backbench.store import Store

    composed = measured("compose", lambda: compose.expand(GRIDS[runs]))
    cells = (cell.config for cell in composed.cells)
    built = measured("build", lambda: builder.build(cells, lambda module, params: "0" * 64, composed.explicit))
    request = {"experiment": composed.experiment, "overrides": list(GRIDS[runs]), "plots": "none"}
    made = measured("freeze", lambda: frozen.freeze(built, request))
    path = measured("save", lambda: frozen.save(made))
    read = measured("load, in each job", lambda: frozen.load(path))
    assert read.hash == made.hash
    store = Store(paths.store())
    state = measured("inspect, empty store", lambda: status.inspect(made, store))
    measured("receipts of all shards", lambda: status.sync_receipts(made, state))
    measured("Snakemake, dry run", lambda: dry_run(path))
    measured("records written", lambda: fill(made, store))
    measured("inspect, all there", lambda: status.inspect(made, store))
    return {
        "steps": steps,
        "runs": len(made.runs),
        "stages": len(made.stages),
        "shards": len(made.shards),
        "file_mb": path.stat().st_size / 1e6,
        "files": sum(1 for _ in store.root.rglob("*.json")),
    }


def dry_run(path: Path) -> None:
    """Snakemake's graph of all shards of a plan file."""
    from backbench import paths

    command = [sys.executable, "-m", "snakemake", "--snakefile", str(paths.CHECKOUT / "Snakefile"), "--dry-run"]
    words = ["--quiet", "all", "--cores", "2", "--directory", str(paths.results()), "--config", f"plan={path}"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr


def fill(made: Any, store: Any) -> None:
    """A record for every result, as small as they come, without arrays."""
    from backbench.stage import RECIPE

    for key, stage in made.stages.items():
        if stage.kind != RECIPE:
            record = {"status": "done", "code": stage.code, "config": dict(stage.config), "metrics": {}, "info": {}}
            store.write(stage.kind, key, record, {})


def million() -> dict[str, Any]:
    """What the planner expects of the largest grid with a million images: hours of one core by kind."""
    from backbench import compose
    from backbench.engine.cost import costs
    from backbench.engine.plan import builder, frozen, shards

    composed = compose.expand(GRIDS[100_000])
    built = builder.build((cell.config for cell in composed.cells), lambda module, params: "0" * 64, composed.explicit)
    share = {key: IMAGES / stage.about["n"] for key, stage in built.stages.items() if stage.kind == "dataset"}
    (factor,) = share.values()
    grown = {key: larger(stage, factor) for key, stage in built.stages.items()}
    seconds: dict[str, float] = {}
    longest: dict[str, float] = {}
    for shard in shards.cut(grown).values():
        spent = costs.total([grown[member] for member in shard.members], grown)
        spent *= costs.CORES if shard.kind in ("dataset", "audit", "features", "matrix") else 1
        seconds[shard.kind] = seconds.get(shard.kind, 0.0) + spent
        longest[shard.kind] = max(longest.get(shard.kind, 0.0), spent)
    fits = [stage for stage in grown.values() if stage.kind in ("clustering", "classification", "retrieval")]
    scores = sum(costs.score(stage, 250) for stage in fits if stage.kind == "clustering")
    built.stages = grown
    jobs = packed(frozen.freeze(built, {}))
    facts = {"results": len(grown), "runs": len(built.runs), "jobs": jobs}
    return {"seconds": seconds, "longest": longest, "scores": scores, **facts}


def packed(made: Any) -> int:
    """SLURM jobs of about ten minutes that a plan becomes, on nodes whose cores all share a job's work."""
    from backbench.engine.cost import costs
    from backbench.engine.plan import batches
    from backbench.stage import SCORES

    def seconds(shard: Any) -> tuple[float, int]:
        return costs.total([made.stages[member] for member in shard.members], made.stages) / CORES, CORES

    works = batches.works(made, lambda shard: shard.kind != SCORES, seconds, lambda shard: False)
    return len(batches.pack(works, MINUTES * 60, len(made.runs)))


def larger(stage: Any, factor: float) -> Any:
    """A stage of a collection that is so many times as large."""
    about = {key: round(value * factor) if key in ("n", "queries") else value for key, value in stage.about.items()}
    return dataclasses.replace(stage, about=about)


def fresh(what: str) -> dict[str, Any]:
    """Run one of the functions above in a new process with an empty results folder."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        environment = {**os.environ, "BACKBENCH_RESULTS": folder}
        command = [sys.executable, __file__, "--inner", what]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)


def table(sizes: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Seconds and peak memory by step, a pair of columns for each size."""
    heads = [f"{runs:,} runs: s | peak MB" for runs in sizes]
    lines = [f"| step | {' | '.join(heads)} |", f"| --- |{' ---: | ---: |' * len(sizes)}"]
    for name in next(iter(sizes.values()))["steps"]:
        cells = (f"{found['steps'][name][0]:.2f} | {found['steps'][name][1]:,}" for found in sizes.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name, key in (("distinct results", "stages"), ("shards", "shards"), ("files of records", "files")):
        lines.append(f"| {name} | {' | '.join(f'{found[key]:,} | ' for found in sizes.values())} |")
    sizes_mb = " | ".join(f"{found['file_mb']:.1f} | " for found in sizes.values())
    lines.append(f"| plan file, MB | {sizes_mb} |")
    return lines


def of_million(found: Mapping[str, Any]) -> list[str]:
    """Hours of one core by kind of result."""
    lines = ["", f"A million images, {found['runs']:,} runs, {found['results']:,} distinct results:", ""]
    lines += ["| kind | hours of one core | longest job, hours of one core |", "| --- | ---: | ---: |"]
    for kind, seconds in sorted(found["seconds"].items(), key=lambda pair: -pair[1]):
        lines.append(f"| {kind} | {seconds / 3600:,.1f} | {found['longest'][kind] / 3600:,.1f} |")
    lines.append(f"| all | {sum(found['seconds'].values()) / 3600:,.1f} | |")
    lines.append(f"\nOf the clusterings, the scores alone: {found['scores'] / 3600:,.1f} hours.")
    lines.append(f"Packed for nodes of {CORES} cores: {found['jobs']} SLURM jobs.")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", choices=GRIDS, default=list(GRIDS))
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--inner", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inner:
        print(json.dumps(million() if asked.inner == "million" else plan(int(asked.inner))))
        return
    lines = table({runs: fresh(str(runs)) for runs in asked.runs})
    lines += of_million(fresh("million")) if asked.million else []
    print(*lines, sep="\n")
    if asked.write:
        head = ["# Plans of 1,000 to 100,000 runs", "", "```bash", _measure.command("benchmarks/scale.py"), "```", ""]
        head += [f"Seconds of the processor; {os.cpu_count()} cores of {processor()}, shared with other work.", ""]
        PAGE.write_text("\n".join([*head, *lines]) + "\n")


def processor() -> str:
    """Name of the processor, where the system says it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "an unnamed processor"


if __name__ == "__main__":
    main()
