"""What a stage result costs where nothing like it is recorded: seconds by its options and its size (layer 2).

Fits are counted in seconds of one core (`sweep.cost.rates`); what comes before them in seconds of `CORES` cores.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backbench.sweep.cost import rates, training
from backbench.sweep.grid import HEADS, Stage

CORES = 2
SMALLEST = 0.01
# Data sets that come as arrays of pixels in a few files; of the others every image is a file to read and decode.
ARRAYS = ("fashion_mnist", "mnist", "cifar10", "stl10", "embeddings")
FILE_SECONDS, PIXELS_SECONDS = 4e-3, 5e-5
READ_SECONDS, AUDIT_SECONDS, AUDIT_IMAGE_SECONDS = 1.0, 0.7, 4e-4
# Networks are opened or compiled first; 10^9 multiplications a second: OpenVINO, from MobileNetV2 to ResNet-50.
OPEN_SECONDS, GIGA_PER_SECOND = 5.0, 80.0
# A GPU is at least so many times as quick as these cores.
GPU = 20.0
# A backbone with more 10^9 multiplications per image than this has a network to open.
NETWORK_GFLOPS = 1e-3
# A retrieval loads libraries, and its metrics are of every query.
RETRIEVAL_SECONDS, RETRIEVAL_IMAGE_SECONDS = 1.0, 3e-5
# Of one core: decompositions by their multiplications, UMAP by its rows, its compilation counted apart.
DECOMPOSED, MULTIPLICATIONS = ("pca", "whiten"), 1e10
UMAP_SECONDS = 5.0
# It makes 500 rounds of a few rows, and 200 of many.
UMAP_ROW_SECONDS, UMAP_FEW, UMAP_MANY_ROW_SECONDS = 1.8e-3, 10_000, 1.1e-3
# An option of a family to which its time is proportional, and its value when the rates were measured.
PROPORTIONAL = {
    "kmeans": ("n_init", 4),
    "minibatch_kmeans": ("n_init", 3),
    "gaussian_mixture": ("n_init", 1),
    "random_forest": ("n_estimators", 200),
    "gradient_boosting": ("max_iter", 100),
    "mlp": ("epochs", 50),
}
# Options that make a family work in another way, with rates of its own.
WAYS = {
    "agglomerative": ("linkage", {"average": "average", "complete": "average", "single": "average"}),
    "gaussian_mixture": ("covariance_type", {"full": "full", "tied": "full"}),
}
PLUGIN = {"clustering": "clusterer", "classification": "classifier"}


def seconds(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool = False) -> float:
    """Seconds of a stage result; `members` of its family are computed on the same matrix and share work."""
    return max(_KINDS[stage.kind](stage, stages, members, gpu), SMALLEST)


def total(members: Sequence[Stage], stages: Mapping[str, Stage]) -> float:
    """Seconds of stage results that one job computes; those of a family on the same parents share work."""
    sizes = Counter(map(family, members))
    return sum(seconds(stage, stages, sizes[family(stage)]) for stage in members)


def scoring(fits: Sequence[Stage]) -> float:
    """Seconds of one core that it takes to score fits of one matrix that are there."""
    sizes = Counter(fit.kind for fit in fits)
    return sum(score(fit, sizes[fit.kind]) for fit in fits)


def score(fit: Stage, members: int) -> float:
    """Seconds of one core for the scores of a fit, one of `members` of its kind on its matrix."""
    n, d = fit.about["n"], fit.about["d"]
    if fit.kind == "clustering":
        return rates.labeling(n, d, fit.config.get("k"), members)
    return SMALLEST + RETRIEVAL_IMAGE_SECONDS * n if fit.kind == "retrieval" else SMALLEST


def family(stage: Stage) -> tuple[Any, ...]:
    """What members that share work have in common."""
    return stage.kind, way(stage), tuple(sorted(stage.parents.items()))


def way(stage: Stage) -> str:
    """The family of a fit, with its way of working where that has rates of its own: ``gaussian_mixture(full)``."""
    options = stage.config.get(PLUGIN.get(stage.kind, ""), {})
    option, ways = WAYS.get(stage.family, ("", {}))
    found = ways.get(options.get(option))
    return f"{stage.family}({found})" if found else stage.family


def train(
    stage: Stage, stages: Mapping[str, Stage], past: training.Past = training.NOTHING
) -> training.Training | None:
    """The training that features take; None where the backbone is not trained."""
    if stage.kind != "features" or not training.trained(stage.config):
        return None
    rows = training.learnt(stage.config, _parent(stage, stages, "dataset").config, stage.about["n"])
    return training.of(stage.config, _parent(stage, stages, "images").config, rows, past)


def _parent(stage: Stage, stages: Mapping[str, Stage], role: str) -> Stage:
    return stages[stage.parents[role][1]]


def _dataset(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    return READ_SECONDS + (0.0 if stage.family in ARRAYS else FILE_SECONDS * stage.about["n"])


def _audit(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    return AUDIT_SECONDS + AUDIT_IMAGE_SECONDS * stage.about["n"]


def _features(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    training_to_come = train(stage, stages)
    if training_to_come:
        return training_to_come.seconds / CORES
    giga = stage.about.get("gflops", 0.0)  # plans of older versions may lack it
    opening = OPEN_SECONDS if giga > NETWORK_GFLOPS else 0.0
    return opening + stage.about["n"] * (PIXELS_SECONDS + giga / (GIGA_PER_SECOND * (GPU if gpu else 1.0)))


def _matrix(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    n, d, steps = (stage.about[key] for key in ("n", "d", "steps"))
    decomposed = sum(step in DECOMPOSED for step in steps)
    of_row = UMAP_ROW_SECONDS if n <= UMAP_FEW else UMAP_MANY_ROW_SECONDS
    search = rates.seconds("neighbours", "euclidean", n, 50 if decomposed else d)
    umap = steps.count("umap") * (UMAP_SECONDS + of_row * n + search)
    return (1 + decomposed * min(n, d)) * n * d / MULTIPLICATIONS + umap


def _neighbours(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    return rates.seconds(stage.kind, stage.family, stage.about["n"], stage.about["d"])


def _fit(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    option, usual = PROPORTIONAL.get(stage.family, ("", 1))
    options: Mapping[str, Any] = stage.config.get(PLUGIN.get(stage.kind, ""), {})
    times = (1 + stage.config.get("bootstraps", 0)) * options.get(option, usual) / usual
    size = (stage.about["n"], stage.about["d"], stage.config.get("k"))
    return times * rates.seconds(stage.kind, way(stage), *size, members=members)


def _retrieval(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    """What is found in a stored graph of neighbours is not searched again."""
    searched = 0.0 if stage.aids else _fit(stage, stages, members, gpu)
    return RETRIEVAL_SECONDS + RETRIEVAL_IMAGE_SECONDS * stage.about["n"] + searched


_KINDS: Mapping[str, Callable[[Stage, Mapping[str, Stage], int, bool], float]] = {
    "dataset": _dataset,
    "audit": _audit,
    "features": _features,
    "matrix": _matrix,
    "neighbours": _neighbours,
    **dict.fromkeys(HEADS, _fit),
    "retrieval": _retrieval,
}
