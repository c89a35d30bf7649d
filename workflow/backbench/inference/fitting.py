"""The model of a run, made from its stored results: what takes a fit is fitted once and kept in the results folder.

What each task does with new images follows from the run alone: the chain and the classifier as they were fitted in the
sweep, the rule of its clusterer for new rows (see ``placing``), and the nearest known images in the space of its
retrieval, or by the cosine of its features where it has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backbench import classifiers, derived, hashing, machine, provenance, threads
from backbench.backbones import _contract, _quantised
from backbench.datasets import TEST, TRAIN, VALIDATION
from backbench.derived import Content, Derived
from backbench.images.bounds import Unreadable
from backbench.inference import chains, classifying, equals, index, learning, placing, skops_files
from backbench.inference.model import (
    BACKBONE,
    CLASSIFICATION,
    CLUSTERING,
    GIVEN,
    NEIGHBOURS,
    PART_TRAINED,
    TRAINED,
    Model,
)
from backbench.metrics.labels import OUTSIDE
from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import StoreError

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.neighbours import Metric

FORMAT = 2
LIBRARIES = ("numpy", "scikit-learn", "scipy", "skops")
# An image is unlike the known ones if its nearest is farther than this share of training images are from theirs.
SHARE, SAMPLE = 0.99, 2000
# Where the images were and what their rows are filed under.
OF_THE_MACHINE = ("root", "rows")


def fit(source: Source, say: Callable[[str], None] = lambda text: None) -> Model:
    """The model of a run.

    Parameters
    ----------
    say : is told what takes time

    Raises
    ------
    ConfigError
        If the run has no features of images.
    StoreError
        If the store has lost a result of the run.
    """
    _refuse(source)
    kept = Derived(derived.of_results(), "model", _origin(source), (__name__, chains.__name__, classifying.__name__))

    def make() -> Content:
        say("fitting the model of the run again; it is kept")
        with threads.one_core_each(machine.cores()):
            content = _content(source)
        return _with_weights(content, source, say)

    content = kept.ensure(make)
    arrays = {**content.arrays, **_known(source), **_network(source)}
    return Model(content.info, arrays, folder=None, index=_index(source, content.info, arrays["known.gallery"], say))


def _network(source: Source) -> "dict[str, np.ndarray]":
    """The network in int8 that gave the features of the run, as arrays (bytes,) uint8; empty for other precisions."""
    if "calibration" not in source.info("features"):
        return {}
    return {name: source.stored("features", name) for name in (_quantised.GRAPH, _quantised.WEIGHTS)}


def _refuse(source: Source) -> None:
    run = hashing.short(source.row.config_hash)
    if source.array("features", "features", mmap=True) is None:
        raise ConfigError(f"run {run}: its features are not computed; `backbench sweep` with its options does it.")


def _origin(source: Source) -> dict[str, Any]:
    """What the model depends on: the results of the run with the code that made them, and the libraries."""
    records = {member: source.row.records[member] for member in source.row.members if member in source.row.records}
    made = {member: [record.get("code"), _digests(record)] for member, record in records.items()}
    return {"run": source.row.config_hash, "made": made, "libraries": provenance.installed(LIBRARIES), "format": FORMAT}


def _digests(record: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry.get("sha256", "") for name, entry in record.get("arrays", {}).items()}


def _content(source: Source) -> Content:
    """Everything about the model that has to be computed."""
    about: dict[str, Any] = {
        "format": FORMAT,
        "run": source.row.config_hash,
        "name": source.row.name,
        "collection": source.row.collection,
        "images": source.info("dataset")["n"],
        "classes": source.names or None,
        "backbone": _backbone(source),
        "columns": source.info("features")["d"],
        "bits": source.info("dataset").get("bits"),
        "chains": {},
        "lacks": {},
    }
    arrays: dict[str, np.ndarray] = {}
    for task, part in ((CLASSIFICATION, _classifier), (CLUSTERING, _placement), (NEIGHBOURS, _neighbours)):
        try:
            about[task], of_task = part(source)
            about["chains"][task], of_chain = chains.pack(_chain(source, task), task)
        except (equals.NoEqual, skops_files.Unsafe, _Lacking) as error:
            about["lacks"][task] = str(error)
            about.pop(task, None)
        else:
            arrays |= of_task | of_chain
    return Content(about, arrays)


def _with_weights(content: Content, source: Source, say: Callable[[str], None]) -> Content:
    """The same with the weights of a backbone that was trained in the sweep; without them it is not cached."""
    if content.info["backbone"]["kind"] != TRAINED:
        return content
    try:
        about, arrays = learning.weights(source, say)
    except (learning.Different, ConfigError, StoreError, OSError, Unreadable) as error:
        lacks = {**content.info["lacks"], BACKBONE: str(error)}
        return replace(content, info={**content.info, "lacks": lacks}, lasting=False)
    return replace(content, info={**content.info, "training": about}, arrays={**content.arrays, **arrays})


class _Lacking(Exception):
    """A task that the run has no result of."""


def _backbone(source: Source) -> dict[str, Any]:
    """The backbone with its options, and its weights by digest and where they are; with its parts if it has some."""
    if not source.row.parts:
        return _single(source, "")
    parts = [_single(source, f"{role}.") for role in source.row.parts]
    kinds = {part["kind"] for part in parts}
    whole = {**_single(source, ""), "parts": parts, "factors": source.info("features")["factors"]}
    return {**whole, "kind": GIVEN if GIVEN in kinds else PART_TRAINED if TRAINED in kinds else ""}


def _single(source: Source, prefix: str) -> dict[str, Any]:
    """The backbone, or the part of it with this prefix."""
    kind = f"{prefix}features"
    stage, info = source.row.plan.stages[source.row.stages[kind]], source.info(kind)
    known = {**stage.config, **stage.local}
    if f"{prefix}images" in source.row.config and not (source.row.parts and not prefix):
        known["image"] = source.row.config[f"{prefix}images"]["config"]
    known["kind"] = GIVEN if isinstance(_contract.load(stage.family), _contract.Given) else ""
    if "training" in info:
        known["kind"] = TRAINED
    if "calibration" in info:
        known[_quantised.GRAPH] = info["calibration"]["digest"]
    known |= {"columns": info["d"]} if prefix else {}
    return {key: value for key, value in known.items() if key not in OF_THE_MACHINE}


def _head(task: str) -> str:
    return "retrieval" if task == NEIGHBOURS else task


def _chain(source: Source, task: str) -> chains.Chain:
    """The chain of a task, fitted as in the sweep."""
    import numpy as np

    head = _head(task)
    if head not in source.row.run.stages:
        return chains.Chain()
    kind, member = source.matrix_ref(head)
    if kind != "matrix":
        return chains.Chain()
    config = source.row.plan.stages[member].config
    features = source.stored("features", "features")
    fitted = None if config["fit"] == "all" else np.flatnonzero(source.split == TRAIN)
    return chains.fit(config["steps"], features, fitted, lambda: source.matrix(head))


def _classifier(source: Source) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """The classifier, packed: plain JSON and arrays (m, ...)."""
    if lacks := _heads.missing(source, CLASSIFICATION):
        raise _Lacking(lacks)
    config = source.row.plan.stages[source.row.run.stages[CLASSIFICATION]].config
    matrix, kept = source.matrix(CLASSIFICATION), source.split == VALIDATION
    held = classifiers.Held(matrix[kept], source.truth[kept], "shots" not in config, source.info(CLASSIFICATION))
    rows, classes = matrix[source.learnt], source.truth[source.learnt]
    words = source.array(CLASSIFICATION, "words")
    return classifying.pack(classifying.fit(config, rows, classes, len(source.names), held, words))


def _placement(source: Source) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """The placement in the clustering, packed with arrays (m, ...).

    Where the splits were clustered apart, it is that in the clustering of the test images.
    """
    if lacks := _heads.missing(source, CLUSTERING):
        raise _Lacking(lacks)
    config, info = source.row.plan.stages[source.row.run.stages[CLUSTERING]].config, source.info(CLUSTERING)
    inside = source.labels != OUTSIDE
    if config["scope"] == "per_split":
        inside &= source.split == TEST
    about, arrays = placing.pack(placing.fit(config, info, source.matrix(CLUSTERING)[inside], source.labels[inside]))
    return about | {"clusterer": config["clusterer"]["name"], "scope": config["scope"]}, arrays


def _neighbours(source: Source) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """The metric of the space of neighbours, and how far training images are from their nearest; no arrays (m, ...)."""
    import numpy as np

    from backbench.metrics import neighbours

    retrieval = "retrieval" in source.row.run.stages
    metric: Metric = source.row.params["retrieval.metric"] if retrieval else "cosine"
    rows = gallery(source)
    train = np.flatnonzero(source.split == TRAIN)
    sample = train if len(train) <= SAMPLE else np.sort(np.random.default_rng(0).choice(train, SAMPLE, replace=False))
    about: dict[str, Any] = {"metric": metric, "share": SHARE, "limit": None, "measured": len(sample)}
    if len(sample) and len(rows) > 1:
        lengths = neighbours.nearest(rows[sample], rows, 1, metric, sample)[1]
        about["limit"] = float(np.quantile(lengths[:, 0], SHARE))
    return about, {}


def _comparable(source: Source, labels: "np.ndarray") -> "np.ndarray":
    """Stored clusters (n,) that new images are placed among: of splits clustered apart, those of the test images."""
    import numpy as np

    if source.info(CLUSTERING).get("scope") != "per_split":
        return labels
    return np.where(source.split == TEST, labels, OUTSIDE)


def _index(
    source: Source, about: Mapping[str, Any], rows: "np.ndarray", say: Callable[[str], None]
) -> "index.Index | None":
    """The index of the known images (n, d), where there are so many that not all of them are compared."""
    if NEIGHBOURS not in about or len(rows) <= index.EXACT:
        return None
    return index.opened(rows, about[NEIGHBOURS]["metric"], digest_of(source, *gallery_ref(source)), say)


def gallery(source: Source) -> "np.ndarray":
    """The rows (n, d) float32 of all known images in the space of neighbours, mapped into memory."""
    if "retrieval" in source.row.run.stages:
        return source.matrix("retrieval")
    return source.stored("features", "features")


def _known(source: Source) -> "dict[str, np.ndarray]":
    """What the store holds of the known images, by name: arrays (n, ...) in the order of the collection."""
    known: dict[str, np.ndarray] = {"known.gallery": gallery(source), "known.split": source.split}
    for name, kind, array in (("labels", CLUSTERING, "labels"), ("predictions", CLASSIFICATION, "predictions")):
        try:
            values = source.array(kind, array)
        except StoreError:
            values = None
        if values is not None:
            known[f"known.{name}"] = _comparable(source, values) if kind == CLUSTERING else values
    return known


def gallery_ref(source: Source) -> tuple[str, str]:
    """Kind and hash of the stage whose array are the known images of a run in the space of neighbours."""
    if "retrieval" in source.row.run.stages:
        return source.matrix_ref("retrieval")
    return "features", source.row.stages["features"]


def digest_of(source: Source, kind: str, member: str) -> str:
    """The SHA-256 that the store has recorded of a matrix or of features."""
    record: dict[str, Any] = source.store.read(kind, member) or {"arrays": {}}
    return str(record["arrays"].get(kind, {}).get("sha256", member))
