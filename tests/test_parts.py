"""Images without a validation or a test part: what classifiers are chosen by then, and where it is said."""

import importlib
import io
import json
import math
import re
import shutil

import pytest
from PIL import Image
from sharing import once
from sweeping import answer_of, collection, computed, rows_of

from backbench import cli, paths, planning
from backbench.cli import leaderboard
from backbench.engine.results import ledger
from backbench.evaluate import answer, blocks, candidates, comparison, leaderboard_specs, leaderboards
from backbench.pictures import choice
from backbench.pictures.kinds import composition, dendrogram, elbow, silhouette
from backbench.pictures.overview import heatmap, leaderboard_intervals, metric_by_k, pareto
from backbench.pictures.source import Source, Sweep
from backbench.reports import sweep
from backbench.store import Store
from backbench.tracking import note, sweeps

CLASSES = ("ant", "bee", "cat")
GRID = ("experiment=none", "backbone=pixels", "clusterer=agglomerative", "k=1,2,3", "retrieval=none")
CLASSIFIERS = "classifier=knn,nearest_centroid,logistic_regression"
FLATTERED = "There is no validation split: ranked on the test images, which flatters the best row."
KEPT = {
    "no_validation": ("dataset.split.validation=0", "dataset.split.test=0.4", "clustering.scope=per_split"),
    "no_test": ("dataset.split.test=0", "dataset.split.validation=0.4", "clustering.scope=per_split"),
    "both": (),
}


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def of(tmp_path, tmp_path_factory):
    """The rows of a sweep over three noisy classes, by what its images lack; computed once in a test run."""

    def rows(kept):
        def make(folder):
            with pytest.MonkeyPatch().context() as patch:
                patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
                plan = computed(*GRID, CLASSIFIERS, *collection(folder / "photos", CLASSES, each=20), *KEPT[kept])
                ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
            return str(folder / "results")

        shutil.copytree(once(tmp_path_factory, f"parts-{kept}", make)[1], tmp_path / "results")
        return rows_of(ledger.saved_plans()[-1])

    return rows


def classifiers(rows):
    return next(
        one for one in leaderboards.leaderboards(rows, Store(paths.store())) if one.spec.head == "classification"
    )


def best_on_test(rows):
    return max(row.metrics["accuracy"] for row in rows)


# Leaderboards


def test_without_a_validation_part_classifiers_are_ranked_on_test(of):
    rows = of("no_validation")
    assert all(math.isnan(row.metrics["val_accuracy"]) for row in rows)
    table = classifiers(rows)
    assert (table.spec.rank, "val_accuracy" in table.spec.metrics) == ("accuracy", False)
    assert table.entries[0].row.metrics["accuracy"] == best_on_test(rows) and len(table.entries) == 3
    said = leaderboards.words(table)
    assert "over the 24 test images" in said and said.endswith(FLATTERED)
    assert table.entries[0].values["accuracy"].over == "images"


def test_without_a_test_part_the_board_says_so(of):
    rows = of("no_test")
    table = classifiers(rows)
    assert (table.spec.rank, table.spec.metrics) == ("val_accuracy", ("val_accuracy",))
    assert "There is no test split" in leaderboards.words(table) and "24 validation images" in leaderboards.words(table)


def test_with_all_parts_nothing_is_said(of):
    table = classifiers(of("both"))
    assert (table.spec, table.spec.caveat) == (leaderboard_specs.CLASSIFIERS, "")
    assert "there is no" not in f"{table.title} {leaderboards.words(table)}".lower()


