"""The MLflow model of a run: it answers as the run did, with nothing but its folder, over HTTP too, and unpickles
nothing."""

import base64
import contextlib
import io
import json
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sharing import once
from sweeping import collection, computed

from backbench import cli, paths
from backbench.datasets import TEST
from backbench.engine.results import ledger
from backbench.exports import _pictures
from backbench.inference import fitting, serving, weights
from backbench.inference.known import Known
from backbench.inference.portable import Portable
from backbench.inference.predicting import Predictor
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.tracking import lookup, models, registry, rows, service

CLASSES = ("ash", "birch, old", "cédre")
ONE = ("experiment=none", "k=3")
# Each classifier and clusterer once, and below these four kinds of weights.
PIXELS = {
    "knn": "kmeans",
    "svm": "agglomerative",
    "logistic_regression": "dbscan",
    "random_forest": "gaussian_mixture",
    "mlp": "kmeans",
}
NETWORK = ("clusterer=agglomerative", "classifier=svm")


def sweep(folder: Path) -> dict[str, str]:
    """Config hashes of the runs, by what each is a test of."""
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        data = collection(folder / "photos", CLASSES, 20)
        made = {}
        for classifier, clusterer in PIXELS.items():
            chain = "pca95" if classifier in ("svm", "mlp") else "none"
            grid = ("backbone=pixels", "backbone.image.size=8", f"chain={chain}", f"clusterer={clusterer}")
            made[classifier] = computed(*ONE, *data, *grid, f"classifier={classifier}")
        engine = ("backbone.engine=torch", "backbone.image.size=32", "backbone.image.shorter=32")
        made["efficientnet_lite0"] = computed(*ONE, *data, "backbone=efficientnet_lite0", *engine, *NETWORK)
        resnet = ("backbone=resnet18", f"backbone.weights={resnet18(folder)}")
        made["resnet18"] = computed(*ONE, *data, *resnet, *engine, *NETWORK)
        trained = ("backbone=autoencoder", "backbone.widths=[16,4]", "backbone.epochs=2", "backbone.image.size=8")
        made["autoencoder"] = computed(*ONE, *data, *trained, *NETWORK)
        return {name: next(iter(plan.runs)) for name, plan in made.items()}


def resnet18(folder: Path) -> Path:
    """A PyTorch file with random weights."""
    import torch
    from torchvision import models as networks

    torch.manual_seed(0)
    torch.save(networks.resnet18(weights=None).state_dict(), folder / "resnet18.pth")
    return folder / "resnet18.pth"


NAMES = (*PIXELS, "efficientnet_lite0", "resnet18", "autoencoder")


@pytest.fixture
def swept(tmp_path_factory, monkeypatch):
    """The folder of the results, and the config hashes of its runs."""
    folder, hashes = once(tmp_path_factory, "mlflow-model-sweep", sweep)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)
    return folder, hashes


def source_of(config_hash: str) -> Source:
    store = Store(paths.store())
    return Source(next(row for row in ledger.all_rows(store) if row.config_hash == config_hash), store)


