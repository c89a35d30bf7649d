"""FiftyOne: a dataset on disk in the format `FiftyOneDataset`, a `metadata.json` and a `samples.json`.

Format: https://docs.voxel51.com/user_guide/import_datasets.html, under FiftyOneDataset: the documents of the database
as JSON. Alone among the formats that FiftyOne reads, it carries class, prediction with confidence, cluster, tags and
embedding together. The documents of FiftyOne 1.22 take both files; it brings documents of an older version up to date.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from backbench import hashing
from backbench.exports._folder import Folder
from backbench.exports.tools import table
from backbench.exports.tools.table import Table

NAME = "fiftyone"
FILES = True
NEEDS_IMAGES = True
PACKAGE = "fiftyone"
METADATA, SAMPLES = "metadata.json", "samples.json"
# These documents have no more than those of this version.
VERSION = "1.5.0"
FIELDS, LABEL = "fiftyone.core.fields", "fiftyone.core.labels.Classification"
TRUTH, PREDICTION = "ground_truth", "prediction"
# Fields of a label, with what they hold.
OF_LABEL = {"label": "StringField", "confidence": "FloatField"}


def write(data: Table, folder: Folder) -> None:
    """Write both files."""
    with folder.new(SAMPLES) as path, path.open("w", encoding="utf-8") as file:
        file.write('{"samples": [\n')
        for number, sample in enumerate(_samples(data)):
            file.write((",\n" if number else "") + json.dumps(sample))
        file.write("\n]}\n")
    folder.text(METADATA, json.dumps(_metadata(data), indent=1) + "\n")


def opens(place: str, data: Table) -> list[str]:
    """What to type."""
    return [f"fiftyone app view --dataset-dir {place} --type fiftyone.types.FiftyOneDataset"]


def _samples(data: Table) -> Iterator[dict[str, Any]]:
    """A document for each image."""
    assert data.paths is not None  # a run without images is refused
    columns, run, (method, positions) = data.columns, data.source.row.config_hash, data.positions
    for at, path in enumerate(data.paths):
        cell = {name: column[at] for name, column in columns.items()}
        sample: dict[str, Any] = {"_id": {"$oid": _identity(run, int(data.rows[at]))}, "filepath": table.legible(path)}
        sample |= {"tags": [cell["split"]], "_media_type": "image", "_rand": at / len(data), "metadata": None}
        sample |= {TRUTH: _label(run, at, TRUTH, cell.get("class"))} if "class" in cell else {}
        if "predicted" in cell:
            sample[PREDICTION] = _label(run, at, PREDICTION, cell["predicted"], cell.get("confidence"))
        sample |= {"cluster": cell["cluster"]} if "cluster" in cell else {}
        sample[method] = [float(value) for value in positions[at]]
        sample["embedding"] = data.features[at].tolist()
        yield sample


def _label(run: str, at: int, field: str, name: str | None, confidence: float | None = None) -> dict[str, Any] | None:
    if name is None:
        return None
    identity = _identity(run, at, field)
    return {"_id": {"$oid": identity}, "_cls": "Classification", "tags": [], "label": name, "confidence": confidence}


def _identity(run: str, *parts: int | str) -> str:
    """A number of 24 hexadecimal digits, the same in every export."""
    return hashing.digest([run, *parts])[:24]


def _metadata(data: Table) -> dict[str, Any]:
    """The document of the dataset: its fields and their types."""
    fields = [
        _field("id", "ObjectIdField", db_field="_id"),
        _field("filepath", "StringField"),
        _field("tags", "ListField", subfield="StringField"),
        _embedded("metadata", "fiftyone.core.metadata.ImageMetadata", ()),
    ]
    labels = {"class": TRUTH, "predicted": PREDICTION}
    fields += [_embedded(name, LABEL, _of_label()) for column, name in labels.items() if column in data.columns]
    fields += [_field("cluster", "StringField")] if "cluster" in data.columns else []
    fields += [_field(name, "ListField", subfield="FloatField") for name in (data.positions[0], "embedding")]
    run = hashing.short(data.source.row.config_hash)
    return {
        "name": f"backbench-{run}",
        "version": VERSION,
        "media_type": "image",
        "tags": [],
        "info": {"run": data.source.row.config_hash, "made_by": f"backbench export {run} --for {NAME}"},
        "default_classes": data.classes,
        "classes": {},
        "mask_targets": {},
        "default_mask_targets": {},
        "group_media_types": {},
        "sample_fields": fields,
        "frame_fields": [],
    }


def _of_label() -> tuple[dict[str, Any], ...]:
    return (
        _field("id", "ObjectIdField", db_field="_id"),
        _field("tags", "ListField", subfield="StringField"),
        *(_field(name, kind) for name, kind in OF_LABEL.items()),
    )


def _embedded(name: str, document: str, fields: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    field = _field(name, "EmbeddedDocumentField")
    return {**field, "embedded_doc_type": document, "fields": list(fields)}


def _field(name: str, kind: str, subfield: str | None = None, db_field: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "ftype": f"{FIELDS}.{kind}",
        "embedded_doc_type": None,
        "subfield": subfield and f"{FIELDS}.{subfield}",
        "fields": [],
        "db_field": db_field or name,
        "description": None,
        "info": None,
        "read_only": False,
    }
