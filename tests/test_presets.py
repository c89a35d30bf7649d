"""The experiments of published systems: each can be planned and overridden, and what is known of them comes out."""

import os
from pathlib import Path

import numpy as np
import pytest
from pictures import paint
from PIL import Image
from sweeping import computed, rows_of

from backbench import compose, papers, paths, planning
from backbench.papers import table
from backbench.schema import ConfigError
from backbench.store import Store

# The others are planned, and run, by the tests of planning.
EXPERIMENTS = sorted(
    {path.stem for path in (paths.conf() / "experiment").glob("*.yaml")} - {"full", "none", "quickstart"}
)
OURS = ("animals_vgg16", "autoimageclassifier", "caltech101_retrieval", "unlabelled_resnet50")
FOLDERS = ("animals_vgg16", "autoimageclassifier", "unlabelled_resnet50")
# What an experiment needs beside its name to be planned where no weights are.
NEEDS = {
    "caltech101_retrieval": ["backbone.weights=random"],
    **{name: ["backbone.weights=random"] for name in FOLDERS},
}
# What a small sample of pixels cannot bear: 512 components, covariances in 784 dimensions, clusters of 500.
SMALLER = {
    # Automatic numbers of clusters are one combination before they are known, and several runs after.
    "clusterers": ["k=10"],
    "caltech101_retrieval": ["chain@classification.chain=pca50"],
    "fashion_mnist_autoencoder": ["clusterer.covariance_type=diag"],
    "fashion_mnist_n2d": ["clusterer.min_cluster_size=5"],
}
ASSETS = os.environ.get("BACKBENCH_ASSETS")
needs_assets = pytest.mark.skipif(not ASSETS, reason="BACKBENCH_ASSETS is not set")

pytestmark = pytest.mark.usefixtures("own_results")


@pytest.fixture
def parted(tmp_path):
    """Painted pictures in folders for training, validation and testing, in three classes."""
    root = tmp_path / "parted"
    for number in range(60):
        part = "train" if number < 36 else "val" if number < 42 else "test"
        paint(root / part / f"class{number % 3}" / f"{number:02}.png", number)
    return root


def planned(name, *overrides):
    """Its plan, with provisional hashes where images were never read."""
    return planning.make([f"experiment={name}", *overrides], fingerprint=False).plan


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_planned_and_has_the_runs_of_its_published_figures(name, parted):
    place = [f"dataset.root={parted}"] if name in FOLDERS else []
    found = planned(name, *NEEDS.get(name, []), *place)
    assert found.runs
    if name in papers.names():
        rows, preset = rows_of(found), cells(name)
        own = table.make(papers.load(name), found, rows, Store(paths.store()), preset)
        assert not [line.name for line in own.lines if "not in this sweep" in " ".join(line.why)]
        for one in papers.load(name).pictures:
            assert table.matching(papers.load(name), rows, preset, one.where)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_runs_on_another_representation_of_other_images(name):
    small = planned(name, "backbone=pixels", "dataset=fashion_mnist", "dataset.sample=200", *SMALLER.get(name, []))
    whole = compose.expand([f"experiment={name}"])
    assert 0 < len(small.runs) <= max(len(whole.cells), 1)


@pytest.mark.parametrize("name", OURS)
def test_an_option_of_the_experiment_that_is_misspelt_on_the_command_line_is_refused(name):
    with pytest.raises(ConfigError, match=r"Did you mean 'backbone\.weights'"):
        compose.expand([f"experiment={name}", "backbone.weight=random"])


def cells(name):
    return [cell.config for cell in compose.expand([f"experiment={name}"]).cells]


def made(name, plan):
    return table.make(papers.load(name), plan, rows_of(plan), Store(paths.store()), cells(name))


def test_clusters_and_noise_of_a_folder_without_labels(tmp_path):
    for number in range(40):
        paint(tmp_path / "flat" / f"{number:02}.png", number)
    found = computed(
        "experiment=unlabelled_resnet50",
        "backbone=pixels",
        f"dataset.root={tmp_path / 'flat'}",
        "k=2,3,4",
        "chain.steps.s2.n_components=5",
    )
    rows = rows_of(found)
    # Three of k-means, three cuts of each of two trees, four radii.
    assert len(rows) == 3 + 2 * 3 + 4 and {row.status for row in rows} == {"finished"}
    assert all("accuracy" not in row.metrics for row in rows)
    own = {line.name: line for line in made("unlabelled_resnet50", found).lines}
    assert own["chosen model"].ours and own["DBSCAN at quantile 0.9, noise"].ours is not None


