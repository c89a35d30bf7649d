"""What is recommended for each task, from stored results of known quality, and how it compares with the others."""

import dataclasses
import math
import re

import numpy as np
import pytest
from answering import ALIKE, APART, CLASSIFIED, CLUSTERED, LITE, TWO, by_network, classified, of, quick, told
from stored import N, Stored, mixed

from backbench.answers import words
from backbench.engine.results.joined_run import Row
from backbench.evaluate import leaderboards, spending, verdicts
from backbench.evaluate.judging import Judged, Judgement
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, RETRIEVAL


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


class TestClassifiers:
    def test_the_best_on_validation_is_taken_whatever_the_test_says(self):
        rows = classified(ALIKE)
        verdict = told(rows, CLASSIFICATION).verdict
        networks = [row for row in rows if row.params["backbone.name"] != "pixels"]
        best = max(networks, key=lambda row: row.metrics["val_accuracy"])
        assert verdict.row.run.stages[CLASSIFICATION] == best.run.stages[CLASSIFICATION]
        assert max(row.metrics["accuracy"] for row in networks) > best.metrics["accuracy"], "another is better on test"
        assert (verdict.decided.metric, verdict.reported.metric) == ("val_accuracy", "accuracy")
        assert verdict.reported.estimate.mean == best.metrics["accuracy"]

    def test_ties_are_counted_and_the_fastest_is_named(self):
        found = told(classified(ALIKE, quick), CLASSIFICATION)
        verdict = found.verdict
        assert len(verdict.tied) == verdict.others == 2 and verdict.tested
        assert verdict.fastest.params["classifier.name"] == "logistic_regression"
        value, low, high = (
            round(100 * part)
            for part in (
                verdict.reported.estimate.mean,
                verdict.reported.estimate.low,
                verdict.reported.estimate.high,
            )
        )
        assert found.text.headline == (
            f"Use SVM on {LITE}: {value} % of test images right ({low} to {high}); both others are as good, "
            "logistic regression is the fastest of them."
        )

    def test_none_is_as_good(self):
        found = told(classified(APART), CLASSIFICATION)
        assert found.verdict.tied == () and found.verdict.fastest is None
        assert found.text.headline.startswith(f"Use SVM on {LITE}: ")
        assert found.text.headline.endswith("; none of the 2 others is as good.")

    def test_the_chosen_one_may_be_the_fastest(self):
        rows = classified(ALIKE, lambda stage: {"svm": 0.1}.get(stage.family, 2.0))
        headline = told(rows, CLASSIFICATION).text.headline
        assert headline.endswith("; both others are as good, none of them faster.")

    def test_one_other_is_named(self):
        rows = classified(ALIKE, quick, "svm,logistic_regression")
        found = told(rows, CLASSIFICATION)
        assert found.text.headline.endswith("; logistic regression is as good, and faster.")

    def test_the_baseline_stands_beside_it(self):
        found = told(classified(APART), CLASSIFICATION)
        best = found.verdict.baseline
        assert best.row.params["backbone.name"] == "pixels" and best.standing == verdicts.WORSE
        (line,) = (line for line in found.text.details if "baseline" in line)
        assert line.startswith("The best baseline, ") and " on raw pixels: " in line

    def test_a_baseline_is_no_answer_even_where_it_is_better(self):
        quality = by_network(0.9, {"knn": 0.4, "svm": 0.5, "logistic_regression": 0.4})
        found = told(classified(quality), CLASSIFICATION)
        assert found.verdict.row.params["backbone.name"] == "efficientnet_lite0"
        assert found.verdict.baseline.standing == verdicts.BETTER
        assert any(re.fullmatch(r"The baseline, .* on raw pixels, is better: .*", line) for line in found.text.details)

    def test_a_baseline_that_is_tied_is_said_to(self):
        found = told(classified(lambda *_: 0.8), CLASSIFICATION)
        assert found.verdict.baseline.standing == verdicts.TIED
        assert any("cannot be told apart from it: " in line for line in found.text.details)

    def test_where_pixels_alone_were_tried_they_are_the_answer_and_it_says_so(self):
        found = told(classified(lambda *_: 0.8, backbones=("backbone=pixels",)), CLASSIFICATION)
        assert found.verdict.only_baselines and found.verdict.baseline is None
        assert found.text.details[-2:] == (
            "Nothing but a baseline was tried, so this is what to beat.",
            "Not tried: a pretrained network (backbone=efficientnet_lite0).",
        )

    def test_without_arrays_nothing_was_tested(self):
        rows = Stored(arrays=False).rows(*TWO, "classifier=knn,svm", *CLASSIFIED)
        headline = told(rows, CLASSIFICATION).text.headline
        assert headline.endswith("; whether the other one differs was not tested.")
        assert "(" not in headline, "no interval"


