"""One million rows of 128 columns: clustered, scored and stored in the memory of this machine."""

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _features
import _figures
import _measure
import _sides
from _measure import Measured

from backbench import plugins, provenance

D = 128
KS = (5, 10, 20)
SILHOUETTE_ROWS = 10_000
TRIAL = 2_000
CLUSTERERS = ("kmeans", "minibatch_kmeans", "birch", "micro_ward")
SHOWN = ("silhouette_sampled", "silhouette_sampled_se", "davies_bouldin", "calinski_harabasz", "inertia", "nmi", "ari")


@dataclass(frozen=True)
class Asked:
    """Rows, the folder that keeps the features, cores, clusterers, and another checkout to compare with."""

    rows: int
    work: Path
    cores: int
    names: Sequence[str] = CLUSTERERS
    against: Path | None = None


def report(asked: Asked) -> list[str]:
    """The lines of the results."""
    n, work = asked.rows, asked.work
    base = str(_features.components(D, work))
    with tempfile.TemporaryDirectory(dir=work) as folder:
        made = _measure.alone("_million", "fill", {"base": base, "n": n, "folder": folder})
        if made.failure:
            raise SystemExit(f"the matrix could not be made: {made.failure}")
        now, before = dict[str, Measured](), dict[str, Measured]()
        for name in asked.names:
            now[name] = _of_family(name, folder, asked.cores)
            if asked.against:
                before[name] = _of_family(name, folder, asked.cores, asked.against.resolve())
    lines = [_line(name, measured, before.get(name)) for name, measured in now.items()]
    both = [name for name, measured in before.items() if not measured.failure and not now[name].failure]
    total, figures = (_total(both, now, before), _of_readme(n, both, now, before)) if both else ([], [])
    return [*_head(n, asked.cores), *lines, *total, "", *_scores(now), *figures]


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


def _of_family(name: str, folder: str, cores: int, checkout: Path | None = None) -> Measured:
    arguments = {"name": name, "folder": folder, "cores": cores}
    measured = _measure.alone("_million", "job", arguments, checkout=checkout)
    side = "earlier checkout, " if checkout else ""
    print(f"{side}{name}: {measured.failure or f'{measured.seconds:.0f} s'}", file=sys.stderr, flush=True)
    return measured


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
        "| clusterer | members | seconds | of it scores | peak MB | earlier checkout | of it scores | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]


def _line(name: str, now: Measured, before: Measured | None) -> str:
    if now.failure:
        return f"| {name} | {len(KS)} | {now.failure} | | | | | |"
    failed = f" ({len(now.value['failed'])} failed: {now.value['failed'][0]})" if now.value["failed"] else ""
    cells = [f"{now.seconds:.0f}", f"{now.value['score']:.0f}", f"{now.total_mb:,.0f}"]
    return f"| {name}{failed} | {len(KS)} | {' | '.join([*cells, *_earlier(now, before)])} |"


def _earlier(now: Measured, before: Measured | None) -> list[str]:
    """Cells of another checkout: its seconds, those of the scores, and the ratio."""
    if before is None or before.failure:
        return ["" if before is None else str(before.failure), "", ""]
    return [f"{before.seconds:.0f}", f"{before.value['score']:.0f}", f"**{now.seconds / before.seconds:.2f}**"]


def _total(both: Sequence[str], now: Mapping[str, Measured], before: Mapping[str, Measured]) -> list[str]:
    """The line of all clusterers that `both` checkouts computed."""
    seconds, earlier = (_seconds(side, both) for side in (now, before))
    scores, scores_before = (sum(side[name].value["score"] for name in both) for side in (now, before))
    cells = (f"{seconds:.0f}", f"{scores:.0f}", "", f"{earlier:.0f}", f"{scores_before:.0f}")
    return [f"| **total** | {len(KS) * len(both)} | {' | '.join(cells)} | **{seconds / earlier:.2f}** |"]


def _of_readme(n: int, both: Sequence[str], now: Mapping[str, Measured], before: Mapping[str, Measured]) -> list[str]:
    """What the README shows of all clusterers that `both` checkouts computed."""
    seconds, earlier = (_seconds(side, both) for side in (now, before))
    what = f"{len(KS) * len(both)} clusterings of {n:,} rows of {D} columns with their scores ({', '.join(both)})"
    measured = f"{seconds:.0f} s; {seconds / earlier:.2f} of the version before"
    return _figures.lines([_figures.Figure(what, "half", measured)])


def _seconds(side: Mapping[str, Measured], names: Sequence[str]) -> float:
    """Seconds of these clusterers together."""
    return sum(side[name].seconds for name in names)


def _scores(found: Mapping[str, Measured]) -> list[str]:
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
