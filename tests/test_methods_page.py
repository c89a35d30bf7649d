"""docs/methods.md: what is taken from a results folder, how it is ranked and named, and that the page is fresh."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml
from stored import N, Stored, mixed

ROOT = Path(__file__).parents[1]
PAGE = runpy.run_path(str(ROOT / "scripts" / "write_methods.py"))
STORED = sorted((ROOT / "docs" / "methods").glob("*.json"))
PUBLISHED = {"system": "Guess", "accuracy": 0.5, "nmi": 0.4, "images": 70000, "source": "nobody, nowhere"}


@pytest.fixture
def docs(own_results, monkeypatch, tmp_path):
    """A folder of documents with one data set, of which the results folder has clusterings by three clusterers."""
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)
    right = {"kmeans": 0.8, "spectral": 0.6}

    def labels(stage, truth):
        name = stage.config["clusterer"]["name"]
        known = mixed(truth, right.get(name, 1.0), stage.config.get("seed") or 0)
        return known if name in right else np.where(np.arange(N) % 3, -1, known)

    grid = ("clusterer=kmeans,spectral,dbscan", "k=4", "seeds=0..2", "chain=none,l2_umap10_n30")
    Stored(labels=labels).rows(*grid, "classifier=none", "retrieval=none")
    folder = tmp_path / "docs" / "methods"
    folder.mkdir(parents=True)
    described = {"name": "drawn", "title": "Drawn", "words": "Not fitted.", "images": N, "published": [PUBLISHED]}
    sets = [{**described, "where": {"dataset.name": "fashion_mnist", "dataset.sample": N}}]
    (folder / "sets.yaml").write_text(yaml.safe_dump({"sets": sets, "recent": ["spectral"]}))
    (folder / "page.jinja").write_text((ROOT / "docs" / "methods" / "page.jinja").read_text())
    return folder.parent


def test_clusterings_are_taken_ranked_and_named(docs, capsys):
    assert PAGE["main"](["--take"], docs) == 0 and "drawn.json" in capsys.readouterr().out
    table = json.loads((docs / "methods" / "drawn.json").read_text())
    assert [entry["clusterer"] for entry in table["entries"]] == ["kmeans", "kmeans", "spectral", "spectral"]
    first = table["entries"][0]
    assert first["seeds"] == 3 and first["k"] == 4 and first["noise"] == 0
    mean, low, high = first["values"]["cluster_accuracy"]
    assert low < mean < high and mean == pytest.approx(0.8, abs=0.03)
    spaces = {entry["space"]: entry["seconds"] for entry in table["entries"]}
    assert spaces == {"raw pixels": 0.5, "raw pixels (unit length, UMAP 10 of 30 neighbours)": 1.0}
    assert {other["clusterer"] for other in table["unranked"]} == {"dbscan"}
    assert "noise" in table["unranked"][0]["reason"]
    (command,) = table["commands"]
    assert command.startswith(f"backbench sweep experiment=none dataset.sample={N} backbone=pixels")
    assert command.endswith("chain=none,l2_umap10_n30 classifier=none retrieval=none")


def test_the_page_shows_published_figures_below_ours(docs, capsys):
    assert PAGE["main"](["--take"], docs) == 0
    text = (docs / "methods.md").read_text()
    best = text.partition("The best of each clusterer:")[2].partition("Without the classes")[0]
    assert best.count("\n| 1") == 1 and "k-means" in best and "spectral" in best and "†" not in best
    assert "since 2018 is spectral clustering, k = 4" in text and "older ones is k-means, k = 4" in text
    published = text.partition("Published figures.")[2].partition("<details>")[0]
    assert published.index("**ours**: k-means, k = 4") < published.index("| Guess | 50.0 % | 0.400 | – | 70,000 |")
    assert "Not ranked:" in text and "all stages together took" in text
    assert PAGE["main"](["--check"], docs) == 0
    (docs / "methods.md").write_text(text + "more")
    assert PAGE["main"](["--check"], docs) == 1 and "make docs" in capsys.readouterr().err


def test_what_cannot_be_taken_is_said(docs, capsys):
    path = docs / "methods" / "sets.yaml"
    sets = yaml.safe_load(path.read_text())["sets"]
    path.write_text(yaml.safe_dump({"sets": [{**sets[0], "images": N + 1}], "recent": []}))
    assert PAGE["main"](["--take"], docs) == 1 and "no clustering of the data sets" in capsys.readouterr().err
    path.write_text(yaml.safe_dump({"sets": [{"name": "drawn"}], "recent": []}))
    assert PAGE["main"]([], docs) == 1 and "drawn lacks images, published, title, where" in capsys.readouterr().err
    path.write_text("[")
    assert PAGE["main"]([], docs) == 1 and "has no list of sets" in capsys.readouterr().err


def test_the_documents_are_fresh():
    assert PAGE["main"](["--check"]) == 0, "run `make docs`"


def test_stored_tables_are_described_and_name_no_place():
    described = {part["name"]: part for part in PAGE["described"](ROOT / "docs" / "methods")[0]}
    for path in STORED:
        assert path.stem in described, f"{path.name} is of no data set in sets.yaml"
        assert not PAGE["papers"].PATH.search(path.read_text()), path
    for part in described.values():
        for figure in part["published"]:
            assert figure["source"] and 0 < figure.get("accuracy", 0.5) < 1, figure
