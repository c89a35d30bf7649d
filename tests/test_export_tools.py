"""Tables for other tools: each file against the format that the tool documents, and against the run."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from PIL import Image
from sharing import once
from sklearn.neighbors import NearestNeighbors
from sweeping import collection, computed, rows_of

from backbench import exports, paths
from backbench.cli import arguments
from backbench.exports import _pictures, writing
from backbench.exports.tools import tensorboard
from backbench.exports.tools import writing as tools
from backbench.metrics.labels import OUTSIDE
from backbench.pictures.source import Source
from backbench.store import Store

CLASSES = ("bush", "cat/dog", "Äpfel\trot")
SWEEP = ("experiment=none", "backbone=pixels", "clusterer=kmeans", "k=3", "classifier=knn", "retrieval=none")


def sweep(folder: Path) -> None:
    """A run on 45 pictures of 8 pixels, exported for every tool."""
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        patch.setattr(_pictures, "NAMES", {"confusion": "confusion_matrix"})
        (row,) = rows_of(computed(*SWEEP, *collection(folder / "photos", CLASSES, 15)))
        exports.write(row, Store(paths.store()), folder / "export", tools_for=tools.NAMES)


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    folder, _ = once(tmp_path_factory, "export-tools", sweep)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    return folder


@pytest.fixture
def source(folder):
    from backbench.engine.results import ledger

    (row,) = ledger.all_rows(Store(paths.store()))
    return Source(row, Store(paths.store()))


def truth_of(source) -> list[str]:
    return [source.names[code] for code in source.truth]


def predicted_of(source) -> list[str | None]:
    return [None if code == OUTSIDE else source.names[code] for code in source.predictions]


def check(table: pd.DataFrame, source) -> None:
    assert table["class"].tolist() == truth_of(source)
    assert [None if pd.isna(name) else name for name in table["predicted"]] == predicted_of(source)
    assert table["cluster"].tolist() == [str(code) for code in source.labels]
    assert np.array_equal(np.stack(table["embedding"]), source.array("features", "features"))


def test_embedding_atlas(folder, source):
    table = pd.read_parquet(folder / "export/embedding-atlas/images.parquet")
    check(table, source)
    for row, image in enumerate(table["image"]):
        name = source.info("dataset")["files"][row]
        assert image["path"] == name and image["bytes"].startswith(b"\x89PNG")
    features = source.array("features", "features").astype(np.float64)
    near = NearestNeighbors(n_neighbors=15, metric="cosine", algorithm="brute").fit(features)
    lengths = near.kneighbors()[0]
    given = np.stack([each["distances"] for each in table["neighbors"]])
    np.testing.assert_allclose(given, lengths, atol=1e-6)
    ids = np.stack([each["ids"] for each in table["neighbors"]])
    assert ids.shape == (45, 15) and not (ids == np.arange(45)[:, None]).any()
    assert np.isfinite(table[["x", "y"]].to_numpy()).all() and set(table["projection"]) <= {"pca", "tsne", "umap"}


def test_spotlight(folder, source):
    table = pd.read_parquet(folder / "export/spotlight/images.parquet")
    check(table, source)
    assert table["image"].tolist() == [str(folder / "photos" / name) for name in source.info("dataset")["files"]]
    assert all(Path(path).is_file() for path in table["image"])


def test_fiftyone(folder, source):
    metadata = json.loads((folder / "export/fiftyone/metadata.json").read_text())
    samples = json.loads((folder / "export/fiftyone/samples.json").read_text())["samples"]
    fields = {field["name"]: field for field in metadata["sample_fields"]}
    assert metadata["media_type"] == "image" and metadata["default_classes"] == source.names
    assert set().union(*samples) - set(fields) == {"_id", "_media_type", "_rand"}
    assert [sample["ground_truth"]["label"] for sample in samples] == truth_of(source)
    assert [each["prediction"] and each["prediction"]["label"] for each in samples] == predicted_of(source)
    assert len({sample["_id"]["$oid"] for sample in samples}) == len(samples)
    assert all(re.fullmatch("[0-9a-f]{24}", sample["_id"]["$oid"]) for sample in samples)
    assert [sample["tags"] for sample in samples] == [[("train", "validation", "test")[code]] for code in source.split]
    scores = source.array("classification", "probabilities")
    for row in np.flatnonzero(source.split):
        expected = scores[row, source.predictions[row]]
        assert samples[row]["prediction"]["confidence"] == pytest.approx(float(expected))
    assert np.allclose([sample["embedding"] for sample in samples], source.array("features", "features"))
    assert all(Path(sample["filepath"]).is_file() for sample in samples)


def projector():
    """The message `ProjectorConfig`, as TensorBoard's projector_config.proto declares it."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="projector.proto", package="t", syntax="proto3")
    declared = {
        "Sprite": [("image_path", 1, field.TYPE_STRING, ""), ("single_image_dim", 2, field.TYPE_UINT32, "many")],
        "Info": [
            ("tensor_name", 1, field.TYPE_STRING, ""),
            ("metadata_path", 2, field.TYPE_STRING, ""),
            ("sprite", 5, field.TYPE_MESSAGE, ".t.Sprite"),
            ("tensor_path", 6, field.TYPE_STRING, ""),
        ],
        "Config": [("embeddings", 2, field.TYPE_MESSAGE, "many .t.Info")],
    }
    for name, fields in declared.items():
        message = file.message_type.add(name=name)
        for label, number, kind, more in fields:
            added = message.field.add(name=label, number=number, type=kind)
            added.label = field.LABEL_REPEATED if more.startswith("many") else field.LABEL_OPTIONAL
            if kind == field.TYPE_MESSAGE:
                added.type_name = more.removeprefix("many").strip()
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Config"))()


