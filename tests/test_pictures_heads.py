"""Pictures of the classes and clusters of one run, from stored records: what they show, and why there are none."""

import functools

import numpy as np
import pytest
from drawn import artists, digest

from backbench import hashing, paths, planning
from backbench.engine.results import ledger
from backbench.pictures.kinds import composition, confusion, per_class, pies, silhouette, size_recall
from backbench.pictures.source import Source
from backbench.store import Store

RUN = ("experiment=none", "dataset.sample=100", "backbone=pixels", "chain=none", "retrieval=none")
BOTH = (*RUN, "clusterer=kmeans", "k=3", "classifier=knn")
CLASSES = ["cat", "dog", "cow"]
TRUTH = np.arange(60) % 3
SPLIT = np.repeat([0, 1, 2], 20).astype(np.uint8)
TEST = SPLIT == 2
OF_CLASSES, OF_CLUSTERS = (confusion, per_class, size_recall), (composition, pies, silhouette)
EVERY = (*OF_CLASSES, *OF_CLUSTERS)


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@functools.cache
def planned(*overrides):
    return planning.make(overrides).plan


def parts():
    """Records of a run that went well; cats are taken for dogs on every other test image."""
    predictions = np.where(SPLIT == 0, -2, TRUTH).astype(np.int32)
    predictions[TEST & (TRUTH == 0) & (np.arange(60) % 2 == 0)] = 1
    labels = np.where(np.arange(60) < 6, -1, TRUTH).astype(np.int32)
    widths = np.where(labels < 0, np.nan, np.linspace(-0.2, 0.8, 60)).astype(np.float32)
    info = {"n": 60, "classes": CLASSES, "counts": {"train": 20, "validation": 20, "test": 20}}
    return {
        "dataset": {"info": info, "arrays": {"labels": TRUTH, "split": SPLIT}},
        "classification": {"metrics": {"accuracy": 0.8}, "arrays": {"predictions": predictions}},
        "clustering": {
            "metrics": {"clusters": 3.0, "silhouette": 0.3},
            "info": {"scope": "all"},
            "arrays": {"labels": labels, "silhouettes": widths},
        },
    }


def source(overrides=BOTH, **changed) -> Source:
    """A run whose records are those of :func:`parts` with keys changed by kind; None takes a record away."""
    plan, store = planned(*overrides), Store(paths.store())
    found = parts()
    for key, stage in plan.stages.items():
        change = changed.get(stage.kind, {})
        if change is None:
            continue
        own = {**found.get(stage.kind, {}), **change}
        body = {"status": "done", "reason": None, "config": dict(stage.config), "code": stage.code}
        body |= {"metrics": {}, "notes": {}, "info": {}, "provenance": {}}
        store.write(stage.kind, key, {**body, **{k: v for k, v in own.items() if k != "arrays"}}, own.get("arrays", {}))
    (row,) = ledger.rows(plan, ledger.read_records(plan, store))
    return Source(row, store)


def info(kind, **changed):
    return {"info": {**parts()[kind].get("info", {}), **changed}}


def heading(picture):
    return {text.get_gid(): " ".join(text.get_text().split()) for text in picture.figure.texts}


@pytest.mark.parametrize("kind", EVERY)
def test_a_run_has_them_all_and_each_says_what_it_is_of(kind):
    own = source()
    assert kind.lacks(own) is None
    said = heading(kind.draw(own))
    assert said["title"] == kind.TITLE and said["stamp"] == f"run {hashing.short(own.row.config_hash)}"
    assert said["about"].startswith("pixels kmeans k=3 knn, fashion_mnist (60 images)")
    assert ("20 test images" in said["about"]) == (kind in OF_CLASSES)


@pytest.mark.parametrize("kind", EVERY)
def test_the_same_file_twice(kind):
    assert digest(kind.draw(source())) == digest(kind.draw(source()))


def test_confusions_are_counted_on_the_test_images_alone():
    data = confusion.draw(source()).data
    cats = TEST & (TRUTH == 0)
    taken = int((cats & (np.arange(60) % 2 == 0)).sum())
    rows = dict(zip(zip(data["true_class"], data["predicted_class"], strict=True), data["images"], strict=True))
    assert rows["cat", "dog"] == taken > 0 and rows["cat", "cat"] == cats.sum() - taken
    assert sum(data["images"]) == TEST.sum()


def test_recall_is_that_of_the_test_images_and_size_that_of_the_training_images():
    scores, sizes = per_class.draw(source()).data, size_recall.draw(source()).data
    assert sizes["training_images"] == [7, 7, 6] and sum(sizes["test_images"]) == TEST.sum()
    assert dict(zip(scores["class"], scores["recall"], strict=True)) == dict(
        zip(sizes["class"], sizes["recall"], strict=True)
    )


def test_compositions_count_every_image_and_noise():
    data = composition.draw(source()).data
    assert sum(data["images"]) == 60 and data["cluster"].count("noise") == 3
    assert all(row == "noise" or share == 1.0 for row, share in zip(data["cluster"], data["share"], strict=True))


