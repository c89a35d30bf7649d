"""What the page shows, without a browser: runs, images, clusters, mistakes and maps of a small sweep."""

import dataclasses
import types
from pathlib import Path

import numpy as np
import pytest
from pages import swept
from sharing import once
from sklearn.metrics import confusion_matrix
from sweeping import HOSTILE

from backbench.app import browsing, choices, findings, maps, opened, serving, trying
from backbench.app.opened import Opened
from backbench.app.views import charts
from backbench.cli import app as command
from backbench.cli import ports
from backbench.datasets import TEST, TRAIN
from backbench.organising import naming
from backbench.pictures.layouts import Layout
from backbench.schema import ConfigError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder, results = once(tmp_path_factory, "pages", swept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", results)
        yield folder


@pytest.fixture(scope="module")
def offer(place):
    (plan,) = choices.plans()
    return choices.offer(plan)


@pytest.fixture(scope="module")
def run(offer):
    """The run that is recommended for classes."""
    return opened.open_run(offer.choices[0].run)


def faked(truth, predictions, probabilities, split=None):
    """An open run with these classes (n,), predictions (n,) and probabilities (n, classes)."""
    truth, predictions = np.array(truth), np.array(predictions)
    arrays = {"predictions": predictions, "probabilities": np.array(probabilities)}
    source = types.SimpleNamespace(
        names=["a", "b"],
        truth=truth,
        predictions=predictions,
        split=np.full(len(truth), TEST) if split is None else np.array(split),
        array=lambda kind, name, mmap=False: arrays.get(name),
    )
    return Opened(source)


class TestRuns:
    def test_recommended_runs_come_first_and_the_rest_by_their_metrics(self, offer):
        assert len(offer.choices) == 4
        assert "classification" in offer.choices[0].recommended
        rest = [choice.metrics["accuracy"] for choice in offer.choices if not choice.recommended]
        assert rest == sorted(rest, reverse=True)
        assert set(offer.choices[0].metrics) == {"accuracy", "ami", "precision_at_10"}

    def test_a_run_that_is_asked_for_is_found_by_its_first_digits(self, offer):
        assert [plan.sweep for plan in choices.plans(offer.choices[2].run[:8])] == [offer.sweep]
        with pytest.raises(ConfigError, match="no run with this config hash"):
            choices.plans("ffffffffffff")

    def test_nothing_is_offered_where_there_is_nothing(self, own_results):
        with pytest.raises(ConfigError, match="run `backbench sweep` first"):
            choices.plans()

    def test_other_features_of_the_same_collection_are_for_the_second_map(self, offer):
        (other,) = choices.alike(offer.choices[0].run, offer)
        assert other.space != offer.choices[0].space

    def test_the_title_says_collection_size_and_hash(self, offer):
        (plan,) = choices.plans()
        assert choices.title(plan) == f"photos: 4 runs, sweep {offer.sweep[:12]}"

    def test_commands_name_the_run(self, run):
        lines = opened.commands(run).values()
        assert all(f" {run.run[:12]}" in line for line in lines)
        assert {line.split()[1] for line in lines} >= {"predict", "search", "organise", "export"}


class TestImages:
    def test_an_image_of_the_collection_has_its_stored_results(self, run):
        for row in np.flatnonzero(run.source.split == TEST)[:4].tolist():
            data = (Path(run.known.path(row))).read_bytes()
            uploaded, stored = trying.upload("any name.png", data, run), trying.stored(row, run)
            assert uploaded.prediction.known == stored.prediction.known == row
            assert stored.prediction.label == run.source.names[int(run.predictions[row])]
            assert stored.prediction.cluster == int(run.labels[row])
            assert [each.row for each in uploaded.prediction.neighbours] == [
                each.row for each in stored.prediction.neighbours
            ]
            assert row not in [each.row for each in stored.prediction.neighbours]
            assert uploaded.picture is not None
            note = trying.notes(stored.prediction, run, {})[0]
            assert note.startswith(f"Image {run.names[row]} of the collection, in the test split")

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "empty file"),
            (b"<script>alert(1)</script>", "no image of a known format"),
            (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, ""),
            (b"0" * ((trying.MEGABYTES << 20) + 1), "at most 32 MB"),
        ],
    )
    def test_what_is_no_image_gets_a_reason(self, run, data, reason):
        tried = trying.upload("x.png", data, run)
        assert tried.prediction.reason and reason in tried.prediction.reason
        assert tried.picture is None

    def test_scores_are_the_best_classes_with_the_predicted_one_first(self, run):
        prediction = trying.stored(0, run).prediction
        scores = trying.scores(prediction)
        assert scores[0].label == prediction.label
        assert [score.value for score in scores[1:]] == sorted((score.value for score in scores[1:]), reverse=True)
        assert all(0 <= score.share <= 1 for score in scores)
        decisions = dataclasses.replace(prediction, scores={"a": -2.0, "b": 3.0, "c": 0.5}, kind="decision", label="b")
        assert [score.share for score in trying.scores(decisions)] == [1.0, 0.5, 0.0]

    def test_more_files_than_allowed_are_said(self):
        assert trying.checked(range(20)) == ""
        assert trying.checked(range(21)) == "21 images; the first 20 are read."

    def test_what_a_point_says(self, run, place):
        row = int(np.flatnonzero(run.source.split == TRAIN)[0])
        answer = serving.describe(run, row)
        assert answer["name"] == run.names[row]
        assert answer["line"].endswith(opened.cluster_title(int(run.labels[row]), run.cluster_names()))