class TestClusterings:
    def rows(self, *overrides, **options):
        def labels(stage, truth):
            return mixed(truth, 0.9 if stage.config.get("k") == 4 else 0.4, 5)

        return Stored(labels=labels, **options).rows(*TWO, "clusterer=kmeans,agglomerative", *overrides, *CLUSTERED)

    def test_it_says_how_it_agrees_with_the_classes_and_what_its_k_is(self):
        found = told(self.rows("k=2,4,8"), CLUSTERING)
        title = leaderboards.catalogue.metric(found.verdict.decided.metric).title
        assert re.match(rf"Use (k-means|Ward) with k = 4 on {LITE}: {title} 0\.\d\d ", found.text.headline)
        assert "There are 4 classes." in found.text.details
        assert any(line.startswith("With each cluster matched to one class, ") for line in found.text.details)
        assert not any("clusters" in line for line in found.text.details if line.startswith("Not tried"))

    @pytest.mark.parametrize(("ks", "words_"), [("2,4", "more than 4 clusters"), ("4,8", "fewer than 4 clusters")])
    def test_a_k_at_the_edge_of_the_grid_is_said_to_be(self, ks, words_):
        details = told(self.rows(f"k={ks}"), CLUSTERING).text.details
        assert details[-1] == f"Not tried: {words_} and a second network (backbone=efficientnet_lite2)."

    def test_intervals_over_seeds_say_so(self):
        def labels(stage, truth):
            return mixed(truth, 0.9, stage.config.get("seed", 0))

        rows = Stored(labels=labels).rows(*TWO, "clusterer=kmeans", "k=4", "seed=0,1,2", *CLUSTERED)
        assert " over 3 seeds)" in told(rows, CLUSTERING).text.headline

    def test_noise_and_the_clusters_that_a_clusterer_found_are_said(self):
        def labels(stage, truth):
            return np.where(np.arange(N) % 10 == 0, -1, truth)

        rows = Stored(labels=labels, metrics=lambda stage: {"clusters": 4.0}).rows(*TWO, "clusterer=dbscan", *CLUSTERED)
        found = told(rows, CLUSTERING)
        assert found.text.headline.startswith(f"Use DBSCAN on {LITE}: ")
        assert "It has 4 clusters for 4 classes and leaves 10 % of the images in none." in found.text.details

    def test_what_is_no_clustering_is_not_recommended_however_well_it_agrees(self):
        """Noise points as clusters of their own raise NMI; a lone cluster is none."""

        def labels(stage, truth):
            noisy = np.where(np.arange(N) % 20 < 11, -1, truth)
            return noisy if stage.family == "dbscan" else mixed(truth, 0.5, 5)

        rows = Stored(labels=labels).rows(*TWO, "clusterer=dbscan,kmeans", "k=4", *CLUSTERED)
        assert told(rows, CLUSTERING).row.params["clusterer.name"] == "kmeans"
        noise = [row for row in rows if row.params["clusterer.name"] == "dbscan"]
        best = max(rows, key=lambda row: row.metrics["nmi"])
        assert best in noise
        assert told(noise, CLUSTERING).row is None

    def test_nothing_is_recommended_where_the_board_ranks_nothing(self):
        found = of(self.rows("k=4"))
        (table,) = found.leaderboards
        empty = dataclasses.replace(table, entries=[])
        (verdict,) = verdicts.verdicts(found.rows, [empty], found.representations, found.policy, None)
        assert (verdict.row, verdict.run) == (None, "")
        spoken = words.Words(verdict)
        assert spoken.text.headline == (
            "No clustering can be recommended: the leaderboard ranks none of its results, and says why."
        )
        assert spoken.commands == {}


def test_the_noise_of_a_clustering_is_nothing_against_the_retrieval_of_its_run():
    rows = Stored(metrics=lambda stage: {"noise_fraction": 0.9}).rows(*TWO, "clusterer=dbscan", "classifier=none")
    found = told(rows, RETRIEVAL).verdict
    assert found.row.params["backbone.name"] == "efficientnet_lite0" and found.baseline is not None


