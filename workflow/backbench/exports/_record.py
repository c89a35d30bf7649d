"""What an export says of its run: `final_report.json`, and for the classifier `classifier.json`. No absolute paths."""

import dataclasses
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import hashing, plugins, provenance
from backbench.classifiers._choice import VALIDATION as VALIDATION_IMAGES
from backbench.datasets import VALIDATION
from backbench.engine.results.joined_run import Row
from backbench.exports._folder import Folder
from backbench.pictures.source import Source

REPORT, CLASSIFIER = "final_report.json", "classifier.json"
PLACE = "PATH"
# In a sentence: an absolute path but for its last part; an address on the network has a colon before it.
FOLDERS = re.compile(r"(?<![\w:/.~])~?/(?:[^\s/'\":,;]+/)+")
# Between the parts of a value on the command line.
PARTED = re.compile(r"[,={}\[\]]|:(?!//)")
LIBRARIES = ("backbench", "numpy", "scikit-learn", "skops", "joblib")


def report(
    source: Source,
    folder: Folder,
    left_out: Mapping[str, str],
    classifier: Mapping[str, Any] | None,
    more: Mapping[str, Any],
) -> str:
    """Everything that is known of a run, and the files of its export, as JSON; `more` is added as it is."""
    row, info = source.row, source.info("dataset")
    content = {
        "run": row.name,
        "config_hash": row.config_hash,
        "status": row.status,
        "reason": _cut(row.reason),
        "reproduce": commands(row),
        "parameters": row.params,
        "stages": {kind: {"hash": row.stages[kind], "config": entry["config"]} for kind, entry in row.config.items()},
        "metrics": {name: None if math.isnan(value) else value for name, value in sorted(row.metrics.items())},
        "undefined": _cut(row.notes),
        "per_class": source.info("classification").get("per_class"),
        "per_part": source.info("clustering").get("parts"),
        "images": {"total": info["n"], **info.get("counts", {})},
        "classes": source.names or None,
        "left_out_images": len(info.get("excluded") or {}),
        "classifier": classifier and {name: classifier[name] for name in ("steps", "agreement")},
        **more,
        "computed_with": {**_circumstances(row), "versions": row.versions},
        "exported_with": versions(),
        "not_exported": _cut(left_out),
        "files": {name: _entry(folder.root / name) for name in folder.written},
    }
    return dumps(content)


