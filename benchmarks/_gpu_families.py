"""The engine's families that have kernels for a device, on many rows: seconds, memory, and whether the results agree.

Each work begins with rows in ordinary memory and ends with its result there, for the peers as well: faiss, cuML and
flashlib where they are installed, and always `plain`, the shortest way in PyTorch that one would write by hand, in
float32. How a peer's result compares is recorded, not judged; that of the engine is: against exact arithmetic on some
of the rows, or against the CPU on fewer rows.
"""

import contextlib
import importlib.util
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import _gpu_peers
import numpy as np
from _gpu_machine import wait
from _gpu_plan import COMPONENTS, FAMILIES, ITERATIONS, NEIGHBOURS, ROWS

from backbench import clusterers, device, threads

COLUMNS = 128
CLUSTERS = {"full": 50, "small": 8, "tiny": 4}
# Above so many rows, neighbours are searched for some of them alone, and silhouettes are sampled, as the engine does.
QUERIES, SAMPLED_ABOVE, SAMPLE = 20_000, 100_000, 10_000
# Rows that are measured exactly against queries, 8 to 64 of them.
CHECKED_ROWS = 6_400_000
ROUNDS = 3
# Peers that allocate past PyTorch, so that what it holds has to be given back first.
OWN_MEMORY = ("faiss", "cuML")


@dataclass
class Rows:
    """The rows (n, d) float32 of a run, in clumps, with their classes (n,) and the first centres (k, d)."""

    x: np.ndarray
    classes: np.ndarray
    centres: np.ndarray
    queries: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.queries = np.arange(min(len(self.x), QUERIES if len(self.x) > SAMPLED_ABOVE else len(self.x)))

    @classmethod
    def make(cls, n: int, k: int, seed: int = 0) -> "Rows":
        """Draw them; clumps overlap, so that the iterations have something to do."""
        rng = np.random.default_rng(seed)
        classes = rng.integers(0, 2 * k, n)
        x = rng.standard_normal((n, COLUMNS), np.float32)
        x += rng.standard_normal((2 * k, COLUMNS), np.float32)[classes]
        return cls(x, classes, x[rng.choice(n, k, replace=False)].copy())


@dataclass(frozen=True)
class Family:
    """What is done with rows; `apart` says how far a result is from another one, and how far it may be."""

    work: Callable[[Rows], Any]
    apart: Callable[[Rows, Any, Any], tuple[str, float, float]]
    peers: dict[str, Callable[[Rows, str], Any]] = field(default_factory=dict)
    exact: Callable[[Rows, Any], tuple[str, float, float]] | None = None


# ------------------------------------------------------------------------------------------------ what is done


def _lloyd(rows: Rows) -> np.ndarray:
    from backbench.clusterers import _lloyd, _rows

    return _lloyd.climb(_rows.Rows(rows.x), rows.centres.astype(float), ITERATIONS, 0.0).labels


def _k_means(rows: Rows) -> np.ndarray:
    from backbench.clusterers import kmeans
    from backbench.metrics.near import Near

    task = clusterers.Task(kmeans.Params("k-means++", 4, 300, 1e-4, "lloyd"), k=len(rows.centres), seed=0)
    return kmeans.fit(kmeans.prepare(rows.x, [task], Near(rows.x)), rows.x, task)[0]


