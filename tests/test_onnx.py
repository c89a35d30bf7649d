"""The backbone as ONNX: it runs without PyTorch, and its features are those of the run."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sharing import once
from sweeping import collection, computed, rows_of

from backbench import exports, paths
from backbench.exports import _pictures, backbone, writing
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store

GRID = ("experiment=none", "backbone=efficientnet_lite0", "backbone.image.size=32", "backbone.image.shorter=null")
TASKS = ("backbone.engine=torch", "clusterer=none", "classifier=nearest_centroid", "retrieval=none")
ONE = {"confusion": "confusion_matrix"}


def sweep(folder: Path) -> None:
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        patch.setattr(_pictures, "NAMES", ONE)
        (row,) = rows_of(computed(*GRID, *TASKS, *collection(folder / "photos", ("a", "b"), 20)))
        exports.write(row, Store(paths.store()), folder / "export", onnx=True)


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    folder, _ = once(tmp_path_factory, "onnx", sweep)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    return folder


@pytest.fixture
def row(folder):
    from backbench.engine.results import ledger

    (row,) = ledger.all_rows(Store(paths.store()))
    return row


def test_it_gives_the_stored_features_for_any_number_of_images(folder, row):
    source, about = Source(row, Store(paths.store())), json.loads((folder / "export/backbone.json").read_text())
    session = onnxruntime.InferenceSession(folder / "export/backbone.onnx")
    stored = source.array("features", "features")
    pixels = np.stack([source.images[at] for at in range(5)])
    assert list(pixels.shape[1:]) == about["input"]["shape"][1:] and about["output"]["shape"][1] == stored.shape[1]
    for count in (1, 5):
        (features,) = session.run([about["output"]["name"]], {about["input"]["name"]: pixels[:count]})
        np.testing.assert_allclose(features, stored[:count], atol=1e-4 * np.abs(stored).max())


def test_the_agreement_is_recorded(folder):
    report, about = writing.report(folder / "export"), json.loads((folder / "export/backbone.json").read_text())
    agreement = report["onnx"]["agreement"]
    assert agreement == about["agreement"] and agreement["images"] == 16 and agreement["same_class"] == 1.0
    assert agreement["least_cosine"] > 0.9999 and agreement["largest_difference"] < 1e-3
    assert backbone.sentence(agreement) in (folder / "export/README.md").read_text()
    assert {"backbone.onnx", "backbone.json"} <= set(report["files"])


def test_numbers_of_the_agreement():
    given, stored = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]), np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    agreement = backbone.compared(given, stored)
    assert agreement["least_cosine"] == pytest.approx(0.5**0.5) and agreement["largest_difference"] == 1.0
    assert (agreement["images"], agreement["largest_value"]) == (3, 2.0)


def test_images_that_are_asked():
    split = np.repeat([0, 1, 2], [100, 100, 100])
    rows = backbone.asked(split)
    assert len(rows) == 64 == len(set(rows.tolist())) and (split[rows] > 0).all() and rows[-1] == 299
    assert backbone.asked(np.zeros(3, int)).tolist() == [0, 1, 2]


def test_pixels_are_no_network(own_results, tmp_path, monkeypatch):
    monkeypatch.setattr(_pictures, "NAMES", ONE)
    grid = ("experiment=none", "backbone=pixels", "clusterer=kmeans", "k=2", "classifier=none", "retrieval=none")
    (row,) = rows_of(computed(*grid, *collection(tmp_path / "photos", ("a", "b"), 10)))
    exports.write(row, Store(paths.store()), tmp_path / "x", onnx=True)
    assert "pixels is no network" in writing.report(tmp_path / "x")["not_exported"]["backbone.onnx"]
    assert not (tmp_path / "x/backbone.onnx").exists()


def test_what_is_missing_is_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    with pytest.raises(ConfigError, match=r'onnxscript, not installed: pip install "backbench\[onnx\]"'):
        backbone.require()
