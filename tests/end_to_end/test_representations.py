"""Other representations and collections through the whole chain: trained, made elsewhere, faulty, with real weights."""

import csv
import io
import json
import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from workbench import Bench, statuses, tracked

from backbench import paths

HEADS = ("plots=none", "experiment=none", "clusterer=kmeans", "k=10", "classifier=knn")


def rows(bench: Bench) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(bench.run("runs", "--format", "csv", check=0).stdout)))


def kinds(bench: Bench) -> set[str]:
    return {path.name for path in bench.store.iterdir() if path.is_dir() and any(path.rglob("*.json"))}


def reproduced(bench: Bench) -> str:
    """What `reproduce` says of the one run; it must agree bit for bit."""
    (row,) = rows(bench)
    done = bench.run("reproduce", row["config_hash"][:12], check=0)
    assert "bit for bit" in done.stdout + done.stderr
    return done.stdout


def test_an_autoencoder_is_trained_recorded_and_reproduced(empty: Bench):
    small = ("backbone=autoencoder", "backbone.widths=[64,8]", "backbone.epochs=4", "dataset.sample=300")
    empty.run("sweep", *HEADS, *small, check=0)
    ((key, run),) = tracked(empty.database).items()
    with sqlite3.connect(empty.database) as connection:
        query = "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = 'training_loss' ORDER BY step"
        losses = connection.execute(query, (run.run_id,)).fetchall()
    connection.close()
    assert [step for step, _ in losses] == [0, 1, 2, 3]
    assert losses[-1][1] < losses[0][1], "it learns"
    shown = json.loads(empty.run("show", key, "--format", "json", check=0).stdout)
    features = next(record for record in shown["records"].values() if record and record["kind"] == "features")
    assert features["info"]["d"] == 8 and features["info"]["training"]["epochs"] == 4
    reproduced(empty)


def test_embeddings_without_images_are_swept(empty: Bench, tmp_path: Path):
    digits = load_digits()
    np.savez(tmp_path / "digits.npz", features=digits.data.astype(np.float32), labels=digits.target)
    given = ("dataset=embeddings", f"dataset.path={tmp_path / 'digits.npz'}", "backbone=precomputed")
    empty.run("sweep", *HEADS, *given, check=0)
    (row,) = rows(empty)
    assert float(row["accuracy"]) > 0.95 and float(row["nmi"]) > 0.6
    assert not {"images", "audit"} & kinds(empty), "there is nothing to decode and nothing to look at"
    refused = empty.run("sweep", *HEADS, *given[:2], "backbone=pixels", check=2)
    assert "backbone=pixels needs images" in refused.stderr and "use backbone=precomputed" in refused.stderr


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """A folder of three classes with one file of each fault."""
    root, digits = tmp_path / "pictures", load_digits()
    for number, (image, label) in enumerate(zip(digits.images[:60], digits.target, strict=False)):
        path = root / f"class{label % 3}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).resize((64, 64)).save(path)
    shutil.copy(root / "class0" / "000.png", root / "class0" / "copy.png")
    whole = (root / "class1" / "001.png").read_bytes()
    (root / "class1" / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (root / "class2" / "empty.png").touch()
    return root


def test_a_folder_with_faults_is_audited_and_swept(empty: Bench, faulty: Path):
    given = ("dataset=folder", f"dataset.root={faulty}")
    done = empty.run("audit", *given, "--strict", check=1)
    for words in ("truncated.png", "empty.png", "copy.png"):
        assert words in done.stdout
    (page,) = (empty.results / "audits").glob("folder-*/index.html")
    assert "truncated.png" in page.read_text()
    page.unlink()
    done = empty.run("sweep", *HEADS, *given, "k=3", check=0)
    assert page.exists(), "a page that was deleted is written again"
    assert "2 files were left out" in done.stderr and page.parent.name in done.stderr
    assert statuses(empty.database) == {"FINISHED"}
    fewest = ("classifier=none", "retrieval=none", "dataset.duplicates=exclude")
    alone = empty.run("sweep", *HEADS, *given, "k=3", *fewest, check=0)
    assert "3 files were left out" in alone.stderr
    refused = empty.run("sweep", *HEADS, *given, "k=3", "dataset.duplicates=fail", check=2)
    assert "copy.png" in refused.stderr


def test_pretrained_weights_on_a_given_split(empty: Bench):
    """The published photographs with MobileNetV2 features on 0..1 pixels, clustered by Ward."""
    assets = os.environ.get("BACKBENCH_ASSETS")
    if not assets:
        pytest.skip("BACKBENCH_ASSETS is not set")
    root = Path(assets) / "data" / "autoimageclassifier_golden" / "splits"
    weights = Path(assets) / "weights" / "mobilenet_v2_features_torchvision.pth"
    given = ("dataset=folder", f"dataset.root={root}", "dataset.split.source=given")
    network = ("backbone=mobilenet_v2", f"backbone.weights={weights}", "backbone.normalise=imagenet")
    heads = ("experiment=none", "clusterer=agglomerative", "k=3", "classifier=knn", "classifier.n_neighbors=3")
    empty.run("sweep", "plots=none", *heads, *given, *network, check=0)
    (row,) = rows(empty)
    assert float(row["ari"]) > 0.6 and float(row["accuracy"]) > 1 / 3, "chance, on nine test photographs"
    (folder,) = (empty.results / "sweeps").iterdir()
    assert "<h1" in (folder / "report.html").read_text()
    shown = json.loads(empty.run("show", row["config_hash"], "--format", "json", check=0).stdout)
    assert shown["params"]["backbone.weights"] == "file"
    assert str(paths.CHECKOUT) not in json.dumps(shown["params"]), "a path is no part of what is compared"
    reproduced(empty)
