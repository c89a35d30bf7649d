"""``backbench compare``: the tests are those of scipy and statsmodels on what the runs hold, each result once."""

import json
import shutil

import numpy as np
import pytest
import sweeping
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from stored import N, Stored, mixed

from backbench import cli, paths
from backbench.evaluate import comparison, configurations, methods
from backbench.metrics import external
from backbench.pictures.source import Source
from backbench.store import Store

CLASSES = ("red", "green", "blue")
GRID = ("experiment=none", "backbone=pixels", "chain=none,pca50", "chain.steps.s1.n_components=5")
FITS = ("clusterer=kmeans,agglomerative", "clusterer.n_init=1", "k=3", "classifier=knn,random_forest,svm")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results folder and the plan of runs over six seeds, by two chains, two clusterers and three classifiers."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        images = sweeping.collection(folder / "pictures", CLASSES, each=20)
        return folder / "results", sweeping.computed(*images, *GRID, *FITS, "seeds=0..5", "retrieval=cosine")


@pytest.fixture
def rows(made, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(made[0]))
    return sweeping.rows_of(made[1])


@pytest.fixture
def own_rows(made, tmp_path, monkeypatch):
    """The same rows in a copy that a test may damage."""
    shutil.copytree(made[0], tmp_path / "results")
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    return sweeping.rows_of(made[1])


def one(rows, **wanted):
    names = {"classifier": "classifier.name", "clusterer": "clusterer.name", "chain": "chain", "seed": "seed"}
    return next(row for row in rows if all(row.params.get(names[key]) == value for key, value in wanted.items()))


def compared(rows, *chosen, **options):
    return comparison.compare(list(chosen), rows, Store(paths.store()), **options)


def call(capsys, *words):
    code = cli.main(["compare", *words])
    found = capsys.readouterr()
    return code, found.out, found.err


def short(row):
    return row.config_hash[:12]


def test_accuracies_are_compared_by_mcnemar_on_the_test_images(rows):
    a, b = (one(rows, classifier=name, chain="pca5") for name in ("knn", "random_forest"))
    (found,), notes = compared(rows, a, b, over="images", metrics=["accuracy"])
    sources = [Source(row, Store(paths.store())) for row in (a, b)]
    test = sources[0].split == 2
    right = [(source.predictions == source.truth)[test] for source in sources]
    table = [[np.sum(x & y) for y in (right[1], ~right[1])] for x in (right[0], ~right[0])]
    assert found.test.p == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert found.test.n == test.sum()
    assert found.test.difference == pytest.approx(a.metrics["accuracy"] - b.metrics["accuracy"])
    assert notes == []


def test_seeds_are_paired_and_a_fit_without_chance_stands_beside_each(rows):
    a, b = (one(rows, clusterer=name, chain="none") for name in ("kmeans", "agglomerative"))
    (found,), _ = compared(rows, a, b, over="seeds", metrics=["silhouette"])
    own = {
        row.run.stages["clustering"]: row.metrics["silhouette"]
        for row in rows
        if configurations.key(row, "clustering") == configurations.key(a, "clustering")
    }
    gaps = np.array(sorted(own.values())) - b.metrics["silhouette"]
    assert len(gaps) == found.test.n == 6
    assert found.test.p == pytest.approx(stats.wilcoxon(gaps, zero_method="zsplit", correction=False).pvalue)
    assert found.test.difference == pytest.approx(gaps.mean())


def test_runs_that_hold_the_same_result_have_nothing_to_compare(rows):
    a, b = (one(rows, classifier=name, clusterer="kmeans", chain="none", seed=0) for name in ("knn", "svm"))
    found, notes = compared(rows, a, b)
    assert {result.head for result in found} == {"classification"}
    assert [note.split(" of ")[0] for note in notes if note.endswith("the same result")] == ["clustering", "retrieval"]


def test_nothing_is_claimed_of_a_mean_over_classes_that_have_few_images(rows):
    chosen = [one(rows, classifier=name, chain="none") for name in ("knn", "svm")]
    found, notes = compared(rows, *chosen, over="images", metrics=["accuracy", "macro_f1"])
    assert {result.metric for result in found} == {"accuracy"}
    assert notes == ["macro_f1 over images: a class has fewer than 20 of the images"]


def test_silhouettes_of_different_spaces_are_not_compared(rows):
    a, b = (one(rows, clusterer="kmeans", chain=chain) for chain in ("none", "pca5"))
    assert "silhouette" not in {result.metric for result in compared(rows, a, b)[0]}
    found, notes = compared(rows, a, b, metrics=["silhouette"])
    assert found == [] and "cannot be compared" in notes[0]


