"""Seconds to plan a grid of 10,000 runs: compose, validate, hash, freeze, save.

Run with ``python benchmarks/planning.py [rounds]``. Every round is a process of its own, so that imports and empty
caches count; the median round is shown. Beside it stands what Hydra alone would take: one ``compose()`` per cell,
measured on a sample of the cells and multiplied.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import pairwise

import _figures
from _figures import Figure

SAMPLE = 50
ROUNDS = 5
OVERRIDES = [
    "experiment=none",
    "backbone=pixels,efficientnet_lite0",
    "chain=none,l2,pca50,standardise,l2_pca50",
    "clusterer=kmeans,gaussian_mixture",
    "classifier=knn,svm,random_forest,logistic_regression",
    "k=range(2,27)",
    "seed=range(0,5)",
]
PARTS = ("import", "compose", "validate and hash", "freeze", "save")


def plan() -> dict[str, float]:
    """Seconds of each part in this process, which has imported nothing of backbench yet."""
    marks = [time.perf_counter()]
    from backbench import compose
    from backbench.engine.plan import builder
    from backbench.engine.plan import frozen as plans

    marks.append(time.perf_counter())
    composed = compose.expand(OVERRIDES)
    marks.append(time.perf_counter())
    built = builder.build((cell.config for cell in composed.cells), lambda module, params: "", composed.explicit)
    marks.append(time.perf_counter())
    frozen = plans.freeze(built, {"experiment": composed.experiment, "overrides": OVERRIDES})
    marks.append(time.perf_counter())
    plans.save(frozen)
    marks.append(time.perf_counter())
    spent = {part: after - before for part, (before, after) in zip(PARTS, pairwise(marks), strict=True)}
    return {**spent, "cells": len(composed.cells), "runs": len(frozen.runs), "stages": len(frozen.stages)}


def hydra_alone() -> dict[str, float]:
    """Seconds of one ``compose()``, on a sample of the cells; each must give the cell that the plan has."""
    from hydra import initialize_config_dir

    from backbench import compose, paths

    cells = random.Random(0).sample(compose.expand(OVERRIDES).cells, SAMPLE)
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        started = time.perf_counter()
        found = [compose.compose_one(cell.overrides) for cell in cells]
        seconds = (time.perf_counter() - started) / SAMPLE
    for cell, config in zip(cells, found, strict=True):
        assert all(config[key] == value for key, value in cell.config.items())
    return {"hydra": seconds}


def fresh(what: str) -> dict[str, float]:
    """Run one of the functions above in a new process with an empty results folder; adds its wall time."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "BACKBENCH_RESULTS": folder}
        started = time.perf_counter()
        command = [sys.executable, __file__, what]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return {**json.loads(done.stdout), "wall": time.perf_counter() - started}


def report(found: dict[str, float], slowest: float, hydra: float, rounds: int) -> None:
    runs, cells = int(found["runs"]), int(found["cells"])
    print(f"A grid of {runs:,} runs ({int(found['stages']):,} stages), median of {rounds} processes\n")
    print("| part | seconds |")
    print("| --- | ---: |")
    for part in PARTS:
        print(f"| {part} | {found[part]:.2f} |")
    print(f"| whole process, its start included | {found['wall']:.2f} (slowest {slowest:.2f}) |")
    print(f"| Hydra's compose() for every cell, extrapolated | {hydra * cells:,.0f} |\n")
    print(
        f"One compose() took {hydra * 1e3:.0f} ms, the mean over {SAMPLE} random cells, which equal the plan's; "
        f"the last line is {cells:,} times that and was not run."
    )
    names = ("hydra-core", "omegaconf")
    print(f"Python {sys.version.split()[0]}, " + ", ".join(f"{name} {version(name)}" for name in names))
    compared = f"{hydra * cells / found['wall']:.0f} times less than Hydra's `compose()` for each, extrapolated"
    figure = Figure(f"planning {runs:,} runs, whole process", "5 s", f"{found['wall']:.1f} s, {compared}")
    print("\n".join(_figures.lines([figure])))


def main(rounds: int) -> None:
    found = [fresh("plan") for _ in range(rounds)]
    median = {key: statistics.median(one[key] for one in found) for key in found[0]}
    report(median, max(one["wall"] for one in found), fresh("hydra_alone")["hydra"], rounds)


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else str(ROUNDS)
    inner = {"plan": plan, "hydra_alone": hydra_alone}.get(argument)
    if inner:
        print(json.dumps(inner()))
    else:
        main(int(argument))