def test_one_cluster_is_a_point_of_the_elbow_and_has_no_silhouette(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(40):
        # Five stripes that overlap nowhere: groups as far from each other as can be, in no row.
        pixels = rng.integers(0, 8, (10, 10), np.uint8)
        pixels[2 * (number % 5) :][:2] += 200
        place = tmp_path / "stripes" / f"stripe{number % 5}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place)
    found = computed(
        "experiment=animals_vgg16", "backbone=pixels", f"dataset.root={tmp_path / 'stripes'}", "k=range(1,10)"
    )
    rows = {row.params["k"]: row for row in rows_of(found)}
    assert {row.status for row in rows.values()} == {"finished"} and sorted(rows) == list(range(1, 10))
    assert rows[1].metrics["inertia"] > rows[2].metrics["inertia"] and np.isnan(rows[1].metrics["silhouette"])
    assert rows[1].metrics["purity"] == pytest.approx(1 / 5)
    lines = {line.name: line for line in made("animals_vgg16", found).lines}
    assert lines["elbow"].ours == 5 and "k = 1..9" in " ".join(lines["elbow"].why)
    assert lines["majority share of each cluster"].ours == (1.0,) * 5


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The published features as one file, and the clusters and classes that were published for them."""
    folder = Path(ASSETS) / "data" / "autoimageclassifier_golden"
    parts = {part: np.load(folder / "features" / f"{part}_features.npz") for part in ("train", "val", "test")}
    file = tmp_path_factory.mktemp("stored") / "features.npz"
    np.savez(
        file,
        features=np.concatenate([own["features"] for own in parts.values()]),
        labels=np.concatenate([own["labels"] for own in parts.values()]),
        split=np.repeat(list(parts), [len(own["labels"]) for own in parts.values()]),
    )
    clusters = {part: np.load(folder / "results" / f"{part}_clusters.npz")["clusters"] for part in ("train", "test")}
    return file, clusters, np.load(folder / "results" / "classification_results" / "test_preds.npz")["preds"]


@needs_assets
def test_stored_features_give_the_published_table_and_the_stored_clusters(stored):
    from sklearn.metrics import adjusted_rand_score

    file, clusters, classes = stored
    found = computed(
        "experiment=autoimageclassifier",
        "backbone=precomputed",
        "dataset=embeddings",
        f"dataset.path={file}",
        "dataset.split.source=given",
    )
    (row,) = rows_of(found)
    store, parts = Store(paths.store()), np.repeat(["train", "val", "test"], [18, 3, 9])
    labels = store.array("clustering", row.stages["clustering"], "labels")
    for part, own in clusters.items():
        assert adjusted_rand_score(own, labels[parts == part]) == 1.0
    predicted = store.array("classification", row.stages["classification"], "predictions")
    assert predicted[-9:].tolist() == classes.tolist()
    for line in made("autoimageclassifier", found).lines:
        assert line.same_digits, f"{line.name}: {line.published_text}, not {line.ours_text}"


@needs_assets
@pytest.mark.slow
def test_published_photographs_give_the_published_table_with_other_weights():
    weights = Path(ASSETS) / "weights" / "mobilenet_v2_features_torchvision.pth"
    photographs = Path(ASSETS) / "data" / "autoimageclassifier_golden" / "splits"
    place = (f"dataset.root={photographs}", f"backbone.weights={weights}", "backbone.engine=torch")
    found = made("autoimageclassifier", computed("experiment=autoimageclassifier", *place))
    assert found.images == papers.load("autoimageclassifier").images.words
    assert [one.key for one in found.stand_ins] == ["backbone.weights"]
    # Of other weights, the clusters of the training photographs alone are others: these find all three classes.
    (other,) = [line for line in found.lines if not line.same_digits]
    assert other.name == "clusters of the training photographs, ARI" and other.ours == 1.0


def published(name):
    return {figure.name: figure for figure in papers.load(name).figures}


def test_majority_shares_are_whole_photographs_and_their_mean_is_what_is_called_accuracy():
    own, sizes = published("animals_vgg16"), (329, 274, 285, 305, 267)
    shares = own["majority share of each cluster"].published
    photographs = [round(share * size) for share, size in zip(shares, sizes, strict=True)]
    rounded = [round(count / size, 4) for count, size in zip(photographs, sizes, strict=True)]
    assert rounded == pytest.approx(shares, abs=5.1e-5) and list(shares) == sorted(shares, reverse=True)
    assert np.mean(shares) == pytest.approx(own["mean majority share of the clusters"].published, abs=5e-5)
    assert sum(sizes) == papers.load("animals_vgg16").images.n and sum(photographs) == 1401
    assert round(sum(photographs) / sum(sizes), 4) == own["purity"].published


def test_published_scores_of_classes_agree_with_each_other():
    own = published("autoimageclassifier")
    for name in ("car", "landscape", "animal"):
        precision, recall = own[f"{name}, precision"].published, own[f"{name}, recall"].published
        assert own[f"{name}, F1"].published == pytest.approx(2 * precision * recall / (precision + recall), abs=0.005)
    means = {
        key: np.mean([own[f"{name}, {key}"].published for name in ("car", "landscape", "animal")])
        for key in ("F1", "recall")
    }
    assert own["k-NN, macro F1"].published == pytest.approx(means["F1"], abs=0.005)
    assert own["k-NN, accuracy"].published == pytest.approx(means["recall"], abs=0.005)


def test_a_share_of_queries_with_a_hit_grows_with_the_neighbours_that_are_looked_at():
    own = published("caltech101_retrieval")
    rates = [own[f"repository, hit rate at {k}"].published for k in (1, 5, 10, 20)]
    assert rates == sorted(rates)
    assert all(figure.metric == "precision_at_10" for figure in own.values() if figure.name.startswith("precision"))