def test_sampled_silhouettes_of_different_spaces_are_not_compared_either(own_results):
    rows = Stored(metrics=lambda stage: {"silhouette_sampled": 0.5}).rows(
        *("chain=none,pca50", "clusterer=kmeans", "k=3", "classifier=none", "retrieval=none")
    )
    found, notes = compared(rows, *rows, metrics=["silhouette_sampled"])
    assert len(rows) == 2 and found == [] and "cannot be compared" in notes[0]


def test_p_is_corrected_over_the_pairs_of_a_metric(rows):
    chosen = [one(rows, classifier=name, chain="none") for name in ("knn", "random_forest", "svm")]
    found, _ = compared(rows, *chosen, over="images", metrics=["accuracy"])
    assert [result.test.among for result in found] == [3] * 3
    least = min((result.test for result in found), key=lambda test: test.p)
    assert least.corrected == pytest.approx(min(1.0, 3 * least.p))


def test_each_pair_of_results_stands_once_however_many_runs_hold_it(rows):
    twice = [one(rows, classifier="knn", chain="none", clusterer=name) for name in ("kmeans", "agglomerative")]
    other = one(rows, classifier="svm", chain="none")
    found, _ = compared(rows, *twice, other, over="images", metrics=["accuracy"])
    assert len(found) == 1 and found[0].test.among == 1


def test_values_of_a_column_over_all_that_is_otherwise_equal(rows):
    (result,) = methods.compare(rows, "classifier.name")
    found = result.table
    assert set(found.methods) == {"knn", "random_forest", "svm"}
    assert len(found.blocks) == 2, "two chains; seeds are no blocks where two of the methods do not have them"
    values = {name: sorted(block[at] for block in found.values) for at, name in enumerate(found.methods)}
    chains = ("none", "pca5")
    assert values["svm"] == sorted(one(rows, classifier="svm", chain=own).metrics["accuracy"] for own in chains)
    forests = {
        row.run.stages["classification"]: row.metrics["accuracy"]
        for row in rows
        if row.params["classifier.name"] == "random_forest" and row.params["chain"] == "none"
    }
    assert len(forests) == 6 and any(np.isclose(np.mean(list(forests.values())), values["random_forest"]))
    (seeds,) = methods.compare(rows, "clusterer.name", "seeds", ["silhouette"])
    assert len(seeds.table.blocks) == 6
    assert any("Wilcoxon" in line for line in seeds.words(0.05))


def test_a_pair_of_results_is_one_block_however_many_seeds_there_are(rows):
    """k-NN has no seed: repeating its comparison for each seed of the forest would make evidence out of nothing."""
    (result,) = methods.compare(rows, "chain", metrics=["accuracy"])
    assert result.table.methods and len(result.table.blocks) == 1 + 1 + 6, "knn, svm, and a forest for each seed"


def test_over_seeds_the_values_are_those_of_the_seeds(rows):
    a, b = (one(rows, clusterer=name, chain="none") for name in ("kmeans", "agglomerative"))
    (found,), _ = compared(rows, a, b, over="seeds", metrics=["silhouette"])
    assert found.values[0] - found.values[1] == pytest.approx(found.test.difference)


def test_too_few_seeds_are_no_second_verdict(rows):
    few = [row for row in rows if row.params.get("seed") in (None, 0, 1, 2)]
    a, b = (one(few, clusterer=name, chain="none") for name in ("kmeans", "agglomerative"))
    found, notes = compared(few, a, b, metrics=["nmi"])
    assert found == [] and any("takes 6" in note for note in notes)
    assert {result.over for result in compared(few, a, b, metrics=["nmi"], over="seeds")[0]} == {"seeds"}


def test_one_fit_of_each_is_not_compared_over_images(rows):
    a, b = (one(rows, clusterer=name, chain="none") for name in ("kmeans", "agglomerative"))
    found, notes = compared(rows, a, b, over="images", metrics=["nmi"])
    assert found == [] and "one fit of each cannot tell; clustering.bootstraps=20 can" in notes[0]
    (seeds,), _ = compared(rows, a, b, over="seeds", metrics=["nmi"])
    assert "on these images" in seeds.test.note


