"""Our figures beside published ones: drawn results of known quality, with scikit-learn, scipy or numpy as the judge."""

import functools
import json
import re

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, precision_score, recall_score
from sklearn.metrics.cluster import contingency_matrix
from statsmodels.stats.proportion import proportion_confint
from stored import GRID, NAMES, N, Stored, mixed

from backbench import compose, paths
from backbench.evaluate import candidates, leaderboards, recommendations
from backbench.papers import published
from backbench.papers.table import Table, make
from backbench.schema import ConfigError
from backbench.statistics import intervals
from backbench.store import Store

TRUTH, SPLIT = np.arange(N) % len(NAMES), np.repeat([0, 1, 2, 0], N // 4)
CLUSTERED = ("classifier=none", "retrieval=none", "k=4")
CLASSIFIED = ("clusterer=none", "retrieval=none")
SEEDS = "seed=0,1,2,3,4"


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@functools.cache
def preset(*overrides):
    return [cell.config for cell in compose.expand([*GRID, *overrides]).cells]


def paper(*figures, **more):
    figures = [{"name": f"figure {at}", **one} for at, one in enumerate(figures)]
    return published.parse(
        "trial",
        {"title": "T", "system": "S", "measures": "M", "images": {"words": "some"}, "figures": figures, **more},
    )


def table(figures, rows, theirs, **more):
    made = make(paper(*figures, **more), rows[0].plan, rows, Store(paths.store()), preset(*theirs))
    assert Table.from_record(json.loads(json.dumps(made.record(), allow_nan=False))) == made
    return made


def lines(figures, rows, theirs, **more):
    return table(figures, rows, theirs, **more).lines


def one(figure, rows, theirs):
    (found,) = lines([figure], rows, theirs)
    return found


def by_seed(stage, truth):
    return mixed(truth, 0.7, stage.config.get("seed", 99))


def purity(labels, truth=TRUTH):
    return contingency_matrix(truth, labels).max(axis=0).sum() / len(truth)


# Samples and intervals


def test_a_published_figure_is_held_against_the_spread_of_single_runs():
    rows = Stored(labels=by_seed).rows(*CLUSTERED, SEEDS)
    every = [purity(mixed(TRUTH, 0.7, seed)) for seed in range(5)]
    found = one({"metric": "purity", "published": 0.7, "percent": True, "where": {"k": 4}}, rows, (*CLUSTERED, SEEDS))
    assert found.ours == pytest.approx(np.mean(every), abs=1e-12)
    half = stats.t.ppf(0.975, 4) * np.std(every, ddof=1) * np.sqrt(1 + 1 / 5)
    assert (found.low, found.high) == pytest.approx((np.mean(every) - half, np.mean(every) + half))
    assert (found.samples, found.fits, found.over, len(found.runs)) == (5, 5, "seeds", 5)
    assert sorted(found.values) == pytest.approx(sorted(every))
    assert found.inside and found.difference == pytest.approx(np.mean(every) - 0.7)
    assert found.ours_text.endswith("], 5 seeds")
    assert found.why[0] == (
        "The published figure lies inside the range that a single run has here, which is to hold 95 % of runs, "
        "from 5 seeds."
    )


def test_a_run_outside_the_interval_of_the_mean_may_be_one_of_ours():
    """The case of k-means on pixels: the interval of a mean over seeds says nothing of a single run."""
    every = [purity(mixed(TRUTH, 0.7, seed)) for seed in range(5)]
    published = intervals.over_seeds(every).low - 0.001
    rows = Stored(labels=by_seed).rows(*CLUSTERED, SEEDS)
    assert one({"metric": "purity", "published": published, "decimals": 4}, rows, (*CLUSTERED, SEEDS)).inside


def test_a_figure_outside_the_range_is_said_to_be():
    rows = Stored(labels=by_seed).rows(*CLUSTERED, SEEDS)
    found = one({"metric": "purity", "published": 0.9}, rows, (*CLUSTERED, SEEDS))
    assert found.inside is False
    assert found.why[0].startswith("The published figure lies outside the range that a single run has here")


def test_runs_that_repeat_a_result_are_no_samples():
    asked = ("classifier=knn,svm", "retrieval=none", "k=4", SEEDS)
    rows = Stored(labels=by_seed).rows(*asked)
    assert len(rows) == 10
    found = one({"metric": "purity"}, rows, asked)
    assert (found.samples, len(found.runs)) == (5, 5)


def test_a_fit_without_chance_counts_once_whatever_seeds_are_asked_for():
    asked = (*CLUSTERED, "clusterer=agglomerative", SEEDS)
    found = one({"metric": "purity", "published": 0.75}, Stored().rows(*asked), asked)
    assert (found.samples, found.low, found.inside, found.chance) == (1, None, None, False)
    assert found.why == ("The fit does not depend on a seed, so there is no interval.",)
    assert found.ours_text == f"{found.ours:.2f}"


def test_one_seed_has_no_interval():
    found = one({"metric": "nmi", "published": 0.3}, Stored().rows(*CLUSTERED), CLUSTERED)
    assert (found.low, found.inside) == (None, None)
    assert found.why == ("A single fit does not show how much depends on chance.",)
    assert found.ours_text.endswith(", 1 seed")


def test_several_trainings_are_the_samples_and_not_their_fits():
    asked = (*CLUSTERED, "backbone=autoencoder", "backbone.seed=0,1,2", "seed=0,1")

    def labels(stage, truth):
        return mixed(truth, 0.7, int(stage.hash[:6], 16))

    rows = Stored(labels=labels).rows(*asked)
    found = one({"metric": "purity", "published": 0.7}, rows, asked)
    groups = {}
    for row in rows:
        groups.setdefault(row.run.stages["features"], []).append(row.metrics["purity"])
    means = [np.mean(own) for own in groups.values()]
    assert (found.samples, found.fits, found.over) == (3, 6, "trainings")
    assert found.ours == pytest.approx(np.mean(means))
    # A single run is one fit of one training: its variance is that of the trainings and of the fits within them.
    within = np.mean([np.var(own, ddof=1) for own in groups.values()])
    spread = np.sqrt(np.var(means, ddof=1) * (1 + 1 / 3) + within / 2)
    half = stats.t.ppf(0.975, 2) * spread
    assert found.low == pytest.approx(np.mean(means) - half)
    assert found.high == pytest.approx(min(np.mean(means) + half, 1.0))
    assert found.ours_text.endswith("3 trainings of 2 seeds each")


# Classifiers and searches


def test_a_classifier_has_the_interval_of_the_leaderboards():
    rows = Stored().rows(*CLASSIFIED)
    found = one({"metric": "accuracy", "published": 0.78}, rows, CLASSIFIED)
    (board,) = leaderboards.leaderboards(rows, Store(paths.store()))
    expected = board.entries[0].values["accuracy"]
    assert (found.ours, found.low, found.high) == (expected.mean, expected.low, expected.high)
    assert (found.over, found.images, found.samples) == ("images", N // 4, 1)
    assert found.ours_text.endswith(f"], {N // 4} images")
    assert found.why[0].endswith(f"the 95 % interval over {N // 4} images.")


def test_several_fits_of_a_classifier_have_the_spread_of_runs_and_of_images():
    asked = ("clusterer=none", "classifier=random_forest", "retrieval=none", SEEDS)

    def predictions(stage, truth):
        return mixed(truth, 0.8, stage.config["seed"])

    found = one({"metric": "accuracy", "published": 0.8}, Stored(predictions=predictions).rows(*asked), asked)
    every = [np.mean(mixed(TRUTH, 0.8, seed)[SPLIT == 2] == TRUTH[SPLIT == 2]) for seed in range(5)]
    assert (found.over, found.images, found.samples) == ("images and seeds", N // 4, 5)
    seeds = intervals.prediction(every)
    assert found.low < seeds.low and found.high > min(seeds.high, 0.999)


def test_figures_of_a_class():
    rows = Stored(names=("shoe", "dress", "shirt", "coat")).rows(*CLASSIFIED)
    test = SPLIT == 2
    truth, predicted = TRUTH[test], mixed(TRUTH, 0.8, 0)[test]
    figures = [{"metric": name, "class": "shirt", "published": 0.5} for name in ("precision", "recall", "f1")]
    found = lines(figures, rows, CLASSIFIED)
    judges = (precision_score, recall_score, f1_score)
    expected = [judge(truth, predicted, labels=[2], average=None)[0] for judge in judges]
    assert [line.ours for line in found] == pytest.approx(expected)
    right = int(((truth == 2) & (predicted == 2)).sum())
    for line, count in zip(found[:2], ((predicted == 2).sum(), (truth == 2).sum()), strict=True):
        assert (line.low, line.high) == pytest.approx(proportion_confint(right, int(count), method="wilson"))
        assert line.images == count
    assert found[2].low < found[2].ours < found[2].high
    assert [line.metric for line in found] == ["precision of shirt", "recall of shirt", "f1 of shirt"]


def test_where_all_are_right_a_bootstrap_says_nothing():
    rows = Stored(predictions=lambda stage, truth: truth.astype(np.int32)).rows(*CLASSIFIED)
    figures = [{"metric": name, "class": "shirt", "published": 1.0} for name in ("precision", "f1")]
    precision, f1 = lines(figures, rows, CLASSIFIED)
    assert (f1.ours, f1.low, f1.inside) == (1.0, None, None)
    assert precision.low == pytest.approx(proportion_confint(N // 16, N // 16, method="wilson")[0])


def test_a_class_that_is_not_there_is_said():
    found = one({"metric": "f1", "class": "car", "published": 0.5}, Stored().rows(*CLASSIFIED), CLASSIFIED)
    assert found.ours is None
    assert found.why == ("These images have no class 'car'.",)


def test_a_search_has_an_interval_over_its_queries():
    asked = ("clusterer=none", "classifier=none", "retrieval=cosine")
    rows = Stored().rows(*asked)
    found = one({"metric": "hit_rate_at_10", "published": 0.9}, rows, asked)
    assert found.ours == rows[0].metrics["hit_rate_at_10"]
    assert found.low < found.ours < found.high and found.images == N


def test_without_the_arrays_there_is_no_interval():
    found = one({"metric": "accuracy", "published": 0.78}, Stored(arrays=False).rows(*CLASSIFIED), CLASSIFIED)
    assert found.ours is not None and found.low is None


# Figures that no record holds


def test_majority_shares_are_compared_largest_first():
    asked = (*CLUSTERED, "clustering.scope=train")
    rows = Stored().rows(*asked)
    labels, inside = mixed(TRUTH, 0.7, 1), SPLIT == 0
    table_ = contingency_matrix(TRUTH[inside], labels[inside])
    expected = sorted(table_.max(axis=0) / table_.sum(axis=0), reverse=True)
    theirs = [0.71, 0.69, 0.7, 0.72]
    figure = {"metric": "majority_shares", "published": theirs, "percent": True, "decimals": 1}
    found = one(figure, rows, asked)
    assert found.ours == pytest.approx(expected)
    assert found.difference == pytest.approx(np.abs(np.array(expected) - sorted(theirs, reverse=True)).mean())
    assert found.difference_text.endswith(" points on average")
    assert one({**figure, "published": [0.7, 0.6]}, rows, asked).difference is None


def test_an_elbow_is_that_of_the_curve():
    asked = ("classifier=none", "retrieval=none", "k=range(1,11)", "clusterer=kmeans,agglomerative")
    curve = {1: 1000.0, 2: 760.0, 3: 540.0, 4: 340.0} | {k: 205.0 - k for k in range(5, 11)}
    rows = Stored(metrics=lambda stage: {"inertia": curve[stage.config["k"]]}).rows(*asked)
    figure = {"metric": "elbow", "published": 5, "decimals": 0, "where": {"clusterer.name": "kmeans"}}
    found = one(figure, rows, asked)
    assert (found.ours, found.ours_text, found.difference_text) == (5.0, "5, 1 seed", "0")
    assert "Rounded the same way, our figure has the published digits." in found.why
    assert any(text.startswith("The elbow over k = 1..10 is the knee of inertia") for text in found.why)
    assert [row.params["k"] for row in rows if row.config_hash in found.runs] == [5]


def test_an_elbow_of_too_few_k_says_so():
    asked = ("classifier=none", "retrieval=none", "k=2,3")
    rows = Stored(metrics=lambda stage: {"inertia": 9.0}).rows(*asked)
    found = one({"metric": "elbow", "published": 5}, rows, asked)
    assert found.ours is None and found.why == ("No elbow: 2 values of k; an elbow takes 3.",)


def test_what_the_policy_chose_is_a_text():
    asked = ("classifier=none", "retrieval=none", "k=3,4", "clusterer=kmeans,agglomerative")
    rows = Stored(widths=lambda stage, truth: np.full(N, 0.1 * stage.config["k"])).rows(*asked)
    (answer,) = [
        recommendations.recommend(space, recommendations.policy_of(rows[0].plan))
        for space in candidates.representations(rows)
    ]
    chosen = answer.decision.chosen
    found = one({"metric": "chosen", "published": "dbscan"}, rows, asked)
    assert (found.ours, found.runs, found.difference_text) == (chosen.label, (chosen.run,), "another")
    assert "k=4" in found.ours


# Which runs


def test_what_the_preset_leaves_open_is_an_error():
    asked = ("classifier=none", "retrieval=none", "k=3,4")
    with pytest.raises(ConfigError, match=r"'figure 0' matches 2 configurations, which differ by k \(3, 4\)"):
        one({"metric": "purity"}, Stored().rows(*asked), asked)


def test_clusterings_leave_no_figure_of_a_classifier_open():
    asked = ("classifier=knn", "retrieval=none", "k=3,4")
    found = one({"metric": "accuracy"}, Stored().rows(*asked), asked)
    assert len(found.runs) == 1


def test_an_axis_of_the_user_gives_a_line_for_each():
    asked = (*CLUSTERED, "clusterer.n_init=4,9")
    found = lines([{"metric": "purity", "where": {"k": 4}}], Stored().rows(*asked), CLUSTERED)
    assert [line.name for line in found] == ["figure 0 (clusterer.n_init=4)", "figure 0 (clusterer.n_init=9)"]


def test_a_stand_in_of_several_is_said_by_the_one_behind_a_line():
    asked = (*CLUSTERED, "clusterer.n_init=7,9")
    found = lines([{"metric": "purity", "published": 0.5}], Stored().rows(*asked), CLUSTERED)
    assert [line.why[-1] for line in found] == [
        "Stand-in: clusterer.n_init 7 in place of 4.",
        "Stand-in: clusterer.n_init 9 in place of 4.",
    ]


def test_stand_ins_are_said_where_they_matter():
    theirs = ("classifier=knn", "retrieval=none", "k=4")
    asked = ("classifier=svm", "retrieval=none", "k=3")
    figures = [{"metric": "purity", "published": 0.5}, {"metric": "accuracy", "published": 0.5}]
    clustered, classified = lines(figures, Stored().rows(*asked), theirs)
    assert clustered.why[1:] == ("Stand-in: k 3 in place of 4.",)
    assert classified.why[1:] == ("Stand-in: svm in place of knn.",)


def test_no_such_run_is_said():
    theirs = ("classifier=none", "retrieval=none", "k=4,20")
    found = one({"metric": "purity", "where": {"k": 20}, "differs": "They did."}, Stored().rows(*CLUSTERED), theirs)
    assert (found.ours, found.ours_text, found.difference_text) == (None, "none", "")
    assert found.why == ("Not in this sweep: no run has k=20.", "They did.")


def test_no_such_head_is_said():
    found = one({"metric": "accuracy"}, Stored().rows(*CLUSTERED), CLUSTERED)
    assert found.why == ("Not in this sweep: no such run has a classification.",)


def test_a_part_asks_for_parts():
    found = one({"metric": "purity", "part": "test"}, Stored().rows(*CLUSTERED), CLUSTERED)
    assert found.why == ("The test images were not clustered separately (clustering.scope=per_split).",)


def test_images_without_classes_are_said():
    found = one({"metric": "purity"}, Stored(names=None).rows(*CLUSTERED), CLUSTERED)
    assert found.why == ("There is no purity: these images have no classes.",)


# What is not there


def marred(rows, change):
    """The rows with other records of their clusterings: `change` gets the seed and the record, None takes it away."""
    records = dict(rows[0].records)
    for row in rows:
        member = row.run.stages["clustering"]
        found = change(row.params["seed"], dict(records[member]))
        records[member] = found
    return [type(row)(row.plan, row.run, {key: own for key, own in records.items() if own}) for row in rows]


def failing(record):
    return {**record, "status": "failed", "reason": "did not converge", "metrics": {}}


def test_failed_and_pending_seeds_are_said():
    rows = Stored(labels=by_seed).rows(*CLUSTERED, SEEDS)
    rows = marred(rows, lambda seed, own: failing(own) if seed == 1 else None if seed == 2 else own)
    made = table([{"metric": "purity", "published": 0.75}], rows, (*CLUSTERED, SEEDS))
    (found,) = made.lines
    assert found.samples == 3
    assert found.why[1:] == ("1 of 5 fits failed: did not converge.", "1 of 5 fits are not computed yet.")
    assert (made.failed, made.pending, made.finished) == (1, 1, False)
    assert made.state == "5 runs, 1 failed, 1 not computed yet"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda seed, own: failing(own), "Failed: did not converge."),
        (lambda seed, own: None, "Not computed yet (5 fits)."),
    ],
)
def test_without_any_result_the_reason_is_given(change, reason):
    rows = marred(Stored(labels=by_seed).rows(*CLUSTERED, SEEDS), change)
    found = one({"metric": "purity", "published": 0.7}, rows, (*CLUSTERED, SEEDS))
    assert (found.ours, found.why) == (None, (reason,))


def test_a_result_counts_where_another_head_of_its_run_failed():
    asked = ("classifier=knn", "retrieval=none", "k=4")
    rows = marred(Stored().rows(*asked), lambda seed, own: failing(own))
    assert one({"metric": "accuracy"}, rows, asked).ours == rows[0].metrics["accuracy"]


# The table


def test_the_table_says_where_it_comes_from():
    rows = Stored().rows(*CLUSTERED)
    made = table([{"metric": "purity"}], rows, CLUSTERED)
    assert (made.sweep, made.runs, made.finished, made.state) == (rows[0].plan.sweep, 1, True, "1 run")
    assert made.circumstances["seconds"] == 0.5 * len(rows[0].members)
    asked = f"dataset.sample={N} backbone=pixels selection=published classifier=none retrieval=none k=4"
    assert made.command == f"backbench paper trial {asked}"


def test_a_question_is_answered_by_the_interval_that_holds_the_figure():
    asked = (*CLUSTERED, "clusterer=kmeans,gaussian_mixture", SEEDS)

    def labels(stage, truth):
        return mixed(truth, 0.7 if stage.config["clusterer"]["name"] == "kmeans" else 0.9, stage.config["seed"])

    rows = Stored(labels=labels).rows(*asked)
    figures = [{"metric": "purity", "published": 0.9, "where": {"clusterer.name": name}} for name in ("kmeans",)]
    figures.append({**figures[0], "where": {"clusterer.name": "gaussian_mixture"}})
    answers = [{"question": "Which?", "figures": ["figure 0", "figure 1"]}]
    (said,) = table(figures, rows, asked, answers=answers).answers
    assert re.fullmatch(r"Which\? Figure 1: its range contains it; figure 0 is off by -0\.\d\d\.", said)