def test_retrieval_says_how_many_of_the_nearest_have_the_class():
    found = told(Stored().rows(*TWO, "clusterer=none", "classifier=none", "retrieval=cosine"), RETRIEVAL)
    assert re.fullmatch(
        rf"Use {LITE} by cosine similarity: [\d.]+ % of the 10 nearest images have the class of the query "
        r"\([\d.]+ to [\d.]+\); no other but the baseline was tried\.",
        found.text.headline,
    )


class TestWithoutClasses:
    OVERRIDES = ("k=2,4,8", *CLUSTERED)

    def rows(self, *overrides, backbones=TWO):
        return Stored(names=None, metrics=lambda stage: {"clusters": float(stage.config.get("k", 4))}).rows(
            *backbones, *overrides, *self.OVERRIDES
        )

    def judgement(self, rows, picks, low=2, high=8, judges=("efficientnet_lite0", "efficientnet_lite2")):
        """A judgement whose plausible clusterings, best first, are those of (backbone, k) in `picks`."""
        every = [Judged(one, space, 0.0) for space in of(rows).representations for one in space.candidates]
        plausible = tuple(
            next(judged for judged in every if (judged.space.backbone, judged.candidate.k) == pick) for pick in picks
        )
        chosen = plausible[0] if plausible else None
        return Judgement(chosen, plausible, plausible[1:], low, high, judges, len(every), "they could not judge")

    def judged(self, rows, *args, **options):
        found = of(rows)
        judgement = self.judgement(rows, *args, **options)
        (verdict,) = verdicts.verdicts(rows, found.leaderboards, found.representations, found.policy, judgement)
        return words.Words(verdict)

    def test_judges_say_about_how_many_groups_there_are(self):
        lite = "efficientnet_lite0"
        found = self.judged(self.rows("clusterer=kmeans"), [(lite, 4), (lite, 8), (lite, 2)])
        assert found.text.headline == (
            f"About 4 groups; 2 to 8 are plausible (independent representations agree best there): k-means on {LITE}."
        )
        assert found.text.details[:2] == (
            f"Also plausible: k-means with 8 clusters on {LITE} and k-means with 2 clusters on {LITE}.",
            "6 clusterings judged by EfficientNet-Lite0 and EfficientNet-Lite2; look at the images of its clusters "
            "before you trust the number.",
        )
        assert found.row.params["k"] == 4 and found.commands["show"] == f"backbench show {found.run}"

    def test_one_judge_alone_is_named(self):
        rows = self.rows("clusterer=kmeans")
        found = self.judged(rows, [("efficientnet_lite0", 4)], 4, 4, ("efficientnet_lite2",))
        assert found.text.headline == (
            f"About 4 groups; no other number is as plausible (EfficientNet-Lite2 fits these best): k-means on {LITE}."
        )

    def test_a_clustering_of_pixels_is_not_the_answer_of_judges(self):
        found = self.judged(self.rows("clusterer=kmeans"), [("pixels", 2), ("efficientnet_lite0", 8)])
        assert found.row.params["backbone.name"] == "efficientnet_lite0"
        only = self.judged(self.rows("clusterer=kmeans"), [("pixels", 2)])
        assert only.row.params["backbone.name"] == "pixels" and only.verdict.only_baselines

    def test_judges_that_cannot_say_so(self):
        found = self.judged(self.rows("clusterer=kmeans"), [])
        assert "by the policy published" in found.text.headline, "another rule answers in their place"
        assert found.row is not None

    def test_a_policy_answers_once_for_one_representation(self):
        found = told(self.rows("clusterer=kmeans", "selection=internal"), CLUSTERING)
        assert re.fullmatch(rf"About \d groups, by the policy internal: k-means on {LITE}\.", found.text.headline)
        assert found.text.details[0].startswith("Why: kmeans k=")
        assert found.row.params["backbone.name"] == "efficientnet_lite0", "pixels are a baseline"

    def test_of_several_representations_a_policy_ranks_none(self):
        chains = ("chain=none,pca50", "chain.steps.s1.n_components=5")
        found = told(self.rows("clusterer=kmeans", "selection=internal", *chains), CLUSTERING)
        assert found.text.headline == (
            "The policy internal chose a clustering for each of 2 representations and has no way to rank these."
        )
        lines = found.text.details[:2]
        assert [line.partition(" on ")[2].partition(" (backbench")[0] for line in lines] == [LITE, f"{LITE} (PCA 5)"]
        assert found.run == "" and len(found.verdict.choices) == 2

    def test_what_is_no_clustering_is_not_recommended(self):
        """The policy would take it: it allows 30 % noise and sees no large cluster."""
        rows = Stored(
            names=None, metrics=lambda stage: {"clusters": 2.0, "noise_fraction": 0.1, "largest_share": 0.97}
        ).rows(*TWO, "clusterer=dbscan", *CLUSTERED)
        assert told(rows, CLUSTERING).row is None

    def test_plans_of_before_there_were_policies_are_read_as_published(self):
        rows = self.rows("clusterer=kmeans")
        plan = dataclasses.replace(rows[0].plan, request={})
        old = [Row(plan, row.run, row.records) for row in rows]
        assert told(old, CLUSTERING).verdict.policy == "published"