@pytest.fixture
def written(swept, tmp_path_factory, monkeypatch):
    """A function that writes the model of a run once, and gives its source and its folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(name: str) -> tuple[Source, Path]:
        source = source_of(swept[1][name])

        def make(folder: Path) -> str:
            return str(models.write(source, fitting.fit(source), folder))

        return source, Path(once(tmp_path_factory, f"mlflow-model-{name}", make)[1])

    return write


def photographs(source: Source) -> list[Path]:
    return [Path(source.info("dataset")["root"]) / name for name in source.info("dataset")["files"]]


def table(cells):
    import pandas

    return pandas.DataFrame({"image": pandas.Series(cells, dtype=object)})


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def refuse(*_, **__):
    raise AssertionError("something was unpickled")


@contextlib.contextmanager
def away(monkeypatch, folder: Path):
    """Without the results and the weights that the runs were made with."""
    moved = [(folder / name, folder / f"{name}.away") for name in ("results", "resnet18.pth")]
    for here, there in moved:
        here.rename(there)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "nowhere"))
    try:
        yield
    finally:
        for here, there in moved:
            there.rename(here)


@pytest.mark.parametrize("name", NAMES)
def test_it_gives_the_classes_and_clusters_of_the_run_without_the_store(name, written, swept, monkeypatch):
    import mlflow.pyfunc

    source, folder = written(name)
    clusters, predictions = source.labels.copy(), source.predictions.copy()
    test, files = np.flatnonzero(source.split == TEST), photographs(source)
    truth = [source.names[number] for number in predictions[test]]
    with away(monkeypatch, swept[0]), monkeypatch.context() as patch:
        for function in ("load", "loads", "Unpickler"):
            patch.setattr(pickle, function, refuse)
        model = mlflow.pyfunc.load_model(str(folder))
        known = model.predict(table([encoded(files[row]) for row in test]))
        # Pixels are of no file that is known: everything is computed.
        new = model.predict({"image": [np.asarray(Image.open(files[row])) for row in test]}, {"embedding": True})
    for answers in (known, new):
        assert not answers["reason"].any()
        assert answers["class"].tolist() == truth
        assert answers["cluster"].tolist() == clusters[test].tolist()
    assert set(known["known"]) == {"test"} and set(new["known"]) == {None}
    stored = source.stored("features", "features")[test]
    np.testing.assert_array_equal(np.array(new["embedding"].tolist(), np.float32), stored)


def test_it_answers_as_predict_does(written):
    source, folder = written("svm")
    files = photographs(source)[:6]
    expected = list(Predictor(fitting.fit(source), Known(source), 3).files(files))
    answers = serving._load_pyfunc(str(folder / "data" / "model")).predict(files, {"neighbours": 3, "exact": True})
    for answer, other in zip(answers.to_dict("records"), expected, strict=True):
        assert (answer["class"], answer["cluster"], answer["unlike"]) == (other.label, other.cluster, other.unlike)
        assert (answer["scores"], answer["scores_kind"]) == (dict(other.scores), other.kind)
        assert (answer["distance"], answer["known"]) == (other.distance, other.part)
        near = [{"name": each.name, "class": each.label, "distance": each.distance} for each in other.neighbours]
        assert answer["nearest"] == near


def plain() -> dict[str, str]:
    """The environment of somebody who has the libraries and nothing of backbench."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BACKBENCH", "PYTHONPATH"))}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true"}


ALONE = """
import json, pickle, sys
import mlflow.pyfunc, pandas
def refuse(*_, **__): raise AssertionError("something was unpickled")
pickle.load = pickle.loads = refuse
model = mlflow.pyfunc.load_model(sys.argv[1])
answers = model.predict(pandas.DataFrame({"image": json.load(sys.stdin)}))
import backbench
print(json.dumps([backbench.__file__, answers["class"].tolist(), answers["cluster"].tolist()]))
"""


def test_the_folder_alone_is_enough(written, tmp_path):
    source, folder = written("resnet18")
    test = np.flatnonzero(source.split == TEST)
    given = json.dumps([encoded(photographs(source)[row]) for row in test])
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("BACKBENCH", "PYTHONPATH"))
    }
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder)],
        input=given,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert not done.returncode, done.stderr
    module, classes, clusters = json.loads(done.stdout.splitlines()[-1])
    assert Path(module).is_relative_to(folder)
    assert classes == [source.names[number] for number in source.predictions[test]]
    assert clusters == source.labels[test].tolist()


def test_no_file_is_a_pickle_or_names_a_place_on_this_machine(written, swept):
    _, folder = written("resnet18")
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert path.suffix not in (".pkl", ".pickle", ".joblib", ".pth", ".pt")
        assert not content.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))
        assert path.suffix != ".npy" or b"'|O'" not in content[:200]
        assert str(swept[0]).encode() not in content, path
    assert "torch==" in (folder / "requirements.txt").read_text()


