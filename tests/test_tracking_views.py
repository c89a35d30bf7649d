"""The experiments of MLflow: their saved views, the names of runs, the summary's place, and databases of before."""

import contextlib
import json
import re
import sqlite3
import urllib.parse

import pytest
import test_tracking
from test_tracking import OTHER_SWEEP, SWEEP, counts, make_row, make_rows, query, sqlite_uri

from backbench import hashing, tracking
from backbench.metrics import catalogue
from backbench.tracking import pages, views

folder, migrated = test_tracking.folder, test_tracking.migrated

# A view that was saved in MLflow 3.17's own page.
SAVED = (
    '{"name":"mine","createdAt":1796005650346,"updatedAt":1796005650346,"state":"deflate;eJxdUdFOAkEM/BWzz8TgK28HghIPT'
    "UDRxBhYdwvXZG+XbLsKEv7d7p0C+thpZzqd7hWBjqYaoWOIqqdUR4VoIfZ3d7CTWjNHfE8MdEmsIy8YazgNFWRUb6UdQUc1/cfc7qmiLGXI4QrMzj"
    "g4yheG8SPzrWZNwPTbeX3rqDpYcHOIhMGfGM5dTJMn4RA4MAx2EFyqBem9nttbzkKKBpYyeI5Osij9R6/b9Usla00j95APan20wDNarmTJ/tBRUQzc"
    "orXgs5y4Go2ns8fFVXcxfbqfifYHwudEb7HGL7DHRIRWInHLPKJIhTGSn1w5hSbHM0oiuIkhbcDOtUtAYz+oJFbxwTFJv0ILw3rDu7/wOnP68jCfnP"
    'spabjdaG+zeL5h7cK7diV6aKiD4Fe4lpbaFluk9tvEsGn+5mFWh8CVB5Id3VP2L3l4ApKkaSnqcPgGBFnPCA=="}'
)
LABELLED = ("ami", "silhouette", "accuracy", "val_accuracy", "precision_at_10")
BEFORE, NOW = tracking.Experiment("folder"), tracking.Experiment("photos", former="folder")
SUMMARY = tracking.Summary("sweep abc", {"runs": 2}, 1_700_000_009_001, 1_700_000_009_001)


def record(folder, run_rows, experiment=NOW, sweep=SWEEP, **more) -> tracking.TrackReport:
    return tracking.track(run_rows, experiment, sqlite_uri(folder), sweep, folder / "mlartifacts", **more)


def with_views(*measured: str, curves: tuple[str, ...] = ()) -> tracking.Experiment:
    return tracking.Experiment("photos", views.tags(views.of_metrics(measured, curves)))


def experiment_tags(folder, name: str = "photos") -> dict[str, str]:
    text = "SELECT key, value FROM experiment_tags JOIN experiments USING (experiment_id) WHERE name = ?"
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return dict(connection.execute(text, [name]))


def active(folder) -> dict[str, list[str]]:
    """Names of the active runs by experiment, the one that MLflow lists first before the others."""
    lines = query(
        folder,
        "SELECT experiments.name, runs.name FROM runs JOIN experiments USING (experiment_id) "
        "WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active' "
        "ORDER BY runs.start_time DESC, runs.run_uuid",
    )
    return {name: [run for place, run in lines if place == name] for name, _ in lines}


def test_a_view_is_written_as_mlflow_writes_it():
    state = views.state(SAVED)
    assert state["selectedColumns"] == ["attributes.`Source`", "attributes.`Models`", "attributes.`Dataset`"]
    again = json.loads(views.envelope("mine", 1796005650346, state))
    assert list(again) == list(json.loads(SAVED)) and views.state(json.dumps(again)) == state
    for view in views.ALL:
        ours = views.state(views.tags([view])[view.tag])
        assert not set(state) - set(ours), "every field that MLflow's page writes"
        assert not set(ours) - set(state) - {"compareRunCharts", "compareRunSections"}, "and no other"


