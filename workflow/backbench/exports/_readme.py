"""`README.md` of an export: what its files are, and how to use them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench import hashing
from backbench.exports import _record, _reports, _tables, backbone
from backbench.exports.tools.writing import Opened
from backbench.pictures.source import Source

NAME = "README.md"
ARRAYS = """\
## Arrays

In `features.npz` (read with `numpy.load`, no pickle), a row for each image:

- `features` float32 (images, columns): as the backbone gave them, before any transform
- `names` text (images,): the path of the file below its folder, or the place in the collection, from 0
- `part` text (images,): train, validation or test
- `labels` int64 (images,): number of the class, its place in `classes`; absent without classes
- `classes` text (classes,); absent without classes
"""
CLUSTERS = """
In `clusters.npz`: `labels` int32 (images,), the number of the cluster, -1 noise, -2 not clustered; `names` and `part`
as above; `scope` ({scope}): which images were clustered together.
"""
LINES = {
    _tables.FEATURES: "features, names, parts and classes of all images",
    _tables.CLUSTERS: "cluster of each image",
    _tables.PREDICTIONS: "name, part, true and predicted class of the validation and test images",
    "classifier.skops": "the fitted classifier with its transforms: one scikit-learn pipeline, no pickle",
    "classifier.joblib": "the same as a pickle: **loading it runs code that is in it**; load your own alone",
    _record.CLASSIFIER: "the classifier in words: its input, the names of the classes, how far it agrees with the run",
    _reports.TEXT: "precision, recall and F1 of each class on the test images",
    _reports.TABLE: "the same as a table, with all digits",
    backbone.MODEL: "the backbone as ONNX: from prepared pixels to features",
    backbone.ABOUT: "its input and output, and how far it agrees with the stored features",
    _record.REPORT: "configuration, every metric, versions, device, seconds, commands, files with their SHA-256",
}
PICTURES = {
    "confusion_matrix": "which class was taken for which, on the test images",
    "sample_grid": "single images with their class and what was found",
    "cluster_samples": "images of each cluster",
    "dendrogram": "the tree of merges",
    "map_tsne": "all images in the plane, by t-SNE",
}
PREDICT = """\
## Predict

```python
import json, numpy, skops.io

pipeline = skops.io.load("classifier.skops", trusted={trusted})
about = json.load(open("classifier.json", encoding="utf-8"))
data = numpy.load("features.npz")
rows = data["features"][data["part"] == "test"]
print([about["classes"][number] for number in pipeline.predict(rows)])
```

It wants scikit-learn {sklearn} and skops {skops} or newer. {agreement}

A row is {meaning}.
"""
SAFE = """
skops makes no object of a type that is not trusted. A file that somebody may have changed is known by its SHA-256 in
`final_report.json`, if that is still yours.
"""
ONNX = """\
## The backbone without PyTorch

```python
import numpy, onnxruntime

session = onnxruntime.InferenceSession("backbone.onnx")
images = numpy.zeros((1, *session.get_inputs()[0].shape[1:]), "uint8")
(features,) = session.run(None, {{"images": images}})
```

`images` are uint8, {shape} (NHWC): {meaning}. `features` are float32, batch x {columns}. {measured}
"""
TREES = """
The types in `trusted` hold the trees, whose numbers scikit-learn follows unchecked: a forged file could end the
process.
"""


@dataclass(frozen=True)
class More:
    """What was asked for besides: what `backbone.json` says, and the tables for tools."""

    network: Mapping[str, Any] | None
    opened: Mapping[str, Opened]


def text(
    source: Source,
    written: Sequence[str],
    left_out: Mapping[str, str],
    about: Mapping[str, Any] | None,
    more: More,
) -> str:
    """The page; `about` is what `classifier.json` says, where there is a classifier."""
    run = hashing.short(source.row.config_hash)
    head = f"# Export of run {run}\n\n{source.row.name} on {source.dataset}. Made by `backbench export {run}`.\n"
    lines = [f"| `{name}` | {_line(name)} |" for name in written]
    sections = [head, "\n".join(["| file | what |", "| --- | --- |", *lines]) + "\n"]
    if left_out:
        reasons = [f"- `{name}`: {reason}" for name, reason in _record._cut(left_out).items()]
        sections.append("\n".join(["Not exported:\n", *reasons]) + "\n")
    sections.append(_arrays(source, written))
    if about:
        sections.append(_predict(about))
    if more.network:
        sections.append(_network(more.network))
    if more.opened:
        sections.append(_opened(more.opened))
    return "\n".join(sections)


def _line(name: str) -> str:
    """What a file is."""
    stem, _, suffix = name.partition(".")
    if stem in PICTURES:
        return PICTURES[stem] if suffix == "png" else f"the numbers of {stem}.png"
    if name.endswith(f"_{_tables.CLUSTERS}"):
        return f"`labels` and `names` of the {stem.partition('_')[0]} images, which were clustered apart"
    return LINES[name]


def _arrays(source: Source, written: Sequence[str]) -> str:
    scope = source.info("clustering").get("scope", "all")
    return ARRAYS + (CLUSTERS.format(scope=scope) if _tables.CLUSTERS in written else "")


def _predict(about: Mapping[str, Any]) -> str:
    trusted, versions = about["trusted"], about["versions"]
    page = PREDICT.format(
        trusted=json.dumps(trusted),
        sklearn=versions["scikit-learn"],
        skops=versions["skops"],
        meaning=about["input"]["meaning"],
        agreement=agreement(about["agreement"]),
    )
    return page + SAFE + (TREES if trusted else "")


def _network(about: Mapping[str, Any]) -> str:
    agreed = about["agreement"]
    measured = backbone.sentence(agreed) if agreed["images"] else f"It was not measured: {agreed['reason']}."
    shape = " x ".join(str(side) for side in about["input"]["shape"])
    meaning = about["input"]["meaning"]
    return ONNX.format(shape=shape, columns=about["output"]["shape"][1], meaning=meaning, measured=measured)


def _opened(opened: Mapping[str, Opened]) -> str:
    """The section on the tables for tools, with their commands from within the folder."""
    parts = ["## Open in other tools\n"]
    for name, tool in opened.items():
        part = f"`{name}/`, after `pip install {tool.package}`, from within this folder:\n\n```bash\n"
        part += "\n".join(tool.commands("")) + "\n```\n"
        if tool.images < tool.of:
            part += f"\nIt holds {tool.images:,} of the {tool.of:,} images, a fixed sample.\n"
        parts.append(part)
    paths = [f"`{name}/`" for name, tool in opened.items() if tool.with_paths]
    if paths:
        verb = "contains" if len(paths) == 1 else "contain"
        parts.append(
            f"{', '.join(paths)} {verb} absolute paths of the images; the other files of this export do not.\n"
        )
    return "\n".join(parts)


def agreement(by_split: Mapping[str, Mapping[str, int]]) -> str:
    """How far the pipeline gives what the run gave, in a sentence."""
    images, differs = (sum(part[key] for part in by_split.values()) for key in ("images", "differs"))
    if not images:
        return "There are no validation or test images on which to compare it with the run."
    if not differs:
        return f"Asked again, it gives the run's own class for all {images:,} validation and test images."
    return f"Asked again, it gives ANOTHER class than the run for {differs:,} of {images:,} validation and test images."
