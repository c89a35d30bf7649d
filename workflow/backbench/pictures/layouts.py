"""What takes long to make for pictures: positions in the plane and trees of merges, made once and stored.

They are derived results of kind ``layout`` (`backbench.derived`), made from their configuration and a matrix.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backbench import hashing, machine, plugins
from backbench import threads as cores
from backbench.derived import Content, Derived
from backbench.engine.grid import Stage
from backbench.engine.plan.shards import family_mb
from backbench.pictures.source import Source
from backbench.store import DONE, StoreError

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

KIND = "layout"
METHODS = ("pca", "tsne", "umap")
TREE = "linkage"
# Pictures that need positions or a tree, by their kind.
_NEEDS = {f"map_{method}{more}": method for method in METHODS for more in ("", "_images")} | {"dendrogram": TREE}
_POSITIONS = ("backbench.pictures._embedding",)
_TREES = ("backbench.clusterers.agglomerative", "backbench.clusterers._trees")
# Of more images a sample is shown: on paper the cloud looks the same.
MOST_ROWS = 100_000
SEED = 0
# Tasks whose matrix is shown: that of the clustering, or else that of the classification.
SHOWN = ("clustering", "classification")
GRAPH = ("indices", "distances")
FEWEST = {"pca": 1, "tsne": 4, "umap": 4}


@dataclass(frozen=True)
class Layout:
    """Positions (m, 2) float32 of the images `rows` (m,): all of them in order, or a sample.

    `info` says how they were made: ``n`` rows of ``of`` images, and what belongs to the method.
    """

    rows: "np.ndarray"
    positions: "np.ndarray"
    info: Mapping[str, Any]


@dataclass(frozen=True)
class Tree:
    """Merges (m - 1, 4) in scipy's form, by increasing height, of the images `rows` (m,)."""

    rows: "np.ndarray"
    merges: "np.ndarray"


def needed(kind: str) -> str | None:
    """What a kind of picture needs: ``pca``, ``tsne``, ``umap``, ``linkage``, or nothing."""
    return _NEEDS.get(kind)


def shown_head(source: Source) -> str | None:
    """The task whose matrix is shown: one that is done and whose matrix is in the store."""
    for head in SHOWN:
        record = source.row.heads.get(head)
        if record and record["status"] == DONE and source.store.read(*source.matrix_ref(head)):
            return head
    return None


def head_of(source: Source) -> str:
    """The task whose matrix is shown, of a run that has one."""
    head = shown_head(source)
    assert head is not None  # else `refusal` has a reason
    return head


def stored(source: Source, method: str) -> bool:
    """Whether the positions of a run by `method`, or its tree, were made before."""
    return refusal(source, method) is None and _derived(source, method).there


def refusal(source: Source, method: str) -> str | None:
    """Why a run has no positions by `method`, or no tree; None where it has them."""
    return _no_tree(source) if method == TREE else _no_positions(source, method)


def preferred(source: Source) -> str | None:
    """The method, t-SNE before UMAP before PCA, by which the positions of a run are stored; None if there are none."""
    return next((method for method in ("tsne", "umap", "pca") if stored(source, method)), None)


def prepare(
    source: Source, kinds: Iterable[str], threads: int | None = None, progress: Progress = lambda done, total: None
) -> dict[str, str]:
    """Make what the pictures of these kinds need and do not have yet, each once, with one search for neighbours.

    `threads` defaults to those that the caller may use (`backbench.threads.beside`); they change no result.

    Returns
    -------
    What could not be made, and why
    """
    wanted = {method for kind in kinds if (method := needed(kind)) and refusal(source, method) is None}
    shared: dict[str, Near] = {}
    failed: dict[str, str] = {}
    for method in (method for method in (*METHODS, TREE) if method in wanted):
        try:
            _ensure(source, method, threads, progress, shared)
        except Exception as error:  # concerns only the pictures that need it
            failed[method] = f"{type(error).__name__}: {error}"
            log.warning("%s of run %s: %s", method, hashing.short(source.row.config_hash), failed[method])
    return failed


def layout(
    source: Source, method: str, threads: int | None = None, progress: Progress = lambda done, total: None
) -> Layout:
    """The positions of a run's images by ``pca``, ``tsne`` or ``umap``, made if they are not stored.

    Raises
    ------
    ValueError
        If there can be none, see :func:`refusal`.
    """
    import numpy as np

    made = _ensure(source, method, threads, progress, {})
    return Layout(made.arrays.get("rows", np.arange(made.info["n"])), made.arrays["positions"], made.info)


def linkage(source: Source, threads: int | None = None) -> Tree:
    """The tree that an agglomerative clustering was cut from, made if it is not stored.

    Raises
    ------
    ValueError
        If there is none, see :func:`refusal`.
    """
    made = _ensure(source, TREE, threads, lambda done, total: None, {})
    return Tree(clustered(source), made.arrays["merges"])


def clustered(source: Source) -> "np.ndarray":
    """The images (m,) that the reported clusters were found among: all, the training or the test images."""
    import numpy as np

    from backbench.datasets import TEST, TRAIN

    split = {"train": TRAIN, "per_split": TEST}.get(_clustering(source).config["scope"])
    return np.arange(len(source.split)) if split is None else np.flatnonzero(source.split == split)