def test_silhouettes_have_the_widths_of_their_images():
    own = source()
    data = silhouette.draw(own).data
    assert np.array_equal(own.widths[data["image"]], np.float32(data["width"])) and len(data["image"]) == 54


def test_parts_that_were_clustered_apart_are_not_mixed():
    """Cluster 0 of the test images is none of the training images."""
    own = source(clustering=info("clustering", scope="per_split"))
    assert sum(composition.draw(own).data["images"]) == TEST.sum()
    assert sorted(silhouette.draw(own).data["image"]) == np.flatnonzero(TEST).tolist()
    assert "test images, clustered separately" in heading(pies.draw(own))["about"]


def test_rows_out_of_scope_are_left_out():
    labels = np.where(SPLIT == 0, TRUTH, -2).astype(np.int32)
    arrays = {"labels": labels, "silhouettes": np.where(SPLIT == 0, 0.5, np.nan).astype(np.float32)}
    own = source(clustering={**info("clustering", scope="train"), "arrays": arrays})
    assert sum(composition.draw(own).data["images"]) == 20 == len(silhouette.draw(own).data["image"])
    assert "training images only" in heading(composition.draw(own))["about"]
    assert "noise" not in composition.draw(own).caption


@pytest.mark.parametrize("kind", [*OF_CLASSES, composition, pies])
def test_without_classes_there_is_nothing_to_compare_with(kind):
    own = source(dataset=info("dataset", classes=None))
    assert kind.lacks(own) == "the dataset has no classes"
    assert silhouette.lacks(own) is None and silhouette.draw(own)


@pytest.mark.parametrize(("kinds", "head"), [(OF_CLASSES, "classification"), (OF_CLUSTERS, "clustering")])
def test_a_head_that_failed_or_is_not_there_says_so(kinds, head):
    pending = source(**{head: None})
    broken = source(**{head: {"status": "failed", "reason": "did not converge", "arrays": {}}})
    other = {"classification": ("clusterer=kmeans", "k=3", "classifier=none")}
    without = source((*RUN, *other.get(head, ("clusterer=none", "classifier=knn"))))
    for kind in kinds:
        assert kind.lacks(broken) == f"the {head} failed: did not converge"
        assert kind.lacks(without) == f"the run has no {head}"
        assert kind.lacks(pending) == f"the {head} is not done"


@pytest.mark.parametrize("kind", OF_CLASSES)
def test_without_test_images_there_is_nothing_to_say(kind):
    counts = {"train": 40, "validation": 20, "test": 0}
    assert kind.lacks(source(dataset=info("dataset", counts=counts))) == "there are no test images"


def test_one_class():
    arrays = {"labels": np.zeros(60, dtype=np.int64), "split": SPLIT}
    found = {"arrays": {"predictions": np.where(SPLIT == 0, -2, 0).astype(np.int32)}}
    own = source(dataset={**info("dataset", classes=["cat"]), "arrays": arrays}, classification=found)
    assert size_recall.lacks(own) == "the dataset has only one class; two are needed"
    assert confusion.draw(own).data["images"] == [20] and per_class.draw(own).data["f1"] == [1.0]
    assert set(composition.draw(own).data["class"]) == {"cat"}


def test_all_noise():
    found = {"labels": np.full(60, -1, dtype=np.int32)}
    reason = "all points are noise"
    metrics = {"clusters": 0.0, "silhouette": None}
    own = source(clustering={"metrics": metrics, "notes": {"silhouette": reason}, "arrays": found})
    assert silhouette.lacks(own) == f"there is no silhouette: {reason}"
    assert pies.lacks(own) == "all images are noise"
    assert composition.lacks(own) is None and set(composition.draw(own).data["cluster"]) == {"noise"}


def test_one_cluster():
    found = {"labels": np.zeros(60, dtype=np.int32)}
    reason = "there is one cluster only"
    metrics = {"clusters": 1.0, "silhouette": None}
    own = source(clustering={"metrics": metrics, "notes": {"silhouette": reason}, "arrays": found})
    assert silhouette.lacks(own) == f"there is no silhouette: {reason}"
    assert len(artists(pies.draw(own), "pie")) == 1
    assert len(artists(composition.draw(own), "size")) == 1


def test_a_sampled_silhouette_has_no_widths():
    arrays = {"labels": parts()["clustering"]["arrays"]["labels"]}
    own = source(clustering={"metrics": {"clusters": 3.0, "silhouette_sampled": 0.3}, "arrays": arrays})
    assert "estimated on a sample" in silhouette.lacks(own)


def test_asking_reads_no_array(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("an array was read")

    own, store = source(), Store(tmp_path)
    monkeypatch.setattr(store, "array", refuse)
    closed = Source(own.row, store)
    assert [kind.lacks(closed) for kind in EVERY] == [None] * len(EVERY)
