"""What a stage result costs where nothing like it is recorded: seconds by its options and its size.

Plugins say what their fits cost, in seconds of one core; what comes before fits is in seconds of `CORES` cores.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from backbench import classifiers, clusterers, cost, hashing, plugins, transforms
from backbench.backbones import _engine
from backbench.engine.cost import rates, training
from backbench.engine.grid import Stage

CORES = 2
SMALLEST = 0.01
# Data sets that come as arrays of pixels in a few files; of the others every image is a file to read and decode.
ARRAYS = ("fashion_mnist", "mnist", "cifar10", "stl10", "embeddings")
FILE_SECONDS, PIXELS_SECONDS = 4e-3, 5e-5
READ_SECONDS, AUDIT_SECONDS, AUDIT_IMAGE_SECONDS = 1.0, 0.7, 4e-4
# Networks are opened or compiled first; 10^9 multiplications a second: OpenVINO, from MobileNetV2 to ResNet-50.
OPEN_SECONDS, GIGA_PER_SECOND = 5.0, 80.0
# OpenVINO against float32, by `benchmarks/precision.py`.
ROUNDED = {"bfloat16": 1.8, "int8": 2.4}
# A calibration imports NNCF, and takes the work of so many features in float32 for each of its images.
CALIBRATION_SECONDS, CALIBRATION_FEATURES = 10.0, 3.0
# A GPU is at least so many times as quick as these cores.
GPU = 20.0
# A backbone with more 10^9 multiplications per image than this has a network to open.
NETWORK_GFLOPS = 1e-3
# The metrics of a retrieval are of every query.
RETRIEVAL_IMAGE_SECONDS = 3e-5
# A query and an image of the gallery that are compared and ranked with all others, and each column of theirs.
PAIR_SECONDS, PAIR_COLUMN_SECONDS = 5e-8, 4.6e-11
# A judge loads and compiles UMAP, and embeds its rows.
JUDGE_SECONDS, JUDGE_ROW_SECONDS = 8.0, 2e-3
# Share of distinct rows in a bootstrap sample.
DISTINCT = 0.63
# Values of a matrix that are read and written in a second.
VALUES = 1e10
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
        return rates.seconds("metrics", "labeling", n, d, members)
    return SMALLEST + RETRIEVAL_IMAGE_SECONDS * n + _ranking(fit) if fit.kind == "retrieval" else SMALLEST


def _ranking(fit: Stage) -> float:
    """Seconds of one core that whole rankings take, where a retrieval has any."""
    return fit.about.get("pairs", 0) * (PAIR_SECONDS + PAIR_COLUMN_SECONDS * fit.about["d"])


def family(stage: Stage) -> tuple[Any, ...]:
    """What members that share work have in common: the rows that they are fitted on too."""
    rows = stage.config.get("shots"), stage.config.get("draw")
    return stage.kind, way(stage), tuple(sorted(stage.parents.items())), rows


def way(stage: Stage) -> str:
    """The family of a fit, with its way of working if it has a name: ``gaussian_mixture(full)``."""
    kind = PLUGIN.get(stage.kind, "")
    if not kind or not plugins.offers(module := plugins.load(kind, stage.family), plugins.Varied):
        return stage.family
    name = module.way(_params(kind, stage.config[kind]))
    return f"{stage.family}({name})" if name else stage.family


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
    gpu = gpu and not on_cpu_alone(stage)
    giga = stage.about.get("gflops", 0.0)  # plans of older versions may lack it
    opening = (OPEN_SECONDS if giga > NETWORK_GFLOPS else 0.0) + _calibrating(_backbone(stage), giga)
    speed = GIGA_PER_SECOND * (GPU if gpu else _rounded(_backbone(stage)))
    return opening + stage.about["n"] * (PIXELS_SECONDS + giga / speed)


def on_cpu_alone(stage: Stage) -> bool:
    """Whether the network of features, or of a judge that extracts its own, runs in OpenVINO: on the CPU."""
    return stage.kind in ("features", "judge") and _backbone(stage).get("engine") == "openvino"


def _backbone(stage: Stage) -> Mapping[str, Any]:
    """The options of the backbone of features, or of a judge."""
    options: Mapping[str, Any] = stage.config.get("backbone", stage.config)
    return options


def _rounded(backbone: Mapping[str, Any]) -> float:
    """How many times as quick as in float32 the CPU is at the precision of a backbone."""
    quick = backbone.get("engine") == "openvino"
    return ROUNDED.get(backbone.get("precision", ""), 1.0) if quick else 1.0


def _calibrating(backbone: Mapping[str, Any], giga: float) -> float:
    """Seconds until a network in int8 is calibrated."""
    if backbone.get("precision") != "int8":
        return 0.0
    images: int = backbone.get("calibration", _engine.CALIBRATION)
    return CALIBRATION_SECONDS + images * CALIBRATION_FEATURES * giga / GIGA_PER_SECOND


def _matrix(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    n, d = stage.about["n"], stage.about["d"]
    total_seconds = n * d / VALUES
    for step in stage.config["steps"]:
        module, params = transforms.load(step["name"]), _params("transform", step)
        total_seconds += module.seconds(params, n, d) if isinstance(module, transforms.Timed) else 0.0
        d = module.width(params, d)
    return total_seconds


def _neighbours(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    return rates.seconds(stage.kind, stage.family, stage.about["n"], stage.about["d"])


def fit_clusterer(stage: Stage, n: int, d: int, members: int) -> float:
    """Seconds of one core for the fit of a clustering on n rows of d columns, without its scores."""
    module = clusterers.load(stage.family)
    if not isinstance(module, clusterers.Timed):
        return cost.UNKNOWN.at(n, d)
    return module.seconds(_params("clusterer", stage.config["clusterer"]), n, d, stage.config.get("k"), members)


def _judge(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    """A UMAP of the sampled rows, whose images are read by a network where it is not one of the sweep."""
    extracted = 0.0 if "features" in stage.parents else _features(stage, stages, members, gpu)
    return JUDGE_SECONDS + JUDGE_ROW_SECONDS * stage.about["n"] + extracted


def _clustering(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    n, d, samples = stage.about["n"], stage.about["d"], stage.config.get("bootstraps", 0)
    drawn = round(n * stage.config.get("sample_share", DISTINCT))
    again = samples * fit_clusterer(stage, drawn, d, members) if samples else 0.0
    return fit_clusterer(stage, n, d, members) + score(stage, members) + again


def _classification(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    module, n, d = classifiers.load(stage.family), stage.about["n"], stage.about["d"]
    if not isinstance(module, classifiers.Timed):
        return cost.UNKNOWN.at(n, d)
    return module.seconds(_params("classifier", stage.config["classifier"]), n, d, members)


def _params(kind: str, options: Mapping[str, Any]) -> Any:
    return _parsed(kind, hashing.canonical_json(options))


@cache
def _parsed(kind: str, options: str) -> Any:
    return plugins.params(kind, json.loads(options))


def _retrieval(stage: Stage, stages: Mapping[str, Stage], members: int, gpu: bool) -> float:
    """What is found in a stored graph of neighbours is not searched again."""
    n, d = stage.about["n"], stage.about["d"]
    searched = 0.0 if stage.aids else rates.seconds(stage.kind, stage.family, n, d)
    return SMALLEST + RETRIEVAL_IMAGE_SECONDS * stage.about["n"] + searched + _ranking(stage)


_KINDS: Mapping[str, Callable[[Stage, Mapping[str, Stage], int, bool], float]] = {
    "dataset": _dataset,
    "audit": _audit,
    "features": _features,
    "matrix": _matrix,
    "neighbours": _neighbours,
    "judge": _judge,
    "clustering": _clustering,
    "classification": _classification,
    "retrieval": _retrieval,
}