def test_tensorboard(folder, source):
    below = folder / "export/tensorboard"
    (info,) = text_format.Parse((below / "projector_config.pbtxt").read_text(), projector()).embeddings
    rows = np.loadtxt(below / info.tensor_path, delimiter="\t", dtype=np.float32)
    np.testing.assert_allclose(rows, source.array("features", "features"), rtol=1e-6)
    lines = [line.split("\t") for line in (below / info.metadata_path).read_text(encoding="utf-8").splitlines()]
    assert lines[0] == ["name", "class", "predicted", "cluster", "split"] and {len(line) for line in lines} == {5}
    assert [line[1] for line in lines[1:]] == [name.replace("\t", " ") for name in truth_of(source)]
    with Image.open(below / info.sprite.image_path) as sprite:
        width, height = info.sprite.single_image_dim
        assert sprite.size == (7 * width, 7 * height) and max(sprite.size) <= tensorboard.SIDE
        tile = np.asarray(sprite.convert("RGB"))[height : 2 * height, :width]
    stored = np.asarray(Image.open(folder / "photos" / source.info("dataset")["files"][7]).convert("RGB"))
    assert np.abs(tile.mean((0, 1)) - stored.mean((0, 1))).max() < 3, "the eighth image begins the second row"


def test_the_page_says_how_to_open_them_and_what_has_paths(folder):
    export = folder / "export"
    page = (export / "README.md").read_text()
    lines = writing.opening(export)
    assert len(lines) == 4 and all(line.partition(" && ")[2] in page for line in lines)
    assert "contain absolute paths" in page and str(folder) not in page
    report = writing.report(export)
    assert str(folder) not in json.dumps(report)
    assert {name for name in report["files"] if "/" in name} == {
        str(path.relative_to(export)) for tool in tools.NAMES for path in (export / tool).iterdir()
    }


def test_an_export_without_tools_removes_theirs(folder, source, tmp_path, monkeypatch):
    monkeypatch.setattr(_pictures, "NAMES", {"confusion": "confusion_matrix"})
    exports.write(source.row, source.store, tmp_path / "x", tools_for=["tensorboard"])
    assert (tmp_path / "x/tensorboard/sprite.png").is_file()
    exports.write(source.row, source.store, tmp_path / "x")
    assert not (tmp_path / "x/tensorboard").exists()


def test_a_run_without_images(own_results, tmp_path, monkeypatch):
    monkeypatch.setattr(_pictures, "NAMES", {"confusion": "confusion_matrix"})
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "e.npz", features=rng.normal(size=(40, 5)).astype("f4"), labels=np.arange(40) % 2)
    grid = ("experiment=none", "dataset=embeddings", f"dataset.path={tmp_path / 'e.npz'}", "backbone=precomputed")
    (row,) = rows_of(computed(*grid, "clusterer=kmeans", "k=2", "classifier=none", "retrieval=none"))
    exports.write(row, Store(paths.store()), tmp_path / "x", tools_for=tools.NAMES, onnx=True)
    report = writing.report(tmp_path / "x")
    assert report["not_exported"]["fiftyone"] == "the dataset has no images"
    assert "made elsewhere" in report["not_exported"]["backbone.onnx"]
    assert "image" not in pd.read_parquet(tmp_path / "x/embedding-atlas/images.parquet")
    assert "sprite" not in (tmp_path / "x/tensorboard/projector_config.pbtxt").read_text()
    assert "--image" not in " ".join(writing.opening(tmp_path / "x"))


def test_pixels_of_an_array_become_files(tmp_path):
    from backbench.exports._folder import Folder
    from backbench.exports.tools import pictures

    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 6), np.uint8)

    class Stub:
        row = type("Row", (), {"config_hash": "0123456789abcdef"})

        def stored(self, kind, name):
            return pixels

    lines: list[str] = []
    rows = np.array([0, 2, 4])
    written = pictures._written(Stub(), rows, Folder(tmp_path), lines.append)
    assert lines == ["images as PNG: 3 of 3"]
    for row, path in zip(rows, written, strict=True):
        assert Path(path).is_absolute() and np.array_equal(np.asarray(Image.open(path)), pixels[row])


def test_the_command_line_names_every_tool():
    assert arguments.TOOLS == tools.NAMES
    assert all(name == tools.load(name).NAME for name in tools.NAMES)