class TestBrowsing:
    def test_clusters_by_size_and_noise_last(self):
        listed = browsing.clusters(np.array([-1, -1, -1, -1, 2, 0, 0, -2]))
        assert listed.numbers == [0, 2, -1]
        assert listed.sizes == {0: 2, 2: 1, -1: 4}

    def test_members_are_all_images_of_the_cluster_nearest_to_its_mean_first(self, run):
        cluster = int(run.labels[0])
        rows = np.flatnonzero(run.labels == cluster)
        x = np.asarray(run.source.matrix("clustering"), np.float64)
        lengths = np.linalg.norm(x - x[rows].mean(axis=0), axis=1)
        listed = [each.row for each in browsing.members(run, cluster)]
        assert sorted(listed) == rows.tolist()
        assert (np.diff(lengths[listed]) >= -1e-4).all()
        unsure = [each.row for each in browsing.members(run, cluster, browsing.UNSURE)]
        assert sorted(unsure) == rows.tolist() and unsure != listed
        assert [each.row for each in browsing.members(run, cluster, browsing.PLACE)] == rows.tolist()

    def test_cells_hold_the_images_that_the_matrix_counts(self, run):
        test = run.source.split == TEST
        matrix = browsing.confusion(run)
        classes = range(len(run.source.names))
        assert (matrix == confusion_matrix(run.source.truth[test], run.predictions[test], labels=classes)).all()
        sizes = [[len(browsing.cell(run, true, predicted)) for predicted in classes] for true in classes]
        assert (matrix == sizes).all()

    def test_mistakes_begin_with_the_surest(self):
        shares = [[0.4, 0.6], [0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]
        listed = browsing.mistakes(faked([0, 0, 0, 1], [1, 1, 0, 1], shares))
        assert [(each.row, each.note) for each in listed] == [(1, "taken for b, 90%"), (0, "taken for b, 60%")]

    def test_training_images_are_no_mistakes(self):
        assert browsing.mistakes(faked([0, 0], [-2, 1], [[0, 0], [0.2, 0.8]], [TRAIN, TEST]))[0].row == 1

    def test_a_label_is_likely_wrong_where_another_class_is_as_probable_as_for_its_own_images(self):
        """The usual probability of b among its images is 0.7: 0.9 is beyond it, 0.6 is not."""
        shares = [[0.1, 0.9], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]
        listed = browsing.mislabelled(faked([0, 0, 0, 1, 1], [1, 1, 0, 1, 1], shares))
        assert [(each.row, each.note) for each in listed] == [(0, "this class 10%, b 90%")]

    def test_faults_of_an_audit_name_rows(self):
        report = {"across_parts": [{"image": {"row": 3}, "twin": {"row": 5}}], "flat": [{"row": 2}], "tiny": None}
        listed = browsing.faults({**report, "duplicates": [{"images": [{"row": 0}, {"row": 1}]}]})
        rows = {kind: [[each.row for each in group] for group in groups] for kind, groups in listed.items()}
        assert rows == {"across_parts": [[3, 5]], "duplicates": [[0, 1]], "flat": [[2]]}

    def test_the_audit_of_the_collection_is_found(self, run):
        audit = findings.of_run(run.source)
        assert audit is not None and audit.verdict
        copies = next(check for check in audit.checks if check.key == "duplicates")
        assert copies.wrong
        assert sorted(run.names[each.row] for each in copies.images) == ["4.png", "8.png"]


class TestMaps:
    def test_colours_by_class_cluster_error_and_split(self, run):
        rows = np.arange(run.count)[::-1]
        assert maps.ways(run) == [maps.CLASS, maps.CLUSTER, maps.RIGHT, maps.SPLIT]
        assert maps.colouring(run, maps.CLASS, rows, {}).codes.tolist() == run.source.truth[::-1].tolist()
        named = maps.colouring(run, maps.CLUSTER, rows, {0: "boots"})
        assert named.names[0] == "cluster 0: boots"
        codes = maps.colouring(run, maps.RIGHT, rows, {}).codes[::-1]
        assert (codes[run.source.split == TRAIN] == -2).all()
        test = run.source.split == TEST
        assert codes[test].tolist() == (run.predictions[test] == run.source.truth[test]).astype(int).tolist()

    def test_every_point_is_in_the_figure_with_its_image(self, run):
        points = maps.layout(run, "pca")
        figure = maps.figure(points, maps.colouring(run, maps.CLASS, points.rows, {}), [0, 1])
        rows = np.concatenate([trace["customdata"] for trace in figure["data"]])
        assert sorted(rows.tolist()) == list(range(run.count))
        for trace in figure["data"]:
            assert (trace["x"] == points.positions[trace["customdata"], 0]).all()
            assert trace["customdata"][trace["selectedpoints"]].tolist() == [
                row for row in trace["customdata"].tolist() if row in (0, 1)
            ]
        assert not any("<" in trace["name"] for trace in figure["data"])

    def test_many_groups_are_one_layer(self):
        points = Layout(np.arange(80), np.zeros((80, 2), np.float32), {})
        figure = maps.figure(points, maps.Colouring(np.arange(80), {}))
        assert len(figure["data"]) == 1 and len(figure["data"][0]["marker"]["color"]) == 80

    def test_chosen_points_are_images(self):
        points = [{"customdata": 4}, {"customdata": [2]}, {"customdata": 4}, {"x": 1}]
        assert maps.chosen({"selection": {"points": points}}) == [4, 2]
        assert maps.chosen(None) == []

    def test_a_cell_is_its_true_and_its_predicted_class(self):
        assert charts.cell({"selection": {"points": [{"x": 2, "y": 1}]}}) == (1, 2)
        assert charts.cell({"selection": {"points": []}}) is None

    def test_class_names_are_no_markup_in_the_matrix(self):
        figure = charts.confusion(np.eye(4, dtype=int), HOSTILE)
        texts = [*figure["data"][1]["hovertext"], *figure["layout"]["xaxis"]["ticktext"]]
        assert not any("<" in text.replace("<br>", "") for text in texts)


class TestCommand:
    def test_without_the_extra_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr(command, "NEEDS", ("streamlit", "no_such_library"))
        with pytest.raises(ConfigError, match=r"needs no_such_library, .*pip install 'backbench\[app\]'"):
            command._check_installed()

    def test_nothing_is_served_beyond_this_machine_and_nothing_reported(self):
        words = command.command(8501)
        flags = {"--server.address=127.0.0.1", "--browser.gatherUsageStats=false", "--server.maxUploadSize=32"}
        assert flags <= set(words)

    def test_a_port_in_use_is_refused_or_passed_over(self):
        import socket

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            assert ports.free("127.0.0.1", port) > port
            with pytest.raises(ConfigError, match=f"{port}; the port is already in use.*type that [0-9]+"):
                ports.check("127.0.0.1", port, lambda free: f"type that {free}")


def test_names_of_clusters_are_kept(run):
    naming.save_names(run.run, {1: "boots"})
    assert run.cluster_names()[1] == "boots"
    naming.save_names(run.run, {1: ""})
    assert 1 not in run.cluster_names()
