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

BETWEEN = " · "
ABSENT = (None, "none")
# A default that is resolved when the sweep is planned; what it was resolved to is not what somebody chose.
RESOLVED = "auto"
NULL = "null"


def run_name(params: Mapping[str, Any]) -> str:
    """The name of the run that has these parameters, such as ``kmeans k=10 · svm C=10.0 · l2 · efficientnet_lite0``.

    Options at their default are left out, and the seed 0; where the heads have chains of their own, each says its own.
    """
    clusterer = [*_plugin(params, "clusterer"), *([f"k={params['k']}"] if "k" in params else [])]
    heads = [
        " ".join([*clusterer, *_options(params, "clusterer"), *_chain(params, "clustering")]),
        " ".join([*_plugin(params, "classifier"), *_options(params, "classifier"), *_chain(params, "classification")]),
    ]
    shots = [f"{name}={params[key]}" for name in ("shots", "draw") if (key := f"classification.{name}") in params]
    if not any(heads) and "retrieval.metric" in params:
        heads = [f"retrieval {params['retrieval.metric']}"]
    seed = f"seed={params['seed']}" if params.get("seed", 0) != 0 else ""
    chain = "" if params.get("chain") in ABSENT else str(params["chain"])
    backbone = " ".join([*_plugin(params, "backbone"), *_options(params, "backbone", "image.")])
    return BETWEEN.join(filter(None, (*heads, " ".join(shots), seed, chain, backbone)))


def _plugin(params: Mapping[str, Any], group: str) -> list[str]:
    name = params.get(f"{group}.name")
    return [] if name in ABSENT else [str(name)]


def _chain(params: Mapping[str, Any], head: str) -> list[str]:
    """The chain of a head, where it is not that of all heads."""
    chain = params.get(f"{head}.chain")
    return [] if "chain" in params or chain in ABSENT else [f"on {chain}"]


def _options(params: Mapping[str, Any], group: str, part: str = "") -> Iterator[str]:
    """The options of a plugin, of all or of one part of them, that differ from its defaults."""
    name = params.get(f"{group}.name")
    defaults = {} if name in ABSENT else _defaults(paths.conf() / group / f"{name}.yaml")
    for option, default in defaults.items():
        value = params.get(f"{group}.{option}", NULL)
        if option.startswith(part) and default != RESOLVED and value != NULL and not _same(value, default):
            yield f"{option.removeprefix(part)}={value}"


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
