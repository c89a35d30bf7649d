"""The same work by others on a device: faiss, cuML and flashlib where they are installed, and PyTorch by hand.

Each is a function of the rows (see ``_gpu_families``) and a device, from arrays in ordinary memory to the result there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from _gpu_plan import COMPONENTS, ITERATIONS, NEIGHBOURS

# Values of a block of distances.
BLOCK = 1 << 28


class Absent(Exception):
    """A library that is not installed, or that sees no device."""


def _library(name: str, device: str) -> Any:
    import importlib

    if device == "cpu":
        raise Absent("not tried on a CPU")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Absent(f"{name} is not installed") from error


def _faiss(device: str) -> Any:
    faiss = _library("faiss", device)
    if not getattr(faiss, "get_num_gpus", int)():
        raise Absent("faiss is installed without support for GPUs")
    return faiss


# ------------------------------------------------------------------------------------------------ Lloyd


def _plain_lloyd(rows: Any, device: str) -> np.ndarray:
    import torch

    x, centres = (torch.from_numpy(each).to(device) for each in (rows.x, rows.centres))
    size, k = max(1, BLOCK // len(centres)), len(centres)
    for number in range(ITERATIONS + 1):
        half = (centres * centres).sum(1) / 2
        labels = torch.cat([(half - part @ centres.T).argmin(1) for part in x.split(size)])
        if number == ITERATIONS:
            break
        sums = torch.zeros_like(centres).index_add_(0, labels, x)
        counts = torch.bincount(labels, minlength=k)[:, None]
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return labels.cpu().numpy()


def _faiss_lloyd(rows: Any, device: str) -> np.ndarray:
    faiss = _faiss(device)
    k = len(rows.centres)
    model = faiss.Kmeans(rows.x.shape[1], k, niter=ITERATIONS, gpu=True, max_points_per_centroid=1 << 40)
    model.train(rows.x, init_centroids=rows.centres)
    return model.index.search(rows.x, 1)[1][:, 0].astype(np.int64)


def _cuml_lloyd(rows: Any, device: str) -> np.ndarray:
    _library("cuml", device)
    from cuml.cluster import KMeans

    model = KMeans(n_clusters=len(rows.centres), init=rows.centres, n_init=1, max_iter=ITERATIONS, tol=1e-10)
    return np.asarray(model.fit(rows.x, convert_dtype=False).labels_).astype(np.int64)


def _flash_lloyd(rows: Any, device: str) -> np.ndarray:
    flashlib = _library("flashlib", device)
    import torch

    x, centres = (torch.from_numpy(each).to(device) for each in (rows.x, rows.centres))
    labels = flashlib.flash_kmeans(x, len(centres), max_iters=ITERATIONS, init_centroids=centres[None])[0]
    return labels.cpu().numpy().astype(np.int64)


# ------------------------------------------------------------------------------------------------ neighbours


def _plain_nearest(rows: Any, device: str, cosine: bool = False) -> np.ndarray:
    import torch

    x, queries = torch.from_numpy(rows.x).to(device), torch.from_numpy(rows.queries).to(device)
    if cosine:
        x = torch.nn.functional.normalize(x)
    half, found = (x * x).sum(1) / 2, []
    for part in queries.split(max(1, BLOCK // len(x))):
        apart = half - x[part] @ x.T
        apart[torch.arange(len(part), device=device), part] = torch.inf
        found.append(apart.topk(NEIGHBOURS, largest=False).indices)
    return torch.cat(found).cpu().numpy()


def _others(found: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The first neighbours (q, k) that are not the query itself (q,), of one more."""
    found = np.asarray(found).astype(np.int64)
    itself = found == queries[:, None]
    itself[~itself.any(axis=1), -1] = True
    return found[~itself].reshape(len(found), NEIGHBOURS)


def _faiss_nearest(rows: Any, device: str) -> np.ndarray:
    faiss = _faiss(device)
    index = faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), rows.x.shape[1])
    index.add(rows.x)
    return _others(index.search(rows.x[rows.queries], NEIGHBOURS + 1)[1], rows.queries)


def _cuml_nearest(rows: Any, device: str) -> np.ndarray:
    _library("cuml", device)
    from cuml.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, algorithm="brute").fit(rows.x)
    return _others(model.kneighbors(rows.x[rows.queries], return_distance=False), rows.queries)


def _flash_nearest(rows: Any, device: str) -> np.ndarray:
    flashlib = _library("flashlib", device)
    import torch

    x = torch.from_numpy(rows.x).to(device)
    found = flashlib.flash_knn(x[: len(rows.queries)], x, NEIGHBOURS + 1)[1]
    return _others(found.cpu().numpy(), rows.queries)


def _plain_precision(rows: Any, device: str) -> float:
    found = _plain_nearest(rows, device, cosine=True)
    return float((rows.classes[found] == rows.classes[rows.queries][:, None]).mean())


# ------------------------------------------------------------------------------------------------ the others


def _plain_components(rows: Any, device: str) -> np.ndarray:
    import torch

    x = torch.from_numpy(rows.x).to(device)
    x = x - x.mean(0)
    axes = torch.linalg.eigh(x.T @ x).eigenvectors[:, -COMPONENTS:].flip(1)
    return (x @ axes).cpu().numpy()


def _cuml_components(rows: Any, device: str) -> np.ndarray:
    _library("cuml", device)
    from cuml.decomposition import PCA

    return np.asarray(PCA(n_components=COMPONENTS).fit_transform(rows.x))


def _flash_components(rows: Any, device: str) -> np.ndarray:
    flashlib = _library("flashlib", device)
    import torch

    x = torch.from_numpy(rows.x).to(device)
    axes = next(part for part in flashlib.flash_pca(x, COMPONENTS) if part.ndim == 2)
    axes = axes if len(axes) == x.shape[1] else axes.T
    return ((x - x.mean(0)) @ axes).cpu().numpy()


def _cuml_scores(rows: Any, device: str) -> list[float]:
    _library("cuml", device)
    from cuml.metrics.cluster import silhouette_score

    if len(rows.x) > len(rows.queries):
        raise Absent("cuML has no sample of rows against all")
    return [float(silhouette_score(rows.x, rows.classes // divisor, chunksize=20_000)) for divisor in (1, 2, 4, 8)]


Peers = dict[str, Callable[[Any, str], Any]]
LLOYD: Peers = {"plain": _plain_lloyd, "faiss": _faiss_lloyd, "cuML": _cuml_lloyd, "flashlib": _flash_lloyd}
NEAREST: Peers = {"plain": _plain_nearest, "faiss": _faiss_nearest, "cuML": _cuml_nearest, "flashlib": _flash_nearest}
PRECISION: Peers = {"plain": _plain_precision}
PRINCIPAL: Peers = {"plain": _plain_components, "cuML": _cuml_components, "flashlib": _flash_components}
SCORES: Peers = {"cuML": _cuml_scores}