def test_refits_are_compared_on_the_same_halves(own_results, monkeypatch):
    def halves(stage, truth):
        found = np.full((20, N), -2, dtype=np.int8)
        for number, row in enumerate(found):
            half = np.random.default_rng(number).permutation(N)[: N // 2]
            row[half] = mixed(truth, 0.6 + stage.config["k"] / 50, number)[half]
        return {"refits": found}

    rows = Stored(labels=lambda stage, truth: mixed(truth, 0.6 + stage.config["k"] / 50, 3), fits=halves).rows(
        "clusterer=kmeans", "k=4,8", "clustering.bootstraps=20", "classifier=none", "retrieval=none"
    )
    (found,), notes = compared(rows, *rows, metrics=["ari"])
    truth = np.arange(N) % 4
    values = [
        np.array([external.ari(truth[half != -2], half[half != -2]) for half in halves(stage, truth)["refits"]])
        for stage in (row.plan.stages[row.run.stages["clustering"]] for row in rows)
    ]
    spread = np.std(values[0] - values[1], ddof=1)
    assert (found.over, found.test.n, notes) == ("images", 20, [])
    assert found.test.p == pytest.approx(2 * stats.t.sf(abs(found.test.difference) / spread, 19))


def test_data_sets_are_blocks(own_results, tmp_path):
    found = []
    for number in range(3):
        folder = sweeping.collection(tmp_path / f"pictures{number}", CLASSES[: 2 + number % 2], each=20 + number)
        found += sweeping.rows_of(sweeping.computed(*folder, *GRID[:2], "classifier=knn,svm", "clusterer=none"))
    (result,) = methods.compare(found, "classifier.name", "datasets")
    assert len(result.table.blocks) == 3
    a, b = (one(found, classifier=name) for name in ("knn", "svm"))
    (pair,), _ = compared(found, a, b, over="datasets", metrics=["accuracy"])
    assert (pair.over, pair.test.n) == ("datasets", 3)
    assert "3 pairs" in pair.test.note


def test_the_command_says_it_in_words_and_as_json(rows, capsys):
    a, b = (one(rows, classifier=name, chain="none") for name in ("knn", "svm"))
    code, out, err = call(capsys, short(a), short(b), "--metric", "accuracy")
    assert (code, err) == (0, "")
    assert "Classification" in out and short(a) in out and "pixels knn" in out and "p = " in out
    code, out, _ = call(capsys, short(a), short(b), "--format", "json")
    first = json.loads(out)["comparisons"][0]
    assert code == 0 and {"metric", "over", "a", "b", "p", "difference", "low", "high"} <= set(first)
    code, out, _ = call(capsys, "--by", "classifier.name")
    assert code == 0 and "accuracy by classifier.name, over 2 blocks" in out and "mean rank" in out
    code, out, _ = call(capsys, "--by", "clusterer.name", "--metric", "nmi", "--over", "seeds", "--format", "json")
    assert json.loads(out)["column"] == "clusterer.name"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{a}"], "takes two or more"),
        (["{a}", "{a}"], "takes two or more"),
        (["{a}", "{b}", "--metric", "acuracy"], "accuracy"),
        (["{a}", "{b}", "--filter", "k=3"], "--by"),
        (["{a}", "--by", "k"], "leave out either the hashes or --by"),
        (["--by", "classifier.nam"], "classifier.name"),
        (["--by", "nmi"], "--by classifier.name --metric nmi"),
        (
            ["--by", "k", "--metric", "clusters"],
            "more clusters are neither better nor worse. Metrics that can",
        ),
        (["--by", "k", "--metric", "noise_fraction"], "cannot rank results"),
        (["--by", "k", "--metric", "nimi"], "Did you mean 'nmi'?"),
        (["{a}", "{b}", "--metric", "clusters"], "which cannot rank results"),
        (["--by", "classifier.name", "--over", "images"], "--over images"),
        (["{a}", "ffffffffffff"], "no run with this config hash"),
    ],
)
def test_what_cannot_be_compared_is_refused(rows, capsys, words, said):
    named = {"a": short(rows[0]), "b": short(rows[1])}
    code, out, err = call(capsys, *(word.format(**named) for word in words))
    assert (code, out) == (2, "") and said in err


def test_a_run_that_failed_is_not_compared(own_rows, capsys):
    store, broken = Store(paths.store()), one(own_rows, classifier="svm", chain="none")
    store.amend("classification", broken.run.stages["classification"], {"status": "failed", "reason": "a reason"})
    code, _, err = call(capsys, short(broken), short(one(own_rows, classifier="knn")))
    assert code == 2 and "failed" in err and "a reason" in err


def test_without_runs_it_says_what_makes_some(own_results, capsys):
    code, _, err = call(capsys, "0123", "4567")
    assert code == 2 and "backbench sweep" in err


def test_arrays_that_are_gone_are_said(own_rows):
    a, b = (one(own_rows, classifier=name, chain="none") for name in ("knn", "svm"))
    for path in paths.store().glob("classification/*/*.npy"):
        path.unlink()
    found, notes = compared(own_rows, a, b, over="images", metrics=["accuracy"])
    assert found == [] and notes
