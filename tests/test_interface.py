"""The words of the command line in Python: the same results, as tables and arrays."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import sweeping
from PIL import Image

import backbench
from backbench import paths
from backbench.engine.results import ledger
from backbench.inference import reading
from backbench.interface import overrides
from backbench.schema import ConfigError
from backbench.store import Store

CLASSES = ("red", "green", "blue")
GRID = ("experiment=none", "backbone=pixels", "backbone.image.size=8", "clusterer=kmeans", "k=3", "classifier=knn,svm")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A finished sweep over 60 pictures, and the folder that they are in."""
    folder = tmp_path_factory.mktemp("interface")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        made = sweeping.computed(*GRID, *sweeping.collection(folder / "photos", CLASSES, each=20))
        ledger.join(made, ledger.read_records(made, Store(paths.store())))
    return folder


@pytest.fixture(autouse=True)
def results(photos, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(photos / "results"))


class TestOverrides:
    def test_values_become_words(self):
        given = ["k=2..15", {"backbone.image.size": 96, "classifier.weights": None}]
        options = {
            "seeds": range(3),
            "clustering__scope": "train",
            "backbone__normalise": True,
            "classifier__C": [0.1, 10],
        }
        assert overrides.overrides(given, options) == [
            *("k=2..15", "backbone.image.size=96", "classifier.weights=null", "seeds=0,1,2"),
            *("clustering.scope=train", "backbone.normalise=true", "classifier.C=0.1,10"),
        ]

    def test_a_path_is_the_collection_whatever_is_in_its_name(self, tmp_path):
        folder = tmp_path / "my photos (2023), k=5"
        folder.mkdir()
        Image.new("RGB", (8, 8)).save(folder / "a.png")
        words = overrides.overrides([folder], {})
        assert words[0] == "dataset=folder" and words == overrides.overrides([str(folder)], {})

    @pytest.mark.parametrize("value", [object(), {"a"}, b"5"])
    def test_other_values_are_refused(self, value):
        with pytest.raises(ConfigError, match="allowed: text, a number"):
            overrides.text(value)

    def test_what_is_not_there_is_named(self):
        with pytest.raises(ConfigError, match="no-such-folder"):
            overrides.overrides(["no-such-folder"], {})


def test_a_plan_says_what_is_done_and_leaves_the_environment_alone(photos):
    before = dict(os.environ)
    outlook = backbench.plan(
        photos / "photos" / "table.csv", *GRID[:4], k=[3, 4], classifier=["knn", "svm"], plots="none", cores=1
    )
    assert len(outlook.runs) == 4 and outlook.jobs > 0 and outlook.seconds > 0
    assert (outlook.runs["status"] == "finished").sum() >= 0 and set(outlook.runs["k"]) == {3, 4}
    assert dict(os.environ) == before


def test_runs_are_those_of_the_command_line():
    frame = backbench.runs()
    assert len(frame) == 2 and set(frame["classifier.name"]) == {"knn", "svm"} and (frame["status"] == "finished").all()
    assert list(backbench.runs("classifier.name=knn").index) == [frame.index[frame["classifier.name"] == "knn"][0]]
    with pytest.raises(ConfigError, match="classifer"):
        backbench.runs("classifer.name=knn")
    with pytest.raises(ConfigError, match="no recorded run matches"):
        backbench.leaderboard("k=99")


def test_leaderboards_and_the_answer():
    board = backbench.leaderboard()
    assert set(board["board"]) == {"classification", "clustering", "retrieval"}
    assert len(backbench.leaderboard(limit=1)) == 3
    assert "Which " in backbench.answer() and "Classifier: " in backbench.answer()