@pytest.mark.parametrize(
    ("measured", "curves", "expected"),
    [
        (LABELLED, ["ami/a", "bic/a"], ["clusterings-by-ami", "classifiers-by-accuracy", "retrieval", "k-curves"]),
        (["silhouette", "clusters"], ["silhouette/a"], ["clusterings-by-silhouette", "k-curves-unlabelled"]),
        (["accuracy", "macro_f1"], [], ["classifiers-by-test-accuracy"]),
        (["seconds_features"], [], []),
    ],
)
def test_the_views_are_of_what_was_measured(measured, curves, expected):
    assert [view.key for view in views.of_metrics(measured, curves)] == expected


def test_a_view_shows_and_sorts_by_its_metric():
    state = views.state(views.tags([views.BY_AMI])[views.BY_AMI.tag])
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`ami`", False)
    metrics = [name.split("`")[1] for name in state["selectedColumns"] if name.startswith("metrics.")]
    assert metrics == ["ami", "ari", "cluster_accuracy", "clusters", "noise_fraction", "silhouette"]
    params = [name.split("`")[1] for name in state["selectedColumns"] if name.startswith("params.")]
    assert params == ["clusterer.name", "k", "clustering.chain", "backbone.name"]
    (scatter,) = (chart for chart in state["compareRunCharts"] if chart["type"] == "SCATTER")
    assert (scatter["xaxis"]["key"], scatter["yaxis"]["key"]) == ("k", "ami")


@pytest.mark.parametrize("view", [view for view in views.ALL if view.rank], ids=lambda view: view.key)
def test_the_best_run_comes_first_in_a_view(view):
    state = views.state(views.tags([view])[view.tag])
    assert state["orderByAsc"] == (catalogue.metric(view.rank).best is min)
    assert state["orderByKey"] in state["selectedColumns"] and set(state["selectedColumns"]) < set(state["columnOrder"])


def test_views_are_listed_in_their_order_and_have_names_of_their_own():
    made = [json.loads(text) for text in views.tags(views.ALL).values()]
    assert sorted(made, key=lambda one: -one["createdAt"]) == made, "MLflow lists the newest first"
    assert len({one["name"].lower() for one in made}) == len(made)


def test_a_text_that_is_no_view_is_refused_and_written_anew():
    for text in ("", "{}", "[]", '{"state": "deflate;AAAA"}', '{"state": 3}'):
        with pytest.raises(ValueError):
            views.state(text)
        wanted = views.tags([views.BY_AMI])
        assert views.changed({views.BY_AMI.tag: text, views.KIND: "x"}, wanted) == wanted


def test_the_views_are_written_once_and_the_experiment_is_model_training(folder):
    labelled = with_views(*LABELLED)
    assert counts(record(folder, make_rows(2), labelled)) == (2, 0, 0)
    assert experiment_tags(folder) == {views.KIND: views.MODEL_TRAINING, **labelled.views}
    stamp = (folder / "mlflow.db").stat().st_mtime_ns
    assert counts(record(folder, make_rows(2), labelled)) == (0, 0, 2)
    assert (folder / "mlflow.db").stat().st_mtime_ns == stamp


def test_sweeps_share_the_views_and_keep_those_of_others(folder):
    record(folder, make_rows(2), with_views(*LABELLED))
    record(folder, make_rows(2), with_views("silhouette"), sweep=OTHER_SWEEP)
    both = experiment_tags(folder)
    assert {views.BY_AMI.tag, views.BY_SILHOUETTE.tag, views.BY_VALIDATION.tag} < set(both)
    record(folder, make_rows(2), with_views(*LABELLED))
    assert experiment_tags(folder) == both


def test_an_experiment_of_before_gets_its_views_and_keeps_what_the_user_set(folder):
    record(folder, make_rows(2), tracking.Experiment("photos"))
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiment_tags SET value = 'genai_development' WHERE key = ?", [views.KIND])
        (place,) = connection.execute("SELECT experiment_id FROM experiments WHERE name = 'photos'").fetchone()
        connection.execute(
            "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?)", [place, f"{views.TAG}1", SAVED]
        )
    assert counts(record(folder, make_rows(2), with_views("ami"))) == (0, 0, 2)
    tags = experiment_tags(folder)
    assert tags[views.KIND] == "genai_development" and tags[f"{views.TAG}1"] == SAVED
    assert views.state(tags[views.BY_AMI.tag])["orderByKey"] == "metrics.`ami`"


