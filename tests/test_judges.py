"""Judges in a sweep: which there are, what they store, and what is chosen by them."""

import json

import numpy as np
import pytest
from sweeping import answer_of, collection, computed, rows_of

from backbench import paths, planning
from backbench.evaluate import answer, judging
from backbench.evaluate.selection import decide, parse
from backbench.store import Store

DEEP = (
    "backbone=efficientnet_lite0",
    "backbone.image.size=32",
    "backbone.image.resize=squash",
    "backbone.image.shorter=null",
)
FITS = ("experiment=none", "clusterer=kmeans,agglomerative", "k=2,3,4", "classifier=none", "retrieval=none")
JUDGED = ("selection=judges", "plots=none")


def judges(*overrides):
    plan = planning.make([*JUDGED, *FITS, *overrides]).plan
    return plan, [stage for stage in plan.stages.values() if stage.kind == "judge"]


@pytest.fixture
def unlabelled(tmp_path):
    return collection(tmp_path / "holiday", classes=(), each=24)


class TestPlan:
    def test_a_single_deep_representation_is_judged_by_another_network_too(self, unlabelled):
        _, stages = judges(*unlabelled, *DEEP)
        assert {stage.family for stage in stages} == {"efficientnet_lite0", "efficientnet_lite2"}
        (extra,) = (stage for stage in stages if "features" not in stage.parents)
        assert extra.family == "efficientnet_lite2", "it makes no features of the whole collection"
        assert extra.local["image"]["size"] == 32, "it is given the images as the other network is"

    def test_two_deep_representations_judge_each_other(self, unlabelled):
        _, stages = judges(*unlabelled, "backbone=efficientnet_lite0,efficientnet_lite1")
        assert sorted(stage.family for stage in stages) == ["efficientnet_lite0", "efficientnet_lite1"]
        assert all("features" in stage.parents for stage in stages)

    def test_pixels_are_no_judge(self, unlabelled):
        assert [stage.family for stage in judges(*unlabelled, "backbone=pixels")[1]] == ["efficientnet_lite2"]

    def test_where_there_are_classes_judges_have_to_be_asked(self, tmp_path):
        named = collection(tmp_path / "named", ("ant", "bee"))
        plan = planning.make(["plots=none", *FITS, *named, *DEEP]).plan
        assert [stage for stage in plan.stages.values() if stage.kind == "judge"] == []
        assert len(judges(*named, *DEEP)[1]) == 2

    @pytest.mark.parametrize("given", ["selection=internal", "clusterer=none"])
    def test_who_asks_no_judges_has_none(self, unlabelled, given):
        assert judges(*unlabelled, *DEEP, given)[1] == []

    def test_runs_do_not_depend_on_judges(self, unlabelled):
        with_judges, without = (
            judges(*unlabelled, *DEEP, name)[0] for name in ("selection=judges", "selection=internal")
        )
        assert set(with_judges.runs) == set(without.runs)

    def test_weights_that_are_not_here_are_said(self, unlabelled, monkeypatch):
        overrides = [*JUDGED, *FITS, *unlabelled, *DEEP, "selection.judges=[resnet50]"]
        monkeypatch.setenv("TORCH_HOME", "/nonexistent")
        planned = planning.make(overrides)
        assert [stage.family for stage in planned.plan.stages.values() if stage.kind == "judge"] == [
            "efficientnet_lite0"
        ]
        assert any("no independent judge" in notice and "resnet50" in notice for notice in planned.notices)

    @pytest.mark.parametrize("option", ["selection.judges=[nobody]", "selection.prefer=kmeans", "selection.rows=2"])
    def test_what_is_wrong_is_refused(self, unlabelled, option):
        with pytest.raises(Exception, match="selection"):
            judges(*unlabelled, *DEEP, option)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of three kinds of pictures without labels, judged by two networks."""
    folder = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        images = collection(folder / "holiday", classes=(), each=24)
        plan = computed(*JUDGED, *FITS, *images, *DEEP)
    return folder / "results", plan


@pytest.fixture
def sweep(swept, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(swept[0]))
    return swept[1]


def test_a_judge_stores_its_sample_and_what_it_is_made_of(sweep):
    store = Store(paths.store())
    for stage in sweep.stages.values():
        if stage.kind == "judge":
            arrays = store.read("judge", stage.hash)["arrays"]
            assert store.array("judge", stage.hash, "rows").tolist() == list(range(24))
            assert store.array("judge", stage.hash, "embedding").shape[0] == 24
            assert ("features" in arrays) == (stage.family == "efficientnet_lite2")


def test_one_clustering_is_chosen_over_all_representations(sweep):
    found = answer_of(sweep)
    (dataset,) = found.datasets.values()
    judgement = dataset.judgement
    assert judgement.judges == ("efficientnet_lite0", "efficientnet_lite2") and judgement.pool == 6
    assert judgement.chosen in judgement.plausible and len(judgement.ranked) == 6
    assert judgement.low <= judgement.chosen.candidate.clusters <= judgement.high
    assert judgement.chosen not in judgement.alternatives
    (recorded,) = found.selection["judgements"].values()
    assert recorded["chosen"]["run"] == judgement.chosen.candidate.run
    (space,) = found.selection["representations"]
    assert space["decision"]["chosen"]["run"] == judgement.chosen.candidate.run
    json.dumps(found.selection, allow_nan=False)


def test_the_order_of_runs_changes_nothing(sweep):
    store = Store(paths.store())
    rows = rows_of(sweep)
    forward, backward = (answer.DatasetAnswer(group, store).judgement for group in (rows, rows[::-1]))
    assert forward == backward


def test_without_a_judge_internal_metrics_choose_and_say_so(sweep, monkeypatch):
    store = Store(paths.store())
    monkeypatch.setattr(judging, "_seat", lambda stage, store: None)
    dataset = answer.DatasetAnswer(rows_of(sweep), store)
    assert dataset.judgement.chosen is None and "no judge is done" in dataset.judgement.reason
    policy = parse({"name": "judges", "prefer": None, "noise_at_most": 0.3, "metrics": [], "judges": []})
    decision = decide(dataset.representations[0], policy, dataset.judgement)
    assert decision.chosen is not None and decision.reason.startswith("no judge is done")
    assert decide(dataset.representations[0], policy).reason.startswith("no judge was asked")


def test_no_faulty_clustering_is_judged(sweep):
    dataset = answer.DatasetAnswer(rows_of(sweep), Store(paths.store()))
    limits = judging.Limits(noise_at_most=0.3, largest_at_most=0.0)
    none = judging.judgement(dataset.rows, dataset.representations, dataset.store, limits)
    shares = [each.candidate.metrics.get("largest_share", np.nan) for each in dataset.judgement.ranked]
    assert np.isnan(shares).all() or (none is not None and none.chosen is None)