def test_a_terminal_and_json_say_what_ranks(of, capsys):
    target = io.StringIO()
    leaderboard.show(answer.by_dataset(of("no_validation"), Store(paths.store())), 5, target)
    assert "Classifiers, ranked on the test images (no validation split): 3 of 3" in target.getvalue()
    assert FLATTERED in target.getvalue() and "validation  " not in target.getvalue()
    assert cli.main(["leaderboard", "--format", "json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["board"], first["ranked_by"], first["rank"]) == ("classification", "accuracy", 1)


# What else chooses


def test_the_value_that_chooses():
    assert leaderboard_specs.choosing({"val_accuracy": 0.5, "accuracy": 0.9}) == 0.5
    assert leaderboard_specs.choosing({"val_accuracy": math.nan, "accuracy": 0.9}) == 0.9
    assert math.isnan(leaderboard_specs.choosing({"ami": 0.3}))


def test_the_best_classifier_on_test_is_drawn_first(of):
    rows = of("no_validation")
    first, *_ = choice.picks(rows, choice.BEST)
    assert first.row.metrics["accuracy"] == best_on_test(rows)
    (drawn,) = (pick for pick in choice.picks(rows, choice.BEST) if "clustering" in pick.subjects)
    assert drawn.row.metrics["ami"] == max(row.metrics["ami"] for row in rows)


def test_pictures_say_what_chose(of):
    for kept, said in (("no_validation", "without a validation split it is"), ("both", "not by what is shown")):
        shutil.rmtree(paths.results(), ignore_errors=True)
        rows = of(kept)
        found = Sweep(rows[0].plan, rows, Store(paths.store()))
        assert said in heatmap.draw(found).caption
        assert (pareto._chooser(found, "classification") == "accuracy") == (kept == "no_validation")
        table, _ = leaderboards.leaderboards(rows, found.store)
        assert leaderboard_intervals.listing_of(table).metric == table.spec.rank
        assert (FLATTERED in leaderboard_intervals.draw(found).caption) == (kept == "no_validation")


def test_methods_are_picked_on_test(of, monkeypatch):
    rows = of("no_validation")
    monkeypatch.setattr(blocks, "MOST_METHODS", 1)
    (kept,) = blocks.classifiers(rows).methods
    best = next(row for row in rows if row.metrics["accuracy"] == best_on_test(rows))
    assert kept == best.params["classifier.name"]


def test_the_note_in_mlflow_and_its_table(of):
    rows = of("no_validation")
    plan = rows[0].plan
    name = rows[0].collection
    assert FLATTERED in note.note(answer_of(plan, rows), name)
    (summary,) = (sweeps.summary(answer_of(plan, rows), name, ""),)
    assert summary.metrics["best_accuracy"] == best_on_test(rows) and "best_val_accuracy" not in summary.metrics


def test_the_page_says_it_beside_the_answer_and_among_the_checks(of):
    rows = of("no_validation")
    page = re.sub(r"\s+", " ", sweep.render(answer_of(rows[0].plan, rows)))
    assert page.count(FLATTERED) >= 3, "the answer, the leaderboard and a check"
    assert f"{100 * best_on_test(rows):.0f} % of test images right" in page and "Validation images" in page


@pytest.mark.parametrize("kind", ["composition", "contingency", "pies", "cluster_samples", "dendrogram"])
def test_clusters_of_test_images_that_are_not_there_have_no_picture(of, kind):
    rows = of("no_test")
    found = importlib.import_module(f"backbench.pictures.kinds.{kind}")
    assert found.lacks(Source(rows[0], Store(paths.store()))) == "there are no test images"


def test_no_curve_is_drawn_where_no_metric_is_defined(of):
    rows = of("no_test")
    found = Sweep(rows[0].plan, rows, Store(paths.store()))
    assert metric_by_k.lacks(found) == "none of their metrics is defined: there are no test rows"


# Parts that are clustered apart


def test_show_lists_the_metrics_of_each_split(of, capsys):
    row = next(row for row in of("both") if row.params["k"] == 2)
    assert cli.main(["show", row.config_hash]) == 0
    assert "metrics of each split" not in capsys.readouterr().out
    shutil.rmtree(paths.results())
    row = next(row for row in of("no_test") if row.params["k"] == 2)
    assert cli.main(["show", row.config_hash]) == 0
    shown = capsys.readouterr().out
    assert "metrics of each split" in shown and re.search(r"train \(36\) +validation \(24\) *\n", shown)
    assert cli.main(["show", "--format", "json", row.config_hash]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["parts"]) == ["train", "validation"] and 0 < found["parts"]["train"]["silhouette"] < 1
    assert found["metrics"]["silhouette"] is None and found["undefined"]["silhouette"] == "there are no test rows"
    assert re.search(rf"silhouette +{found['parts']['train']['silhouette']:.4f} +", shown)


def test_a_part_without_images_is_not_clustered(of):
    """Nor does it make a k too large; a part with fewer images than clusters does."""
    row = next(row for row in of("no_validation") if row.params["k"] == 3)
    record = row.heads["clustering"]
    assert set(record["info"]["parts"]) == {"train", "test"}
    assert record["metrics"]["silhouette"] == record["info"]["parts"]["test"]["silhouette"]


def test_more_clusters_than_the_smallest_part_has_images_are_refused(tmp_path):
    from backbench.schema import ConfigError

    for number in range(20):
        path = tmp_path / "few" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10 * number, 0, 0)).save(path)
    asked = (
        *GRID[:3],
        "classifier=none",
        "retrieval=none",
        "k=5",
        "dataset=folder",
        f"dataset.root={tmp_path / 'few'}",
    )
    with pytest.raises(ConfigError, match="k = 5 clusters of 4 rows"):
        planning.make([*asked, "clustering.scope=per_split"])


# A single cluster


def test_one_cluster_has_no_silhouette_and_an_inertia(of):
    rows = of("both")
    one = next(row for row in rows if row.params["k"] == 1)
    for name in ("silhouette", "davies_bouldin", "calinski_harabasz"):
        assert math.isnan(one.metrics[name]) and one.notes[name] == "there is one cluster only"
    found = Source(one, Store(paths.store()))
    assert silhouette.lacks(found) == "there is no silhouette: there is one cluster only"
    assert all(kind.lacks(found) is None for kind in (composition, dendrogram, elbow))
    curves = sweeps.over_k(candidates.representations(rows))
    assert list(curves["inertia/agglomerative on pixels"]) == [1, 2, 3]
    assert list(curves["silhouette/agglomerative on pixels"]) == [2, 3]


def test_a_comparison_says_which_of_both_lacks_the_metric(of):
    rows = of("both")
    one, two = (next(row for row in rows if row.params["k"] == k) for k in (1, 2))
    found, notes = comparison.compare([one, two], rows, Store(paths.store()), metrics=["silhouette"])
    assert found == [] and len(notes) == 1
    assert "silhouette over images: undefined for pixels agglomerative k=1: there is one cluster only" in notes[0]
