"""Pictures that show a run's images, and its training, from stored records with known answers."""

import functools
import hashlib

import numpy as np
import pytest
from drawn import artists, digest, names, unreadable
from PIL import Image

from backbench import hashing, paths, planning
from backbench.engine.results import ledger
from backbench.metrics.labels import OUTSIDE
from backbench.pictures import _images
from backbench.pictures.kinds import cluster_samples, predictions, reconstructions, retrieval, training_loss
from backbench.pictures.source import Source
from backbench.plots import _files
from backbench.store import Store

RUN = ("experiment=none", "dataset.sample=200", "chain=none", "k=3")
BOTH = (*RUN, "backbone=pixels", "clusterer=kmeans", "classifier=knn")
LEARNT = (*RUN, "backbone=autoencoder", "backbone.epochs=9", "clusterer=kmeans", "classifier=knn")
CLASSES = ("cat", "dog", "cow", "ant")
N = 200
TRUTH = np.arange(N) % 4
SPLIT = np.repeat([0, 0, 1, 2], N // 4).astype(np.uint8)
TEST = np.flatnonzero(SPLIT == 2)
KINDS = (cluster_samples, predictions, retrieval)
EVERY = (*KINDS, training_loss, reconstructions)
HISTORY = {"loss": [0.2, 0.1, 0.05], "validation_loss": [0.3, 0.2, 0.25]}


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@functools.cache
def planned(*overrides):
    return planning.make(overrides).plan


def positions():
    """Rows on a line, three clusters of them around 0, 10 and 20."""
    return (10 * (np.arange(N) % 3) + np.random.default_rng(0).normal(0, 1, N)).astype(np.float32)[:, None]


def images():
    """Each image says in its pixels which one it is."""
    return np.broadcast_to(np.arange(N, dtype=np.uint8)[:, None, None, None], (N, 28, 28, 1)).copy()


def neighbours(at=10):
    """Neighbours of every row: of cats all right, of dogs half, of cows none, and of ants all."""
    rng = np.random.default_rng(1)
    right = {0: at, 1: at // 2, 2: 0, 3: at}
    found = np.empty((N, at), dtype=np.int32)
    for row in range(N):
        same, other = (np.flatnonzero((TRUTH[row] == TRUTH) == want) for want in (True, False))
        count = right[int(TRUTH[row])]
        found[row] = [*rng.choice(same[same != row], count), *rng.choice(other, at - count)]
    return found


def parts():
    predicted = np.where(SPLIT == 0, OUTSIDE, TRUTH).astype(np.int32)
    wrong = TEST[TRUTH[TEST] == 0]
    predicted[wrong[:8]], predicted[wrong[8:11]] = 1, 2
    predicted[TEST[TRUTH[TEST] == 3][:1]] = 0
    info = {"n": N, "classes": list(CLASSES), "counts": {"train": 100, "validation": 50, "test": 50}}
    widths = np.random.default_rng(2).uniform(-1, 1, N).astype(np.float32)
    shown = np.linspace(TEST[0], TEST[-1], 16).astype(np.int32)
    made = np.clip(images()[shown].astype(int) + 51, 0, 255).astype(np.uint8)
    training = {"epochs": 3, "best_epoch": 2, "history": HISTORY}
    return {
        "dataset": {"info": info, "arrays": {"labels": TRUTH, "split": SPLIT, "pixels": images()[..., 0]}},
        "features": {
            "info": {"training": training},
            "arrays": {"features": positions(), "reconstructions": made, "reconstructed_rows": shown},
        },
        "classification": {"metrics": {"accuracy": 0.8}, "arrays": {"predictions": predicted}},
        "clustering": {
            "metrics": {"clusters": 3.0},
            "info": {"scope": "all"},
            "arrays": {"labels": (np.arange(N) % 3).astype(np.int32), "silhouettes": widths},
        },
        "retrieval": {"info": {"queries": N, "neighbours": 10}, "arrays": {"neighbours": neighbours()}},
    }


def source(overrides=BOTH, **changed) -> Source:
    """A run with the records of :func:`parts`; `changed` says by kind what is otherwise, None that there is none."""
    plan, store = planned(*overrides), Store(paths.store())
    found = parts()
    if "backbone=pixels" in overrides:
        found["features"] = {"arrays": {"features": positions()}}
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


def without_classes(**changed):
    info = {**parts()["dataset"]["info"], "classes": None}
    return source(dataset={"info": info, "arrays": {"split": SPLIT, "pixels": images()[..., 0]}}, **changed)


def clustered(labels, widths=None):
    arrays = {"labels": np.asarray(labels, dtype=np.int32)}
    return {"arrays": arrays if widths is None else {**arrays, "silhouettes": np.asarray(widths, dtype=np.float32)}}


def drawn_rows(picture):
    """The images of a picture by the number that their pixels say."""
    return [int(np.asarray(image.get_array()).flat[0]) for image in picture.figure.axes[0].images]


def said(picture, gid):
    return [text.get_text() for text in artists(picture, gid) if hasattr(text, "get_text")]


def heading(picture):
    return {text.get_gid(): " ".join(text.get_text().split()) for text in picture.figure.texts}


def listed(picture, **wanted):
    """Rows of the data beside a picture that agree with `wanted`."""
    rows = [dict(zip(picture.data, row, strict=True)) for row in zip(*picture.data.values(), strict=True)]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


@pytest.mark.parametrize("kind", EVERY)
def test_a_run_has_them_all_and_they_are_the_same_file_twice(kind):
    own = source(LEARNT)
    assert kind.lacks(own) is None
    picture = kind.draw(own)
    assert heading(picture)["title"] == kind.TITLE
    assert heading(picture)["stamp"] == f"run {hashing.short(own.row.config_hash)}"
    assert heading(picture)["about"].startswith("autoencoder kmeans k=3 knn, fashion_mnist (200 images)")
    assert not unreadable(picture)
    assert digest(picture) == digest(kind.draw(source(LEARNT))) and _files.table(picture)


@pytest.mark.parametrize("kind", EVERY)
def test_asking_reads_no_array(kind):
    own = source(LEARNT)
    for path in own.store.root.rglob("*.npy"):
        path.unlink()
    assert kind.lacks(own) is None


class TestClusterSamples:
    def test_the_nearest_to_the_mean_and_the_lowest_widths_of_the_others(self):
        picture = cluster_samples.draw(source())
        widths, x = parts()["clustering"]["arrays"]["silhouettes"], positions()[:, 0].astype(float)
        for cluster in range(3):
            own = np.arange(cluster, N, 3)
            distance = np.abs(x[own] - x[own].mean())
            near = own[np.argsort(distance)][:6]
            rest = np.setdiff1d(own, near)
            unsure = rest[np.argsort(widths[rest])][:4]
            found = listed(picture, cluster=cluster)
            assert [row["image"] for row in found] == [*near, *unsure]
            assert [row["group"] for row in found] == ["nearest"] * 6 + ["least sure"] * 4
            assert [row["distance"] for row in found][:6] == pytest.approx(np.sort(distance)[:6])
            assert [row["width"] for row in found][6:] == pytest.approx(np.sort(widths[rest])[:4])
            assert [row["class"] for row in found] == [CLASSES[TRUTH[row["image"]]] for row in found]
        assert drawn_rows(picture) == picture.data["image"]
        assert said(picture, "caption") == picture.data["class"]

    def test_largest_first_with_size_width_and_commonest_class(self):
        labels = np.where(np.arange(N) < 120, 1, 0)
        labels[190:] = 2
        picture = cluster_samples.draw(source(clustering=clustered(labels, np.full(N, 0.25))))
        assert said(picture, "title") == ["cluster 1", "cluster 0", "cluster 2"]
        assert said(picture, "below")[:3] == ["120 images", "mean width 0.25", "25% cat"]

    def test_without_widths_the_farthest_are_shown(self):
        picture = cluster_samples.draw(source(clustering=clustered(np.arange(N) % 3)))
        assert "width" not in picture.data and said(picture, "group")[1] == "farthest from the mean"
        x, own = positions()[:, 0].astype(float), np.arange(0, N, 3)
        far = own[np.argsort(-np.abs(x[own] - x[own].mean()))][:4]
        assert [row["image"] for row in listed(picture, cluster=0, group="farthest")] == far.tolist()

    def test_noise_has_a_strip_of_its_own(self):
        labels = np.where(np.arange(N) < 30, -1, 0)
        picture = cluster_samples.draw(source(clustering=clustered(labels)))
        assert said(picture, "title") == ["cluster 0", "noise"]
        noise = [row["image"] for row in listed(picture, group="noise")]
        assert len(set(noise)) == 10 and max(noise) < 30
        assert drawn_rows(picture)[-10:] == noise and "30 images are noise" in picture.caption

    def test_all_noise(self):
        picture = cluster_samples.draw(source(clustering=clustered(np.full(N, -1))))
        assert said(picture, "title") == ["noise"] and len(drawn_rows(picture)) == 10
        assert not unreadable(picture)

    def test_one_cluster_and_small_ones(self):
        labels = np.where(np.arange(N) < 7, np.arange(N) // 4 + 1, 0)
        picture = cluster_samples.draw(source(clustering=clustered(labels)))
        counts = [len(listed(picture, cluster=cluster)) for cluster in range(3)]
        assert counts == [10, 4, 3] and len(set(drawn_rows(picture))) == 17
        alone = cluster_samples.draw(source(clustering=clustered(np.zeros(N))))
        assert said(alone, "title") == ["cluster 0"] and "are not shown" not in alone.caption

    def test_of_many_clusters_the_largest(self):
        labels = np.minimum(np.arange(N) // 3, 40)
        picture = cluster_samples.draw(source(clustering=clustered(labels)))
        assert said(picture, "title")[:2] == ["cluster 40", "cluster 0"] and len(said(picture, "title")) == 20
        assert said(picture, "hidden") == ["21 smaller clusters not shown"]
        assert "The 21 smallest clusters are not shown" in picture.caption and not unreadable(picture)

    def test_rows_out_of_scope_are_left_out(self):
        labels = np.where(SPLIT == 0, np.arange(N) % 3, OUTSIDE)
        changed = {**clustered(labels, np.where(SPLIT == 0, 0.5, np.nan)), "info": {"scope": "train"}}
        picture = cluster_samples.draw(source(clustering=changed))
        assert max(picture.data["image"]) < 100 and "training images only" in heading(picture)["about"]
        apart = source(clustering={**clustered(np.arange(N) % 3), "info": {"scope": "per_split"}})
        assert set(cluster_samples.draw(apart).data["image"]) <= set(TEST)

    def test_without_classes_an_image_is_told_by_its_number(self):
        picture = cluster_samples.draw(without_classes())
        assert said(picture, "caption") == [f"image {row}" for row in picture.data["image"]]
        assert "class" not in picture.data

    def test_files_are_named_in_full_and_decoded_again(self, tmp_path):
        below, files = "long folder/" * 25, []
        (tmp_path / below).mkdir(parents=True)
        for row, image in enumerate(images()[..., 0]):
            files.append(f"{below}{row}.png")
            Image.fromarray(image).save(tmp_path / files[-1])
        digests = b"".join(hashlib.sha256((tmp_path / file).read_bytes()).digest() for file in files)
        info = {**parts()["dataset"]["info"], "files": files, "root": str(tmp_path), "digest": "0" * 64}
        arrays = {"labels": TRUTH, "split": SPLIT, "file_digests": np.frombuffer(digests, np.uint8).reshape(N, 32)}
        picture = cluster_samples.draw(source(dataset={"info": info, "arrays": arrays}))
        assert picture.data["file"] == [files[row] for row in picture.data["image"]]
        assert drawn_rows(picture) == picture.data["image"]


class TestPredictions:
    def test_wrong_ones_go_round_the_confused_pairs_and_right_ones_round_the_classes(self):
        picture = predictions.draw(source())
        wrong, right = listed(picture, right=False), listed(picture, right=True)
        pairs = [(row["class"], row["prediction"]) for row in wrong]
        assert pairs[:3] == [("cat", "dog"), ("cat", "cow"), ("ant", "cat")]
        assert (len(wrong), len(right)) == (10, 10) and pairs.count(("cat", "cow")) == 3
        assert {row["class"] for row in right[:4]} == set(CLASSES), "one of each before a second of any"
        assert set(picture.data["image"]) <= set(TEST) and len(set(picture.data["image"])) == 20
        assert drawn_rows(picture) == picture.data["image"]
        assert said(picture, "sign") == ["✗"] * 10 + ["✓"] * 10
        assert said(picture, "section")[0].startswith("Wrong: 12 of 50 images; 10 of them")

    def test_captions_say_truth_prediction_and_cluster(self):
        picture = predictions.draw(source())
        lines = said(picture, "caption")
        first = {key: values[0] for key, values in picture.data.items()}
        assert lines[:3] == [
            f"truth: {first['class']}",
            f"pred.: {first['prediction']}",
            f"cluster: {first['cluster']}",
        ]

    def test_all_right_and_all_wrong(self):
        right = {"predictions": np.where(SPLIT == 0, OUTSIDE, TRUTH).astype(np.int32)}
        picture = predictions.draw(source(classification={"arrays": right}))
        assert picture.data["right"] == [True] * 20 and len(said(picture, "section")) == 1
        counts = [picture.data["class"].count(name) for name in CLASSES]
        assert counts == [5, 5, 5, 5]
        wrong = {"predictions": np.where(SPLIT == 0, OUTSIDE, (TRUTH + 1) % 4).astype(np.int32)}
        assert predictions.draw(source(classification={"arrays": wrong})).data["right"] == [False] * 20

    def test_without_a_clustering(self):
        picture = predictions.draw(source((*RUN, "backbone=pixels", "clusterer=none", "classifier=knn")))
        assert heading(picture)["title"] == "Single images: truth and prediction"
        assert "cluster" not in picture.data and len(said(picture, "caption")) == 40

    def test_without_a_classification_the_commonest_class_of_the_cluster_answers(self):
        labels = np.where(np.arange(N) < 8, -1, np.where(TRUTH < 2, 0, 1))
        labels[(TRUTH == 1) & (np.arange(N) > 150)] = 1
        own = source((*RUN, "backbone=pixels", "clusterer=kmeans", "classifier=none"), clustering=clustered(labels))
        picture = predictions.draw(own)
        assert heading(picture)["title"] == "Single images: truth and cluster"
        answers = {(row["cluster"], row["cluster_class"]) for row in listed(picture)}
        common = {c: CLASSES[np.bincount(TRUTH[labels == c]).argmax()] for c in (0, 1)}
        assert answers <= {(-1, ""), *common.items()} and (-1, "") in answers
        assert all(row["right"] == (row["class"] == row["cluster_class"]) for row in listed(picture))
        assert "cluster: noise" in said(picture, "caption")

    def test_a_failed_classification_leaves_the_clusters(self):
        own = source(classification={"status": "failed", "reason": "did not converge", "arrays": {}})
        assert predictions.lacks(own) is None and "cluster_class" in predictions.draw(own).data

    def test_all_noise_is_all_wrong(self):
        own = source(clustering=clustered(np.full(N, -1)), classification=None)
        assert predictions.draw(own).data["right"] == [False] * 20


class TestRetrieval:
    def test_queries_of_every_class_then_the_worst(self):
        picture = retrieval.draw(source())
        assert len(drawn_rows(picture)) == 12 * 11
        random, worst = listed(picture, drawn="random", rank=1), listed(picture, drawn="worst", rank=1)
        counts = sorted([row["query_class"] for row in random].count(name) for name in CLASSES)
        assert counts == [1, 1, 2, 2] and len(worst) == 6
        assert {row["query_class"] for row in worst} == {"cow"} and {row["precision"] for row in worst} == {0.0}
        assert len({row["query"] for row in random + worst}) == 12
        assert said(picture, "section")[0] == "Queries drawn at random, some of each class"
        assert said(picture, "section")[1] == "The worst queries (50 of 200 have no right neighbour)"

    def test_marks_and_precision_are_those_of_the_classes(self):
        picture, found = retrieval.draw(source()), neighbours()
        for row in listed(picture):
            assert row["image"] == found[row["query"], row["rank"] - 1]
            assert row["right"] == (TRUTH[row["image"]] == TRUTH[row["query"]])
        signs = {True: "✓", False: "✗"}
        assert said(picture, "sign") == [signs[right] for right in picture.data["right"]]
        precision = [row["precision"] for row in listed(picture, rank=1)]
        assert said(picture, "note") == [f"{value:.2f}" for value in precision]
        assert "0.625 over all 200 queries" in picture.caption

    def test_a_query_stands_at_the_left_and_has_no_mark(self):
        picture = retrieval.draw(source())
        rows, data = drawn_rows(picture), picture.data
        assert rows[::11] == data["query"][::10] and rows[1:11] == data["image"][:10]
        assert len(said(picture, "sign")) == 120 and len(artists(picture, "divide")) == 2

    def test_worst_ones_of_equal_precision_come_from_several_classes(self):
        own = source(retrieval={"arrays": {"neighbours": np.roll(neighbours(), 1, axis=0)}})
        picture = retrieval.draw(own)
        worst, values = listed(picture, drawn="worst", rank=1), picture.data["precision"]
        assert {row["precision"] for row in worst} == {min(values)} and len({row["query_class"] for row in worst}) > 1

    def test_many_classes(self):
        classes = [f"{name} {at}" for at, name in enumerate(names(50))]
        truth = np.arange(N) % 50
        info = {**parts()["dataset"]["info"], "classes": classes}
        own = source(dataset={"info": info, "arrays": {**parts()["dataset"]["arrays"], "labels": truth}})
        picture = retrieval.draw(own)
        assert len({row["query_class"] for row in listed(picture, drawn="random")}) == 8
        assert len(listed(picture, drawn="worst", rank=1)) == 4
        assert said(picture, "section")[0].endswith("one each of 8 of 50 classes") and not unreadable(picture)

    def test_without_classes_there_are_no_marks(self):
        picture = retrieval.draw(without_classes())
        assert len(drawn_rows(picture)) == 12 * 11
        assert not said(picture, "sign") and not said(picture, "note") and "precision" not in picture.data

    def test_fewer_neighbours(self):
        few = {"info": {"queries": N, "neighbours": 4, "fewer": "only 4 of 10 neighbours"}}
        picture = retrieval.draw(source(retrieval={**few, "arrays": {"neighbours": neighbours(4)}}))
        assert max(picture.data["rank"]) == 4 and said(picture, "group")[1] == "its 4 nearest, nearest first"
        assert "only 4 of 10 neighbours" in picture.caption and said(picture, "below")[0] == "precision@4"

    def test_more_neighbours_than_are_shown(self):
        picture = retrieval.draw(source(retrieval={"arrays": {"neighbours": neighbours(30)}}))
        assert max(picture.data["rank"]) == 10

    def test_test_images_against_training_images(self):
        found = np.random.default_rng(0).choice(np.flatnonzero(SPLIT == 0), (len(TEST), 10)).astype(np.int32)
        own = source((*BOTH, "retrieval.protocol=test_against_train"), retrieval={"arrays": {"neighbours": found}})
        picture = retrieval.draw(own)
        assert set(picture.data["query"]) <= set(TEST) and max(picture.data["image"]) < 100
        place = {int(row): at for at, row in enumerate(TEST)}
        assert all(row["image"] == found[place[row["query"]], row["rank"] - 1] for row in listed(picture))
        assert "test images against the training images" in heading(picture)["about"]

    def test_nothing_to_retrieve(self):
        none = {"arrays": {"neighbours": np.empty((N, 0), np.int32)}}
        assert retrieval.lacks(source(retrieval={**none, "info": {"queries": N, "neighbours": 0}})) == (
            "there are no images to retrieve"
        )
        assert "no queries" in retrieval.lacks(source(retrieval={**none, "info": {"queries": 0, "neighbours": 0}}))


class TestTraining:
    def test_the_curves_of_the_record(self):
        picture = training_loss.draw(source(LEARNT))
        assert picture.data == {
            "epoch": [1, 2, 3],
            "training images": [0.2, 0.1, 0.05],
            "validation images": [0.3, 0.2, 0.25],
        }
        assert artists(picture, "best")[1].get_xydata().tolist() == [[2, 0.2]]
        axes = picture.figure.axes[0]
        assert axes.get_ylabel() == "mean squared error per pixel (0 to 1)"
        assert axes.get_title(loc="right") == "stopped early, after epoch 3 of at most 9: no improvement for 10 epochs"

    def test_all_epochs(self):
        training = {"epochs": 9, "best_epoch": 1, "history": {"loss": [1.0] * 9, "validation_loss": [0.01] * 9}}
        own = source((*LEARNT, "backbone.loss=bce"), features={"info": {"training": training}})
        axes = training_loss.draw(own).figure.axes[0]
        assert axes.get_title(loc="right") == "ended after all 9 epochs" and axes.get_yscale() == "log"
        assert axes.get_ylabel().startswith("binary cross-entropy per pixel (nats)")

    def test_a_backbone_that_was_not_trained(self):
        for kind in (training_loss, reconstructions):
            assert "the backbone pixels was not trained here" in kind.lacks(source())
            assert kind.lacks(source(LEARNT, features=None)) == "the features have not been computed"


class TestReconstructions:
    def test_images_stand_over_what_was_made_of_them(self):
        picture = reconstructions.draw(source(LEARNT))
        shown = parts()["features"]["arrays"]["reconstructed_rows"]
        rows = drawn_rows(picture)
        assert rows[:8] == shown[:8].tolist() and rows[16:24] == shown[8:].tolist()
        assert rows[8:16] == np.minimum(shown[:8] + 51, 255).tolist()
        tops = [image.get_extent()[3] for image in picture.figure.axes[0].images]
        assert tops[0] == tops[7] < tops[8] == tops[15] < tops[16]

    def test_errors_are_mean_squares_of_colours_from_0_to_1(self):
        picture = reconstructions.draw(source(LEARNT))
        shown = parts()["features"]["arrays"]["reconstructed_rows"]
        gaps = (np.minimum(shown + 51, 255) - shown) / 255
        assert picture.data["mean_squared_error"] == pytest.approx(gaps**2)
        assert said(picture, "caption")[8] == f"{gaps[0] ** 2:.4f}" == "0.0400"
        assert picture.data["class"] == [CLASSES[TRUTH[row]] for row in shown]

    def test_a_record_of_older_code(self):
        own = source(LEARNT, features={"arrays": {"features": positions()}})
        assert reconstructions.lacks(own).startswith("it was trained by older code that stored no reconstructions")
        assert training_loss.lacks(own) is None


class TestWhatIsMissing:
    @pytest.mark.parametrize("kind", KINDS)
    def test_without_images(self, kind, tmp_path):
        np.savez(tmp_path / "e.npz", embeddings=positions(), labels=TRUTH)
        given = ("dataset=embeddings", f"dataset.path={tmp_path / 'e.npz'}", "backbone=precomputed")
        own = source(("experiment=none", "chain=none", "clusterer=kmeans", "k=3", "classifier=knn", *given))
        assert kind.lacks(own) == "the dataset has no images"

    @pytest.mark.parametrize("kind", [cluster_samples, retrieval])
    def test_images_that_are_not_read(self, kind):
        assert kind.lacks(source(dataset=None)) == "the images have not been read"

    @pytest.mark.parametrize(("kind", "head"), [(cluster_samples, "clustering"), (retrieval, "retrieval")])
    def test_a_head_that_failed_or_is_not_there(self, kind, head):
        assert kind.lacks(source(**{head: None})) == f"the {head} is not done"
        failed = {"status": "failed", "reason": "did not converge", "arrays": {}}
        assert kind.lacks(source(**{head: failed})) == f"the {head} failed: did not converge"
        none = {"clustering": "clusterer=none", "retrieval": "retrieval=none"}
        assert kind.lacks(source((*RUN, "backbone=pixels", "classifier=knn", none[head]))) == f"the run has no {head}"

    def test_predictions_take_classes_and_a_head(self):
        assert predictions.lacks(without_classes()) == "the dataset has no classes"
        neither = source((*RUN, "backbone=pixels", "clusterer=none", "classifier=none"))
        assert predictions.lacks(neither) == "the run has no classification"
        untested = {**parts()["dataset"]["info"], "counts": {"train": 150, "validation": 50, "test": 0}}
        assert predictions.lacks(source(dataset={"info": untested})) is None, "there are clusters still"

    def test_parts_clustered_apart_without_test_images(self):
        untested = {**parts()["dataset"]["info"], "counts": {"train": 150, "validation": 50, "test": 0}}
        own = source(dataset={"info": untested}, clustering={**clustered(np.zeros(N)), "info": {"scope": "per_split"}})
        assert cluster_samples.lacks(own) == "there are no test images"


@pytest.mark.parametrize("kind", [*KINDS, reconstructions])
def test_names_of_any_script_and_length(kind):
    info = {**parts()["dataset"]["info"], "classes": names(4)}
    picture = kind.draw(source(LEARNT, dataset={"info": info}))
    assert not unreadable(picture)
    column = "query_class" if kind is retrieval else "class"
    assert set(picture.data[column]) <= set(names(4)), "the data have them in full"


def test_photographs_in_colour():
    shades = np.random.default_rng(0).integers(0, 256, (N, 1, 1, 3), np.uint8)
    colours = np.broadcast_to(shades, (N, 160, 160, 3)).copy()
    large = (*BOTH, "backbone.image.size=160", "backbone.image.mode=RGB")
    arrays = {**parts()["dataset"]["arrays"], "pixels": colours}
    picture = cluster_samples.draw(source(large, dataset={"arrays": arrays}))
    for image, row in zip(picture.figure.axes[0].images, picture.data["image"], strict=True):
        shown = np.asarray(image.get_array(), dtype=float)
        assert shown.shape == (160, 160, 3) and image.get_interpolation() == "hanning"
        assert abs(shown - colours[row]).max() < 12, "kept as WebP, which loses a little"


class TestInTurn:
    def test_one_of_each_group_then_a_second(self):
        groups = np.array([0] * 50 + [1] * 3 + [2])
        found = groups[_images.in_turn(groups, 9)]
        assert sorted(found[:3]) == [0, 1, 2] and sorted(found[3:5]) == [0, 1] and list(found[7:]) == [0, 0]
        assert list(groups[_images.in_turn(groups, 3, largest_first=True)]) == [0, 1, 2]

    def test_no_more_than_there_are_and_each_once(self):
        groups = np.array([5, 5, 7])
        assert sorted(_images.in_turn(groups, 10)) == [0, 1, 2] and len(_images.in_turn(groups[:0], 3)) == 0
        assert np.array_equal(_images.in_turn(groups, 3), _images.in_turn(groups, 3))