class TestSeconds:
    def test_extraction_counts_and_what_is_shared_does_not(self):
        rows = classified(ALIKE, lambda stage: {"features": 10.0, "svm": 2.0}.get(stage.kind, 0.5))
        assert spending.seconds(rows[:1], CLASSIFICATION) == pytest.approx(10.5)

    def test_of_features_that_were_known_before_the_whole_time_is_reckoned(self):
        (row, *_) = classified(ALIKE, lambda stage: 4.0)
        member = row.run.stages["features"]

        def known(count):
            record = {**row.records[member], "info": {"rows": {"known": count}}}
            return spending.seconds([Row(row.plan, row.run, {**row.records, member: record})], CLASSIFICATION)

        assert known(N // 2) == pytest.approx(4.0 + 8.0)
        assert known(N) is None, "nothing was timed"

    def test_times_of_several_processors_are_not_compared(self):
        rows = classified(ALIKE, quick)
        slow = max(row.run.stages[CLASSIFICATION] for row in rows if row.params["backbone.name"] != "pixels")
        record = rows[0].records[slow]
        other = {**record, "provenance": {**record["provenance"], "cpu": "another"}}
        records = {**rows[0].records, slow: other}
        found = told([Row(row.plan, row.run, records) for row in rows], CLASSIFICATION)
        assert found.verdict.tied and found.verdict.fastest is None
        assert found.text.headline.endswith("; both others are as good.")


class TestNotTried:
    def weights(self, rows):
        """The same rows as if they had the weights of ImageNet, which these tests need no copy of."""
        plan = rows[0].plan
        stages = {
            key: dataclasses.replace(stage, config={**stage.config, "weights": "imagenet"})
            if stage.config.get("name") == "efficientnet_lite0"
            else stage
            for key, stage in plan.stages.items()
        }
        return [Row(dataclasses.replace(plan, stages=stages), row.run, row.records) for row in rows]

    def test_images_smaller_than_those_of_the_weights(self):
        small = classified(ALIKE, backbones=(*TWO, "backbone.image.size=16"))
        line = told(self.weights(small), CLASSIFICATION).text.details[-1]
        assert re.fullmatch(
            r"Not tried: images of \d+ pixels, the size of its weights \(here 16\) and a second network "
            r"\(backbone=efficientnet_lite2\)\.",
            line,
        )
        assert "weights" not in told(small, CLASSIFICATION).text.details[-1], "random weights have no size"

    def test_unit_length_and_seeds_are_named_for_clusterings_where_two_networks_were_tried(self):
        two = ("backbone=efficientnet_lite0,efficientnet_lite2", "backbone.weights=random")
        rows = Stored(labels=lambda stage, truth: mixed(truth, 0.9, 5)).rows(
            *two, "clusterer=kmeans", "k=4", *CLUSTERED
        )
        assert told(rows, CLUSTERING).text.details[-1] == (
            "Not tried: features scaled to unit length (chain=l2) and more than one seed (seeds=0..4)."
        )

    def test_nothing_is_said_where_nothing_is_missing(self):
        two = ("backbone=efficientnet_lite0,efficientnet_lite2", "backbone.weights=random")
        rows = classified(lambda backbone, classifier: 0.8, backbones=two, classifiers="knn")
        assert told(rows, CLASSIFICATION).verdict.untried == ()


def test_a_metric_that_is_undefined_is_no_estimate():
    rows = Stored(metrics=lambda stage: {"silhouette": math.nan}).rows("clusterer=kmeans", "k=4", *CLUSTERED)
    (table,) = of(rows).leaderboards
    assert verdicts.estimate(table.entries[0], "silhouette") is None
