"""One million rows of 128 columns: clustered, scored and stored in the memory of this machine."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _features
import _measure
import _sides

from backbench import plugins, provenance

D = 128
KS = (5, 10, 20)
SILHOUETTE_ROWS = 10_000
TRIAL = 2_000
CLUSTERERS = ("kmeans", "minibatch_kmeans", "birch", "micro_ward")
SHOWN = ("silhouette_sampled", "silhouette_sampled_se", "davies_bouldin", "calinski_harabasz", "inertia", "nmi", "ari")


def report(n: int, work: Path, cores: int) -> list[str]:
    """The lines of the results."""
    base = str(_features.components(D, work))
    with tempfile.TemporaryDirectory(dir=work) as folder:
        made = _measure.alone("_million", "fill", {"base": base, "n": n, "folder": folder})
        if made.failure:
            raise SystemExit(f"the matrix could not be made: {made.failure}")
        found = {name: _one(name, folder, cores) for name in CLUSTERERS}
    return [*_head(n, cores), *(_line(name, measured) for name, measured in found.items()), "", *_scores(found)]


def fill(base: str, n: int, folder: str) -> Callable[[], None]:
    """Write the matrix, and a small one for the trial, into stores of their own."""
    data = _features.grown(Path(base), n)

    def work() -> None:
        _sides.world(Path(folder) / "whole", data)
        _sides.world(Path(folder) / "trial", data.first(TRIAL))

    return work


def job(name: str, folder: str, cores: int) -> Callable[[], dict[str, Any]]:
    """All members of one clusterer, as a job of a sweep computes them."""
    seed = {"seed": 0} if "seed" in plugins.load("clusterer", name).AXES else {}
    config = {"clusterer": _features.conf("clusterer", name), "scope": "all", "silhouette_rows": SILHOUETTE_ROWS}
    asked = [{**config, **seed, "k": k} for k in KS]
    _sides.run("clustering", asked[:1], _sides.opened(Path(folder) / "trial"), cores)
    inputs, seconds = _sides.opened(Path(folder) / "whole"), _sides.watched()

    def work() -> dict[str, Any]:
        found = _sides.run("clustering", asked, inputs, cores)
        failed = [outcome.failure for outcome in found if outcome.failure]
        metrics = [{key: outcome.metrics.get(key) for key in SHOWN} for outcome in found]
        return {"score": sum(seconds), "metrics": metrics, "failed": failed}

    return work


def _one(name: str, folder: str, cores: int) -> _measure.Measured:
    found = _measure.alone("_million", "job", {"name": name, "folder": folder, "cores": cores})
    print(f"{name}: {found.failure or f'{found.seconds:.0f} s'}", file=sys.stderr, flush=True)
    return found


# ------------------------------------------------------------------------------------------------ words


def _head(n: int, cores: int) -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"# {n:,} rows of {D} columns\n",
        "```bash",
        _measure.command("benchmarks/scaling.py"),
        "```\n",
        f"{cores} cores of {provenance.machine()['cpu']}, {memory:.0f} GB; load of the machine at the end "
        f"{os.getloadavg()[0]:.1f}.",
        f"Rows: all 70,000 images of Fashion-MNIST, pixels as {D} principal components, and those again and again",
        f"with a jitter of {_features.JITTER:g} standard deviations; {n * D * 4 / 2**20:,.0f} MB. Each line is the job",
        f"of one clusterer with k = {', '.join(map(str, KS))}: the matrix is read from the store, clustered, scored",
        f"(silhouette on {SILHOUETTE_ROWS:,} rows against all, everything else on all rows) and the results written.",
        "Peak: the whole process, its libraries and the matrix included.\n",
        "| clusterer | members | seconds | of it scores | peak MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]


def _line(name: str, found: _measure.Measured) -> str:
    if found.failure:
        return f"| {name} | {len(KS)} | {found.failure} | | |"
    failed = f" ({len(found.value['failed'])} failed: {found.value['failed'][0]})" if found.value["failed"] else ""
    cells = (f"{found.seconds:.0f}", f"{found.value['score']:.0f}", f"{found.total_mb:,.0f}")
    return f"| {name}{failed} | {len(KS)} | {' | '.join(cells)} |"


def _scores(found: dict[str, _measure.Measured]) -> list[str]:
    lines = [
        "| clusterer | k | silhouette (s.e.) | Davies-Bouldin | Calinski-Harabasz | WCSS | NMI | ARI |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, measured in found.items():
        for k, own in zip(KS, (measured.value or {}).get("metrics", []), strict=False):
            if own["inertia"] is not None:
                width, error, *rest = (own[key] for key in SHOWN)
                cells = [f"{width:.4f} ({error:.4f})", f"{rest[0]:.3f}", f"{rest[1]:,.0f}", f"{rest[2]:.5g}"]
                lines.append(f"| {name} | {k} | {' | '.join(cells)} | {rest[3]:.3f} | {rest[4]:.3f} |")
    return lines