def sample(n: int) -> "np.ndarray | None":
    """The rows (m,) of n that are shown, ascending; None for all."""
    import numpy as np

    if n <= MOST_ROWS:
        return None
    return np.sort(np.random.default_rng(SEED).choice(n, MOST_ROWS, replace=False))


def _no_positions(source: Source, method: str) -> str | None:
    if shown_head(source) is None:
        return "the run has no finished clustering or classification whose features are in the store"
    n, fewest = source.info("dataset").get("n", 0), FEWEST[method]
    return f"a map needs at least {fewest} images; the data set has {n}" if n < fewest else None


def _no_tree(source: Source) -> str | None:
    member = source.row.run.stages.get("clustering")
    if member is None or _clustering(source).family != "agglomerative":
        return "only hierarchical clusterings (clusterer=agglomerative) have one"
    if shown_head(source) != "clustering":
        return "the clustering is not done, or its features are not in the store"
    if _derived(source, TREE).there:
        return None
    stage, limit = _clustering(source), machine.memory_mb()
    asked = family_mb([stage])[0]
    if asked <= limit:
        return None
    return f"the tree of {stage.about['n']:,} images takes about {asked:,.0f} MB of memory; this machine has {limit:,}"


def _clustering(source: Source) -> Stage:
    return source.row.plan.stages[source.row.run.stages["clustering"]]


def _derived(source: Source, method: str) -> Derived:
    """The positions or the tree of a run; made from the content of the results it is of, which may be computed anew."""
    if method == TREE:
        stage = _clustering(source)
        params = plugins.params("clusterer", stage.config["clusterer"])
        config = {"method": TREE, "linkage": params.linkage, "metric": params.metric, "scope": stage.config["scope"]}
        roles = ("matrix",) if config["scope"] == "all" else ("matrix", "dataset")
        parents = {role: stage.parents[role] for role in roles}
    else:
        config = {"method": method, "most": MOST_ROWS, "seed": SEED}
        parents = {"matrix": source.matrix_ref(head_of(source))}
    content = {role: (source.store.read(*ref) or {}).get("arrays") for role, ref in parents.items()}
    origin = {"config": config, "parents": parents, "content": content}
    return Derived(source.store, KIND, origin, _TREES if method == TREE else _POSITIONS)


def _ensure(source: Source, method: str, threads: int | None, progress: Progress, shared: dict[str, "Near"]) -> Content:
    reason = refusal(source, method)
    if reason:
        raise ValueError(reason)
    derived, count = _derived(source, method), threads or cores.available()

    def make() -> Content:
        with cores.one_core_each(count):
            content = _tree(source, derived) if method == TREE else _placed(source, derived, progress, shared)
        return replace(content, circumstances={"device": "cpu", "threads": count})

    return derived.ensure(make)


def _tree(source: Source, derived: Derived) -> Content:
    from backbench.clusterers import _trees, agglomerative

    x, rows, config = source.matrix("clustering"), clustered(source), derived.origin["config"]
    x = x[rows] if len(rows) < len(x) else x
    fits = len(x) <= agglomerative.CONDENSED_ROWS
    return Content({"n": len(x)}, {"merges": _trees.tree(x, config["linkage"], config["metric"], fits)})


def _placed(source: Source, derived: Derived, progress: Progress, shared: dict[str, "Near"]) -> Content:
    import numpy as np

    from backbench.pictures import _embedding

    method, whole = derived.origin["config"]["method"], source.matrix(head_of(source))
    rows = sample(len(whole))
    x = np.asarray(whole if rows is None else whole[rows])
    near = _near(source, derived, x, _embedding.neighbours(method, len(x)), shared)
    positions, info = _embedding.embed(method, x, near, progress)
    info |= {"n": len(x), "of": len(whole), "d": whole.shape[1]}
    return Content(info, {"positions": positions} | ({} if rows is None else {"rows": rows}))


def _near(source: Source, derived: Derived, x: "np.ndarray", count: int, shared: dict[str, "Near"]) -> "Near":
    """What finds neighbours of the rows of `x` (n, d): the shared search, or one with a stored graph deep enough.

    t-SNE looks at more neighbours than UMAP and comes first, so that one search serves both.
    """
    from backbench.metrics.near import Near

    if not count:
        return Near(x)
    if "euclidean" not in shared:
        shared["euclidean"] = Near(x, stored=_graphs(source, derived.origin["parents"]["matrix"], count, len(x)))
    return shared["euclidean"]


def _graphs(source: Source, matrix: tuple[str, str], count: int, n: int) -> dict[str, Any]:
    """The shallowest stored neighbour graph of all n rows of the matrix that is deep enough."""
    stages = (stage for stage in source.row.plan.stages.values() if stage.kind == "neighbours")
    graphs = [stage for stage in stages if stage.parents["matrix"] == matrix and stage.config["metric"] == "euclidean"]
    for stage in sorted(graphs, key=lambda stage: stage.config["count"]):
        record = source.store.read("neighbours", stage.hash)
        if stage.config["count"] < count or not record or record["arrays"].get("indices", {}).get("shape", [0])[0] != n:
            continue
        try:
            return {"euclidean": tuple(source.store.array("neighbours", stage.hash, name) for name in GRAPH)}
        except StoreError as error:
            log.warning("%s", error)
    return {}