def _entry(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": hashing.file_digest(path)}


def classifier(
    source: Source, steps: Sequence[tuple[str, Any]], agreement: Mapping[str, Any], trusted: Sequence[str]
) -> dict[str, Any]:
    """What somebody needs to know who predicts with the exported pipeline."""
    config = source.row.config["classification"]["config"]
    return {
        "run": source.row.config_hash,
        "classifier": {**config["classifier"], **({"seed": config["seed"]} if "seed" in config else {})},
        "steps": [[name, type(model).__name__] for name, model in steps],
        "input": features(source),
        "output": "the number of a class, its place in `classes`",
        "classes": source.names or None,
        "fitted_on": {**_learnt(source), **_drawn(config)},
        "agreement": dict(agreement),
        "trusted": list(trusted),
        "versions": versions(),
    }


def _learnt(source: Source) -> dict[str, Any]:
    """The part that a classifier was fitted on and how many images that is, those that it was refitted on included."""
    choice = source.info("classification").get("choice") or {}
    held = 0
    if choice.get("refit") and choice.get("on") == VALIDATION_IMAGES:
        known = set(source.truth[source.learnt].tolist())
        held = sum(label in known for label in source.truth[source.split == VALIDATION].tolist())
    return {"part": "train and validation" if held else "train", "images": len(source.learnt) + held}


def _drawn(config: Mapping[str, Any]) -> dict[str, Any]:
    """How few images of each class a classifier was fitted on, and the number of their draw; nothing where on all."""
    return {key: config[key] for key in ("shots", "draw") if key in config}


# Where the images were, how they are prepared (which is an option), and what their rows are filed under.
OF_THE_MACHINE = ("root", "image", "rows")


def features(source: Source) -> dict[str, Any]:
    """What a row of features is: its size, and the backbone with the options that `plugins.params` takes."""
    row, about = source.row, source.info("features")
    if not row.parts:
        return _columns(source, "")
    parts = [_columns(source, f"{role}.") for role in row.parts]
    return {**_columns(source, ""), "parts": parts, "factors": about.get("factors")}


def _columns(source: Source, prefix: str) -> dict[str, Any]:
    """The columns of the backbone, or those of the part of it with this prefix."""
    row, about = source.row, source.info(f"{prefix}features")
    stage = row.plan.stages[row.stages[f"{prefix}features"]]
    known = {**stage.config, **_cut(stage.local)}
    if f"{prefix}images" in row.config and not (row.parts and not prefix):
        known["image"] = row.config[f"{prefix}images"]["config"]
    options = {"name", *(option.name for option in dataclasses.fields(plugins.load("backbone", stage.family).Params))}
    backbone = {key: value for key, value in known.items() if key in options}
    return {
        "columns": about["d"],
        "dtype": "float32",
        "meaning": _meaning(backbone, about),
        "backbone": backbone,
        "identity": {key: value for key, value in known.items() if key not in (*options, *OF_THE_MACHINE)},
        **({"bits": bits} if (bits := source.info("dataset").get("bits")) else {}),
    }


def commands(row: Row) -> dict[str, str]:
    """What to type to compute a run again: where its results are, and from nothing."""
    words = ["backbench", "sweep", *map(_placeless, row.plan.request.get("overrides", []))]
    run = hashing.short(row.config_hash)
    return {"run": f"backbench reproduce {run}", "sweep": shlex.join(words), "export": f"backbench export {run}"}


def versions() -> dict[str, str]:
    """Versions of what an export is made with."""
    return provenance.installed(LIBRARIES)


def dumps(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def _meaning(backbone: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """A row of features in words."""
    text = f"{about['d']} float32 features of an image by the backbone {backbone['name']}"
    text += "".join(f", {key} {backbone[key]}" for key in ("layer", "pool", "normalise") if key in backbone)
    image = backbone.get("image")
    if "parts" in about:
        widths = " and ".join(map(str, about["parts"]))
        scaled = {"rms": "divided by the root mean square of its rows' lengths", "l2": "with rows of unit length"}
        return f"{text}: {widths} columns side by side, each part {scaled.get(backbone['scale'], 'as it is')}"
    if image is None:
        return f"{text}; they were made elsewhere and given to backbench"
    shape = "squashed to" if image["resize"] == "squash" else "its centre cut out at"
    if image.get("shorter"):
        shape = f"its shorter side resized to {image['shorter']} pixels, its centre cut out at"
    size = f"{image['size']} x {image['size']} pixels ({image['interpolation']})"
    text += f"; the image as {image['mode']}, {shape} {size}"
    return f"{text}; the backbone was trained in the sweep and is not exported" if "training" in about else text


def _circumstances(row: Row) -> dict[str, Any]:
    """Device, processor, threads and seconds, by stage."""
    return {key: row.provenance(key) for key in ("device", "cpu", "threads", "seconds", "git")}


def _placeless(override: str) -> str:
    """An override without the places of this machine."""
    key, _, value = override.partition("=")
    local = any(part.strip(" '\"").startswith(("/", "~")) for part in PARTED.split(value))
    return f"{key}={PLACE}" if local else override


def _cut(value: Any) -> Any:
    """Plain JSON in whose texts absolute paths are cut to their last part."""
    if isinstance(value, Mapping):
        return {str(key): _cut(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cut(item) for item in value]
    return FOLDERS.sub("", value) if isinstance(value, str) else value