def _mixture(rows: Rows) -> np.ndarray:
    from backbench.clusterers import gaussian_mixture

    options = gaussian_mixture.Params("diag", 1e-6, 1, ITERATIONS, 1e-3, "random_from_data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = clusterers.Task(options, k=len(rows.centres), seed=0)
        return gaussian_mixture.fit(gaussian_mixture.Shared(threads.Once(), {}), rows.x, task)[0]


def _components(rows: Rows) -> np.ndarray:
    from backbench.transforms import _components

    return _components.project(rows.x, rows.x, COMPONENTS, "covariance_eigh", False)


def _nearest(rows: Rows, metric: Any = "euclidean") -> np.ndarray:
    from backbench.metrics import neighbours

    queries = rows.x if len(rows.queries) == len(rows.x) else rows.x[rows.queries]
    return neighbours.nearest(queries, rows.x, NEIGHBOURS, metric, rows.queries)[0]


def _precision(rows: Rows) -> float:
    from backbench.metrics import retrieval

    hits = retrieval.relevant(rows.classes[rows.queries], rows.classes[_nearest(rows, "cosine")])
    totals = np.bincount(rows.classes)[rows.classes[rows.queries]] - 1
    return retrieval.curves(hits, totals, [NEIGHBOURS])[f"precision_at_{NEIGHBOURS}"]


def labelings(rows: Rows) -> list[np.ndarray]:
    """Four labelings (n,) of different fineness."""
    return [rows.classes // divisor for divisor in (1, 2, 4, 8)]


def _scores(rows: Rows) -> list[float]:
    from backbench.metrics import internal

    asked = SAMPLE if len(rows.x) > SAMPLED_ABOVE else None
    name = "silhouette" if asked is None else "silhouette_sampled"
    return [score.values[name] for score in internal.scores(rows.x, labelings(rows), asked)]


def _probe(rows: Rows) -> np.ndarray:
    from backbench.classifiers import _heads

    heads = [(rate, COLUMNS) for rate in (0.01, 0.05, 0.1)]
    return _heads.train(rows.x, rows.classes, heads, _heads.Schedule(1, 1024, 0.9, 0.0), 0)[1][0]


# ------------------------------------------------------------------------------------------------ agreement


def _inertias(rows: Rows, found: np.ndarray, expected: np.ndarray) -> tuple[str, float, float]:
    values = [_inertia(rows.x, labels) for labels in (found, expected)]
    return "inertia, share above", max(0.0, values[0] / values[1] - 1), 1e-3


def _inertia(x: np.ndarray, labels: np.ndarray) -> float:
    total = float(np.einsum("ij,ij->", x, x, dtype=float))
    sums = np.stack([np.bincount(labels, column) for column in x.T.astype(float)], axis=1)
    counts = np.maximum(np.bincount(labels), 1)
    return total - float((sums**2 / counts[:, None]).sum())


def _same_rows(rows: Rows, found: np.ndarray, expected: np.ndarray) -> tuple[str, float, float]:
    shared = [len(np.intersect1d(a, b)) for a, b in zip(found[:2000], expected[:2000], strict=True)]
    return "1 - recall", 1 - sum(shared) / (NEIGHBOURS * len(shared)), 0.0


def _exact_rows(rows: Rows, found: np.ndarray) -> tuple[str, float, float]:
    """Some of the queries against distances in float64."""
    count = int(np.clip(CHECKED_ROWS // len(rows.x), 8, 64))
    some = rows.queries[:: max(1, len(rows.queries) // count)]
    x, recalled = rows.x.astype(float), 0
    for query in some:
        apart = np.einsum("ij,ij->i", *(2 * [x - x[query]]))
        apart[query] = np.inf
        recalled += len(np.intersect1d(np.argpartition(apart, NEIGHBOURS)[:NEIGHBOURS], found[query]))
    return f"1 - recall of {len(some)} queries", 1 - recalled / (NEIGHBOURS * len(some)), 0.0


def _kept(rows: Rows, found: np.ndarray, expected: np.ndarray) -> tuple[str, float, float]:
    held = [float(each.astype(np.float64).var(axis=0).sum()) for each in (found, expected)]
    return "variance kept, share off", abs(held[0] / held[1] - 1), 1e-5


def _near(allowed: float) -> Callable[[Rows, Any, Any], tuple[str, float, float]]:
    def apart(rows: Rows, found: Any, expected: Any) -> tuple[str, float, float]:
        left, right = np.asarray(found, float), np.asarray(expected, float)
        undefined = np.isnan(left) & np.isnan(right)
        return "difference", float(np.abs(np.where(undefined, 0, left - right)).max()), allowed

    return apart


def _likelihoods(rows: Rows, found: np.ndarray, expected: np.ndarray) -> tuple[str, float, float]:
    from sklearn.metrics import adjusted_rand_score

    return "1 - adjusted Rand index", float(1 - adjusted_rand_score(expected, found)), 0.05


WORK = {
    "lloyd": Family(_lloyd, _inertias, _gpu_peers.LLOYD),
    "neighbours": Family(_nearest, _same_rows, _gpu_peers.NEAREST, _exact_rows),
    "precision": Family(_precision, _near(1e-12), _gpu_peers.PRECISION),
    "components": Family(_components, _kept, _gpu_peers.PRINCIPAL),
    "scores": Family(_scores, _near(1e-9), _gpu_peers.SCORES),
    "probe": Family(_probe, _near(1e-3)),
    "mixture": Family(_mixture, _likelihoods),
    "k-means": Family(_k_means, _inertias),
}


# ------------------------------------------------------------------------------------------------ measuring


def measure(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Records of all families at one number of rows; the smallest of three is also computed on the CPU."""
    n, on, clock = asked["rows"], "torch" if asked["device"] == "cpu" else asked["device"], asked["clock"]
    against_cpu = n == min(ROWS[asked["size"]])
    rows = Rows.make(n, CLUSTERS[asked["size"]])
    for name in FAMILIES:
        family = WORK[name]
        longest = asked["before"].get(name, 0.0)
        if clock.left() < 1.5 * longest:
            yield {"family": name, "n": n, "skipped": f"it would take about {longest:.0f} s"}
            continue
        if not asked["begin"](name):
            continue
        _warmed(family, on, asked)
        record = {"family": name, "n": n, "d": COLUMNS, "k": len(rows.centres)}
        result, seconds = _repeated(lambda f=family: f.work(rows), on, asked)
        yield {**record, "way": "engine", **seconds, "peak_gib": _peak(on), **_judged(family, rows, result)}
        if against_cpu:
            expected, seconds = _repeated(lambda f=family: f.work(rows), "cpu", asked)
            what, off, allowed = family.apart(rows, result, expected)
            agreement = {"measure": what, "off": off, "allowed": allowed, "holds": bool(off <= allowed)}
            yield {**record, "way": "CPU", **seconds, **agreement}
        for peer, work in family.peers.items():
            if peer in OWN_MEMORY and importlib.util.find_spec(peer.lower()):
                _emptied(on)
            yield {**record, "way": peer, **_of_peer(family, rows, work, result, on, asked)}


def _warmed(family: Family, on: str, asked: dict[str, Any]) -> None:
    """Once on few rows, so that libraries are loaded and have their handles."""
    rows = Rows.make(min(ROWS["small"]), 4)
    with device.using(on), threads.one_core_each(asked["threads"]):
        family.work(rows)
    for work in family.peers.values():
        with contextlib.suppress(Exception):  # it is reported where it is measured
            work(rows, "cpu" if on == "torch" else on)


def _judged(family: Family, rows: Rows, result: Any) -> dict[str, Any]:
    if family.exact is None:
        return {}
    what, off, allowed = family.exact(rows, result)
    return {"measure": what, "off": off, "allowed": allowed, "holds": bool(off <= allowed)}


def _of_peer(
    family: Family, rows: Rows, work: Callable[[Rows, str], Any], result: Any, on: str, asked: dict[str, Any]
) -> dict[str, Any]:
    place = "cpu" if on == "torch" else on
    try:
        found, seconds = _repeated(lambda: work(rows, place), on, asked)
        what, off, _ = family.apart(rows, found, result)
        return {**seconds, "measure": what, "off": float(off)}
    except _gpu_peers.Absent as error:
        return {"skipped": str(error)}
    except Exception as error:  # a peer that fails is a finding about it, and no reason to stop
        traceback.print_exc()
        if "CUDA error" in str(error):  # nothing more can be computed in this process
            raise
        words = (str(error).strip() or "no word").splitlines()[0]
        return {"skipped": f"it failed: {type(error).__name__}: {words}"}


def _repeated(work: Callable[[], Any], on: str, asked: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The result, and the seconds of up to three rounds; one before them counts only, as cold, if there are none."""
    seconds: list[float] = []
    _reset_peak(on)
    with device.using(on), threads.one_core_each(asked["threads"]):
        for number in range(ROUNDS + 1):
            wait(on)
            start = time.perf_counter()
            result = work()
            wait(on)
            seconds.append(time.perf_counter() - start)
            # A share of what is left for each family, its peers included; more of it for a round that is not cold.
            left = asked["clock"].left()
            if sum(seconds) + seconds[-1] > (max(left / 4, 0.2) if number == 0 else left / 25):
                break
    return result, {"rounds": seconds[1:] or seconds, "cold": len(seconds) == 1}


def _reset_peak(on: str) -> None:
    if on.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats()


def _emptied(on: str) -> None:
    """Give the memory that PyTorch holds for later back to the device."""
    if on.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


def _peak(on: str) -> float | None:
    """GiB of the device's memory that PyTorch's tensors took at most."""
    if not on.startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_allocated() / 2**30