class TestRun:
    @pytest.fixture
    def run(self):
        (name,) = backbench.runs("classifier.name=knn").index
        return backbench.run(name[:10])

    def test_what_is_recorded(self, run):
        frame = backbench.runs()
        assert run.status == "finished" and run.params["k"] == 3 and run.classes == sorted(CLASSES)
        assert run.metrics["accuracy"] == frame.loc[run.hash, "accuracy"]
        assert run.features().shape == (60, 64) and len(run.names) == 60
        assert set(np.unique(run.labels())) == {0, 1, 2} and set(run.split()) == {"train", "validation", "test"}
        assert repr(run).startswith(f"<Run {run.hash[:12]}: pixels kmeans k=3 knn")

    def test_predictions_give_the_accuracy(self, run):
        test = run.predictions().query("split == 'test'")
        assert (test["true"] == test["predicted"]).mean() == pytest.approx(run.metrics["accuracy"], abs=1e-12)

    def test_its_own_test_images_get_the_stored_predictions(self, run, photos):
        stored = run.predictions()
        files = [photos / "photos" / name for name in stored.index]
        again = run.predict(files)
        assert list(again["label"]) == list(stored["predicted"]) and list(again["known"]) == list(stored["split"])
        labels = dict(zip(run.names, run.labels(), strict=True))
        assert list(again["cluster"]) == [labels[name] for name in stored.index]

    def test_images_in_any_form_are_the_same_image(self, run, photos):
        path = photos / "photos" / run.predictions().index[0]
        pixels = np.asarray(Image.open(path))
        forms = [path, str(path), path.read_bytes(), Image.open(path), pixels]
        frames = [run.predict(form) for form in forms]
        assert len({frame["label"][0] for frame in frames}) == 1 and all(len(frame) == 1 for frame in frames)
        assert list(run.predict(np.stack([pixels, pixels]))["image"]) == ["image 0", "image 1"]
        assert list(run.predict([path, pixels])["label"]) == [frames[0]["label"][0]] * 2

    @pytest.mark.parametrize("image", [3, object(), np.zeros((4, 4)), np.zeros((2, 4, 4, 7), np.uint8), [None]])
    def test_what_is_no_image_is_refused(self, run, image):
        with pytest.raises(ConfigError, match="allowed: a path, encoded images"):
            run.predict(image)

    def test_a_broken_file_stops_no_other(self, run, photos):
        frame = run.predict([b"no image", b"", photos / "nothing.png", photos / "photos" / run.names[0]])
        assert frame["reason"].notna().tolist() == [True, True, True, False]

    @pytest.mark.parametrize("number", [60, -1])
    def test_an_image_that_is_not_there_is_refused(self, run, number):
        assert run.images([0])[0].size == (8, 8)
        with pytest.raises(ConfigError, match="allowed: 0 to 59"):
            run.images([number])

    def test_search_ranks_by_distance_and_leaves_the_image_out(self, run, photos):
        found = run.search(photos / "photos" / run.names[5], n=4)
        assert list(found["rank"]) == [1, 2, 3, 4] and run.names[5] not in set(found["name"])
        assert (np.diff(found["distance"]) >= 0).all()
        unit = run.features().astype(float)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        gaps = 1 - unit @ unit[5]
        gaps[5] = math.inf
        assert found["distance"][0] == pytest.approx(gaps.min(), abs=1e-6)

    def test_it_is_reproduced(self, run):
        assert run.reproduce().verdict == "agrees: bit for bit"


def test_best_is_what_the_answer_recommends():
    assert backbench.run().status == "finished"
    with pytest.raises(ConfigError, match="no run with this config hash"):
        backbench.run("ffffffffffff")


def test_importing_it_imports_nothing_heavy():
    program = "import sys, backbench; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {"numpy", "torch", "sklearn", "pandas", "mlflow", "hydra"}
    assert set(backbench.__all__) <= set(dir(backbench))


def test_images_of_pillow_are_read_like_files(tmp_path):
    """Transparency is blended with white and 16 bits are scaled, whatever holds the image."""
    model = backbench.run().model
    draw = np.random.default_rng(0)
    see_through = Image.fromarray(draw.integers(0, 256, (20, 24, 4), np.uint8))
    images = {
        "rgba": see_through,
        "grey": see_through.convert("LA"),
        "bits": Image.fromarray(draw.integers(0, 65536, (20, 24)).astype(np.uint16)),
        "palette": see_through.convert("RGB").quantize(16),
    }
    for name, image in images.items():
        path = tmp_path / f"{name}.png"
        image.save(path, **({"transparency": 3} if name == "palette" else {}))
        wanted = reading.look(path, 0, model).pixels
        with Image.open(path) as opened:
            assert np.array_equal(reading.look(opened, 0, model).pixels, wanted), name
    floats = reading.look(Image.fromarray(np.zeros((20, 24), np.float32)), 0, model)
    assert floats.pixels is None and "floating-point" in floats.reason


def test_what_has_no_pixels_and_no_name_gets_a_reason():
    answers = backbench.run().predict([np.zeros((0, 5, 3), np.uint8), "a\0b.png"])
    assert answers["label"].isna().all() and list(answers["reason"]) == [
        "an image without pixels",
        "embedded null byte",
    ]
