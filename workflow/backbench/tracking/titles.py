"""The names of runs in MLflow (no mlflow).

MLflow's table shows about 40 characters of a name, so what usually differs comes first and the backbone last. A name
depends on the run alone: two sweeps that share a run call it the same.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from yaml import YAMLError, safe_load

from backbench import paths
from backbench.sweep.results.joined_run import Row

BETWEEN = " · "
ABSENT = (None, "none")
# A default that is resolved when the sweep is planned; what it was resolved to is not what somebody chose.
RESOLVED = "auto"
NULL = "null"
# The options that take part in the name: configuration group, and the beginning of the parameters.
CLUSTERER, CLASSIFIER = "clusterer", "classifier"
BACKBONE, IMAGE = "backbone", "backbone.image"


def run_name(row: Row) -> str:
    """A name such as ``kmeans k=10 · svm C=10.0 · l2 · efficientnet_lite0``; options at their default are left out."""
    params = row.params
    clusterer = [*_plugin(params, CLUSTERER), *([f"k={params['k']}"] if "k" in params else [])]
    parts = [[*clusterer, *_options(params, CLUSTERER, CLUSTERER)], [*_plugin(params, CLASSIFIER)]]
    parts[1] += _options(params, CLASSIFIER, CLASSIFIER)
    if not any(parts):
        parts = [["retrieval", str(params["retrieval.metric"])] if "retrieval.metric" in params else []]
    if "chain" not in params:
        _add_chains(params, parts)
    seed = params.get("seed", 0)
    rest = [f"seed={seed}"] * (seed != 0) + [str(params.get("chain", ""))] * (params.get("chain") not in ABSENT)
    backbone = [str(params["backbone.name"]), *_options(params, BACKBONE, IMAGE)]
    return BETWEEN.join(filter(None, (*map(" ".join, parts), *rest, " ".join(backbone))))


def _plugin(params: Mapping[str, Any], group: str) -> list[str]:
    name = params.get(f"{group}.name")
    return [] if name in ABSENT else [str(name)]


def _add_chains(params: Mapping[str, Any], parts: list[list[str]]) -> None:
    """Say the chain of each head beside it, where they differ."""
    for part, head in zip(parts, ("clustering", "classification"), strict=False):
        chain = params.get(f"{head}.chain")
        if part and chain not in ABSENT:
            part.append(f"on {chain}")


def _options(params: Mapping[str, Any], group: str, prefix: str) -> Iterator[str]:
    """The options of a plugin that differ from its defaults."""
    name = params.get(f"{group}.name")
    defaults = {} if name in ABSENT else _defaults(paths.conf() / group / f"{name}.yaml")
    for key, default in defaults.items():
        option = f"{group}.{key}"
        value = params.get(option, NULL)
        if option.startswith(f"{prefix}.") and default != RESOLVED and value != NULL and not _same(value, default):
            yield f"{option.removeprefix(f'{prefix}.')}={value}"


@cache
def _defaults(path: Path) -> Mapping[str, Any]:
    """The options of a plugin by their dotted names; none where its file cannot be read."""
    with suppress(OSError, ValueError, YAMLError):
        options = safe_load(path.read_text())
        return dict(_flat("", options)) if isinstance(options, dict) else {}
    return {}


def _flat(prefix: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in options.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{key}.", value)
        elif prefix or key != "name":
            yield f"{prefix}{key}", value


def _same(value: Any, default: Any) -> bool:
    """Whether two spellings mean the same: YAML reads ``1e-4`` as a word and ``1.0e-4`` as a number."""
    with suppress(TypeError, ValueError):
        return float(value) == float(default)
    return str(value) == str(default)
