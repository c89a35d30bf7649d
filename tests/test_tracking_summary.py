"""What the summary run of a sweep says: its note, curves over k, the grid, pictures and the data set."""

import dataclasses
import json
import re

import pytest
import sweeping

from backbench import paths, tracking
from backbench.engine.results import ledger
from backbench.evaluate import answer, candidates
from backbench.pictures import drawing
from backbench.store import Store
from backbench.tracking import note, rows, sweeps, views

CLASSES = ("red", "green", "blue")
GRID = ("experiment=none", "backbone=pixels", "chain=none,pca50", "chain.steps.s1.n_components=5", "k=2..4")
FITS = ("clusterer=kmeans,agglomerative", "clusterer.n_init=1", "classifier=knn,svm", "seeds=0,1")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results folder and the plan of a joined sweep."""
    folder = tmp_path_factory.mktemp("summed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        images = sweeping.collection(folder / "pictures", CLASSES, each=15)
        plan = sweeping.computed(*images, *GRID, *FITS)
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
        sweeping.answer_of(plan).write()
        return folder / "results", plan


@pytest.fixture
def sweep(made, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(made[0]))
    return made[1], sweeping.rows_of(made[1])


def test_the_note_has_the_answer_for_each_head(sweep):
    plan, found = sweep
    text = note.note(sweeping.answer_of(plan, found), "pictures")
    best = max(row.metrics["val_accuracy"] for row in found)
    assert f"Chosen by its validation accuracy, {100 * best:.0f} %" in text
    runs = re.findall(r"`backbench (?:predict|organise|search|export) ([0-9a-f]{12})", text)
    assert len(runs) == 3 and set(runs) <= {row.config_hash[:12] for row in found}
    assert "### Run it again" in text
    assert len(text) <= rows.TAG_CHARACTERS, "MLflow shows no more of a tag"


def test_curves_over_k_are_means_over_seeds(sweep):
    _, found = sweep
    curves = sweeps.over_k(candidates.representations(found))
    name = next(name for name in curves if name.startswith("silhouette/kmeans on pixels_ pca5"))
    own = {
        (row.params["k"], row.params["seed"]): row.metrics["silhouette"]
        for row in found
        if (row.params["chain"], row.params["clusterer.name"]) == ("pca5", "kmeans")
    }
    assert list(curves[name]) == [2, 3, 4]
    assert curves[name][3] == pytest.approx((own[3, 0] + own[3, 1]) / 2)
    assert all(re.fullmatch(r"[\w\-. :/]+", key, re.ASCII) for key in curves)


def test_the_grid_is_told_as_what_is_shared_and_what_differs(sweep):
    told = sweeps.grid(sweep[1])
    assert told["axes"]["k"] == [2, 3, 4] and set(told["axes"]["clusterer.name"]) == {"kmeans", "agglomerative"}
    assert told["constant"]["backbone.name"] == "pixels"
    assert "seed" in told["axes"], "Ward has no seed, so it is no constant"


def test_a_run_takes_as_long_as_its_fits(sweep):
    (first, *_) = sweeps.run_rows(sweep[1])
    row = next(row for row in sweep[1] if row.config_hash == first.config_hash)
    seconds = sum(head["provenance"]["seconds"] for head in row.heads.values())
    assert (first.end_ms - first.start_ms) / 1000 == pytest.approx(seconds, abs=0.002)


def test_the_summary_starts_after_the_last_fit_in_the_experiment_of_the_collection(sweep):
    plan, rows_made = sweep
    summary = sweeps.summary(sweeping.answer_of(plan, rows_made), rows_made[0].collection, "")
    assert summary.start_ms == summary.end_ms == 1 + max(row.end_ms for row in sweeps.run_rows(rows_made))
    assert summary.tags[rows.VIEW] == views.BY_AMI.key
    place = sweeps.experiment_of(rows_made, summary.curves)
    assert (place.name, place.former) == ("pictures", "folder")
    assert {views.BY_AMI.tag, views.BY_VALIDATION.tag, views.BY_PRECISION.tag} < set(place.views)


def test_no_two_runs_of_a_sweep_have_one_name(sweep):
    names = [row.name for row in sweeps.run_rows(sweep[1])]
    assert len(set(names)) == len(names) and "kmeans k=2 n_init=1 · knn · seed=1 · pixels" in names


def test_data_sets_are_told_apart_by_sample_and_split(sweep):
    data = [row.data for row in sweeps.run_rows(sweep[1])]
    assert {one.digest for one in data} == {sweep[1][0].stages["dataset"][:12]}
    assert data[0].profile["images"] == 45 and data[0].profile["classes"] == 3


def test_pictures_of_runs_and_of_the_sweep_are_attached(sweep):
    plan, found = sweep
    drawing.draw_sweep(plan_with_pictures(plan), 1, lambda done, total: None)
    drawn = [row for row in sweeps.run_rows(sweeping.rows_of(plan)) if row.files]
    assert drawn and {file.folder for row in drawn for file in row.files} == {"pictures"}
    summary = sweeps.summary(sweeping.answer_of(plan, found), "pictures", "")
    names = {file.path.name for file in summary.files if file.folder == "pictures"}
    assert any(name.startswith("metric_by_k") for name in names)
    assert {"request.json", "experiment-pictures.json", answer.FILE} <= {file.path.name for file in summary.files}
    assert json.loads((plan.folder / "experiment-pictures.json").read_text())["axes"]["k"] == [2, 3, 4]


def plan_with_pictures(plan):
    """The same sweep, asked to end with pictures."""
    return dataclasses.replace(plan, request={**plan.request, "plots": "best"})


def test_all_of_it_is_recorded_once(sweep):
    plan, found = sweep
    uri = f"sqlite:///{paths.results()}/mlflow.db"
    first = sweeps.record(sweeping.answer_of(plan, found), uri)
    again = sweeps.record(sweeping.answer_of(plan, found), uri)
    assert (first.created, again.created, again.updated) == (len(found) + 1, 0, 0)
    assert len(tracking.hashes(uri)) == len(found)