def test_equal_models_are_equal_byte_for_byte(written, tmp_path):
    source, folder = written("svm")
    again = models.write(source, fitting.fit(source), tmp_path)
    again = models.write(source, fitting.fit(source), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [models.FOLDER]
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert names == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    assert [name for name in names if (folder / name).read_bytes() != (again / name).read_bytes()] == []


def test_other_weights_are_refused(written, tmp_path):
    source, _ = written("resnet18")
    data = models.write(source, fitting.fit(source), tmp_path) / "data" / "model"
    changed = bytearray((data / weights.FILE).read_bytes())
    changed[-1] ^= 1
    (data / weights.FILE).write_bytes(changed)
    with pytest.raises(ConfigError, match=r"is not the file that was exported"):
        Portable.load(data)


def test_the_known_images_can_stay_at_home(written, tmp_path):
    source, _ = written("knn")
    said = []
    folder = models.write(source, fitting.fit(source), tmp_path, known=False, say=said.append)
    data = folder / "data" / "model"
    assert not list(data.glob("known.*")) and json.loads((data / "names.json").read_text()) == []
    answer = serving._load_pyfunc(str(data)).predict(photographs(source)[:2])
    assert answer["nearest"].tolist() == [None, None] and answer["class"].notna().all()
    assert said[0].startswith("MLflow model: ")


def bomb(width: int, height: int) -> bytes:
    """A PNG file that claims so many pixels and holds next to none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def hostile() -> list[tuple[object, str]]:
    """What is no image, and what the reason says."""
    held = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(held, "PNG")
    text = base64.b64encode
    return [
        (text(b"just some words, no image").decode(), "no image of a known format"),
        (text(held.getvalue()[:-700]).decode(), "truncated"),
        (text(bomb(60_000_000, 1)).decode(), "a side is longer than the limit"),
        (text(bomb(60_000, 60_000)).decode(), "exceeds limit"),
        ("/etc/passwd", "text is the image in base64"),
        ("", "no image was given"),
        (None, "no image was given"),
        ({"a": 1}, "received dict"),
        ([[1, 2], [3]], "rows of different lengths"),
        ([[1, 2], [3, 300]], "pixels are uint8"),
    ]


def test_what_is_no_image_gets_a_reason_and_stops_nobody(written):
    source, folder = written("knn")
    served, path = serving._load_pyfunc(str(folder / "data" / "model")), photographs(source)[0]
    cells = [path.read_bytes(), *(cell for cell, _ in hostile()), 5, b"", np.zeros((4, 4, 3)), path, encoded(path)]
    answers = served.predict(table(cells))
    reasons = [wanted for _, wanted in hostile()] + [
        "received int",
        "no image was given",
        "received float64 (4 x 4 x 3)",
    ]
    for reason, wanted in zip(answers["reason"][1:-2], reasons, strict=True):
        assert wanted in reason
    assert answers["class"][1:-2].isna().all()
    assert len(set(answers["class"].iloc[[0, -2, -1]])) == 1 and not answers["reason"].iloc[[0, -2, -1]].any()


@pytest.mark.parametrize("neighbours", (-1, 101))
def test_parameters_are_bounded(written, neighbours):
    _, folder = written("knn")
    with pytest.raises(ValueError, match="allowed: 0 to 100"):
        serving._load_pyfunc(str(folder / "data" / "model")).predict([], {"neighbours": neighbours})


def test_the_registry_gets_each_content_once(written, tmp_path, monkeypatch):
    import mlflow

    source, folder = written("knn")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with pytest.raises(ConfigError, match="`backbench track` records it"):
        registry.register("trees", folder, source.row.config_hash, uri)
    with service.client(uri) as client:
        experiment = client.create_experiment("trees", artifact_location=str(tmp_path / "artifacts"))
        client.create_run(experiment, tags={rows.CONFIG_HASH: source.row.config_hash})
    first = registry.register("trees", folder, source.row.config_hash, uri)
    again = registry.register("trees", folder, source.row.config_hash, uri)
    other = models.write(source, fitting.fit(source), tmp_path / "other", known=False)
    second = registry.register("trees", other, source.row.config_hash, uri)
    assert [(each.version, each.new) for each in (first, again, second)] == [("1", True), ("1", False), ("2", True)]
    with service.client(uri) as client:
        version = client.get_model_version("trees", "1")
        assert version.run_id == lookup.find(uri, source.row.config_hash).run_id
        assert Path(version.source.removeprefix("file://")).exists() or version.source.startswith("models:/")
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        model = mlflow.pyfunc.load_model("models:/trees/1")
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
    assert model.metadata.metadata["config_hash"] == source.row.config_hash
    assert model.predict(table([encoded(photographs(source)[0])]))["class"].notna().all()


@pytest.mark.parametrize("name", ("", "a/b", "a'b"))
def test_a_name_that_no_model_can_have_is_refused(name):
    with pytest.raises(ConfigError, match="--register: received"):
        registry.checked(name)


def test_the_command_writes_it(swept, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_pictures, "NAMES", {"confusion": "confusion_matrix"})
    config_hash = swept[1]["knn"]
    assert cli.main(["export", config_hash, "--to", str(tmp_path / "out"), "--mlflow"]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines()[-1] == str(tmp_path / "out" / models.FOLDER)
    assert "MB of it are the features of the known images (--no-neighbours leaves them out)" in output.err
    assert "other than in the run: features for 0, class for 0, cluster for 0" in output.err
    assert (tmp_path / "out" / models.FOLDER / "MLmodel").exists()
    assert cli.main(["export", config_hash, "--to", str(tmp_path / "out"), "--no-neighbours"]) == 2
    assert "give --mlflow or --register NAME too" in capsys.readouterr().err


def test_embeddings_that_were_made_elsewhere_cannot_be_taken_away(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "e.npz", features=rng.normal(size=(40, 4)).astype(np.float32), labels=np.arange(40) % 2)
    given = ("dataset=embeddings", f"dataset.path={tmp_path / 'e.npz'}", "backbone=precomputed", "clusterer=none")
    plan = computed("experiment=none", *given, "classifier=knn", "retrieval=none")
    assert cli.main(["export", next(iter(plan.runs)), "--to", str(tmp_path / "out"), "--mlflow"]) == 2
    assert "works on embeddings that were made elsewhere" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(folder: Path, cwd: Path):
    """The address of a server of a model, which is up; it is stopped at the end."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder), "--env-manager", "local"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("BACKBENCH", "PYTHONPATH"))
    }
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with (cwd / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=cwd, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(600):
            assert process.poll() is None, (cwd / "log").read_text()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def ask(address: str, body: object) -> tuple[int, dict]:
    """The status and the answer to a request; a body that is text is sent as it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


@pytest.mark.slow
def test_it_is_served(written, tmp_path):
    source, folder = written("efficientnet_lite0")
    files, every = photographs(source), np.flatnonzero(source.split == TEST)
    with server(folder, tmp_path) as address:
        status, answer = ask(address, {"dataframe_records": [{"image": encoded(files[row])} for row in every]})
        assert status == 200
        assert [each["class"] for each in answer["predictions"]] == [
            source.names[number] for number in source.predictions[every]
        ]
        assert [each["cluster"] for each in answer["predictions"]] == source.labels[every].tolist()
        bad = [{"image": cell} for cell, _ in hostile()]
        status, answer = ask(address, {"dataframe_records": [*bad, {"image": encoded(files[0])}]})
        assert status == 200
        for each, (_, wanted) in zip(answer["predictions"], hostile(), strict=False):
            assert wanted in each["reason"] and each["class"] is None
        assert answer["predictions"][-1]["reason"] == ""
        good = {"dataframe_records": [{"image": encoded(files[0])}]}
        for wrong in (b"{", b"[]", {"rows": []}, {"dataframe_records": [{"picture": "x"}]}, {"dataframe_records": 3}):
            assert ask(address, wrong)[0] == 400
        assert ask(address, {**good, "params": {"neighbours": 1000}})[0] in (400, 500)
        status, answer = ask(address, {**good, "params": {"neighbours": 2, "embedding": True}})
        assert status == 200
        (only,) = answer["predictions"]
        assert len(only["nearest"]) == 2 and len(only["embedding"]) == 1280
