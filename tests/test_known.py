"""The images of a collection among new ones: which of several equal files one is, and whose clusters are compared."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import sweeping

from backbench import paths
from backbench.datasets import TEST
from backbench.engine.results import ledger
from backbench.inference import fitting
from backbench.inference.known import NEW, Known
from backbench.inference.model import ABOUT, CLUSTERING, Model
from backbench.inference.predicting import Predictor
from backbench.metrics.labels import OUTSIDE
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store

GRID = ("experiment=none", "backbone=pixels", "backbone.image.size=8", "clusterer=kmeans", "k=3", "classifier=knn")
TWIN, COPY = "7.png", "copy of 7.png"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Sixty pictures, one of them twice, whose splits are clustered apart."""
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        collection = sweeping.collection(folder / "photos", ("red", "green", "blue"), each=20)
        shutil.copy(folder / "photos" / TWIN, folder / "photos" / COPY)
        with (folder / "photos" / "table.csv").open("a") as table:
            table.write(f"{COPY},green\n")
        sweeping.computed(*GRID, "clustering.scope=per_split", *collection)
    return folder


@pytest.fixture
def source(photos, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(photos / "results"))
    (row,) = (row for plan in ledger.saved_plans() for row in sweeping.rows_of(plan))
    return Source(row, Store(paths.store()))


def test_of_equal_files_it_is_the_one_that_was_given(source, photos, tmp_path):
    known = Known(source)
    names = source.info("dataset")["files"]
    digest = source.stored("dataset", "file_digests")[names.index(TWIN)].tobytes().hex()
    for name in (TWIN, COPY):
        assert known.name(known.row(digest, photos / "photos" / name)) == name
    shutil.copy(photos / "photos" / TWIN, tmp_path / "elsewhere.png")
    assert known.row(digest, tmp_path / "elsewhere.png") == min(names.index(TWIN), names.index(COPY))
    assert known.row("00" * 32, photos / "photos" / TWIN) == NEW


def test_clusters_of_splits_clustered_apart_are_those_of_the_test_images(source, photos):
    model = fitting.fit(source)
    stored, test = model.arrays["known.labels"], source.split == TEST
    assert (stored[test] == source.labels[test]).all() and (stored[~test] == OUTSIDE).all()
    files = [photos / "photos" / name for name in source.info("dataset")["files"]]
    given = np.array([each.cluster for each in Predictor(model, Known(source), 1).files(files)])
    assert (given[test] == source.labels[test]).all()
    placed = model.place(source.stored("features", "features")).clusters
    np.testing.assert_array_equal(given, placed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda about: about.pop("chains"), "lacks chains"),
        (lambda about: about.pop("columns"), "lacks columns"),
        (lambda about: about["arrays"].append("../../outside"), "no file of the folder"),
        (lambda about: about["arrays"].append("absent"), "absent"),
    ],
)
def test_a_model_that_was_tampered_with_is_refused(source, tmp_path, change, words):
    fitting.fit(source).save(tmp_path)
    assert Model.load(tmp_path).does(CLUSTERING)
    path = Path(tmp_path / ABOUT)
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))
    with pytest.raises(ConfigError, match=words):
        Model.load(tmp_path)