def test_runs_of_before_move_to_the_experiment_of_their_collection(folder):
    record(folder, make_rows(2), BEFORE, summary=SUMMARY)
    record(folder, [make_row(3)], BEFORE, sweep=OTHER_SWEEP)
    assert counts(record(folder, make_rows(2), summary=SUMMARY)) == (3, 0, 0)
    assert [len(names) for names in active(folder).values()] == [3, 1], "the other sweep's run is not touched"
    assert counts(record(folder, make_rows(2), summary=SUMMARY)) == (0, 0, 3)
    assert record(folder, [make_row(3)], sweep=OTHER_SWEEP).created == 1
    assert list(active(folder)) == ["photos"] and len(tracking.hashes(sqlite_uri(folder))) == 3
    stages = dict(query(folder, "SELECT name, lifecycle_stage FROM experiments"))
    assert stages["folder"] == "deleted"


def test_killed_while_it_moves_runs_nothing_is_there_twice(folder):
    """Recorded here and not yet deleted there: the next call sees it."""
    record(folder, make_rows(2), BEFORE)
    record(folder, make_rows(2), tracking.Experiment("photos"))
    assert counts(record(folder, make_rows(2))) == (0, 0, 2)
    assert [len(names) for names in active(folder).values()] == [2]


def test_two_collections_of_one_name_share_an_experiment_and_keep_their_runs(folder):
    record(folder, make_rows(2), summary=SUMMARY)
    record(folder, [make_row(8), make_row(9)], sweep=OTHER_SWEEP, summary=SUMMARY)
    assert len(active(folder)["photos"]) == 6 and len(tracking.hashes(sqlite_uri(folder))) == 4


def test_the_summary_is_the_first_run_also_after_new_fits(folder):
    late = tracking.Summary("sweep abc", {"runs": 2}, 1_700_000_020_001, 1_700_000_020_001)
    record(folder, make_rows(2), summary=SUMMARY)
    assert active(folder)["photos"][0] == "sweep abc"
    slow = [make_row(1), make_row(2), make_row(3, start_ms=1_700_000_019_000, end_ms=1_700_000_020_000)]
    assert counts(record(folder, slow, summary=late)) == (1, 1, 2)
    assert active(folder)["photos"][0] == "sweep abc" and len(active(folder)["photos"]) == 4
    assert counts(record(folder, slow, summary=late)) == (0, 0, 4)


def test_the_ui_opens_on_the_view_of_the_newest_sweep(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    assert pages.front(sqlite_uri(folder), "http://here:1") == "http://here:1"
    for at, (sweep, view) in enumerate([(SWEEP, "retrieval"), (OTHER_SWEEP, "k-curves")]):
        tags = {"backbench.view": view}
        record(folder, make_rows(1), sweep=sweep, summary=tracking.Summary("s", {}, 9 - at, 9 - at, tags=tags))
    address = pages.front(sqlite_uri(folder), "http://here:1")
    path, _, text = address.partition("?")
    assert re.fullmatch(r"http://here:1/#/experiments/\d+/runs", path)
    asked = {"viewStateShareKey": "retrieval", "compareRunsMode": "TABLE", "workflowType": "machine_learning"}
    assert dict(urllib.parse.parse_qsl(text)) == asked, "the sweep with the last fit, where no plan is left"
    assert pages.front("postgresql://there/db", "http://here:1") == "http://here:1"


def test_the_link_of_a_view_of_charts_opens_the_charts():
    assert "compareRunsMode=CHART" in views.link("http://here", "1", "k-curves")
    assert hashing.short(SWEEP) not in views.link("http://here", "1", "")
