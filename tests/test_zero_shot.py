"""Zero-shot classification and names for clusters: what open_clip itself computes, and refusals in words."""

import json

import numpy as np
import pytest
import torch
from classifying import NAMES
from sweeping import collection, computed, rows_of
from texts_and_images import tiny_clip

from backbench import classifiers, cli, paths, planning, plugins
from backbench.classifiers import zero_shot
from backbench.datasets import TEST
from backbench.engine.results import ledger
from backbench.inference import fitting
from backbench.inference.known import Known
from backbench.inference.out_of_fold import probabilities
from backbench.inference.predicting import Predictor
from backbench.organising import proposing
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.stage import Context
from backbench.store import Store

CLASSES = ("rubber_boots", "top-hats", "gloves")
TEMPLATES = ("a photo of a {}.", "an old {}, in a shop")
GRID = ("experiment=none", "retrieval=none", "clusterer=kmeans", "k=3", "chain=none,l2", "classifier=zero_shot")
OPTIONS = (f"classifier.templates={json.dumps(TEMPLATES)}", "classifier.names={gloves: warm gloves}")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The model, and the runs of a sweep with it by their chain, in a results folder of their own."""
    folder = tmp_path_factory.mktemp("zero")
    with tiny_clip(folder) as (model, backbone), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        patch.delenv("BACKBENCH_STORE", raising=False)
        plan = computed(*GRID, *OPTIONS, *backbone, *collection(folder / "photos", CLASSES, 10))
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
        yield model, {row.params["chain"]: Source(row, Store(paths.store())) for row in rows_of(plan)}


def expected_words(model, names, templates):
    """By open_clip's own function: (classes, d)."""
    import open_clip

    tokenize = open_clip.get_tokenizer("tiny-clip")
    with torch.inference_mode():
        prompts = [lambda name, each=each: each.replace("{}", name) for each in templates]
        return open_clip.build_zero_shot_classifier(model, tokenize, names, prompts, 10, "cpu").T.numpy()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("chain", ["none", "l2"])
def test_it_predicts_what_open_clip_does(run, chain):
    model, sources = run
    source = sources[chain]
    names = {"rubber_boots": "rubber boots", "top-hats": "top hats", "gloves": "warm gloves"}
    words = expected_words(model, [names[name] for name in source.names], TEMPLATES)
    np.testing.assert_allclose(source.array("classification", "words"), words, atol=1e-6)
    cosines = unit(np.array(source.stored("features", "features"))) @ words.T
    rows = np.flatnonzero(source.split == TEST)
    clear = np.ptp(np.sort(cosines[rows], axis=1)[:, -2:], axis=1) > 1e-5
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(source.predictions[rows][clear], cosines[rows].argmax(axis=1)[clear])
    soft = torch.from_numpy(100 * cosines[rows]).softmax(1).numpy()
    np.testing.assert_allclose(source.stored("classification", "probabilities")[rows], soft, atol=1e-3)


def test_models_and_folds_say_what_the_store_holds(run):
    source = run[1]["none"]
    rows = np.flatnonzero(source.split == TEST)
    stored = source.stored("classification", "probabilities")[rows]
    known = Known(source)
    answers = list(Predictor(fitting.fit(source), None).files([known.path(row) for row in rows.tolist()]))
    assert [answer.label for answer in answers] == [source.names[number] for number in source.predictions[rows]]
    np.testing.assert_allclose([list(answer.scores.values()) for answer in answers], stored, atol=1e-5)
    whole, folds = probabilities(source, Context(), lambda done, total: None)
    assert folds == 5
    np.testing.assert_array_equal(whole[rows], stored)


def test_threads_and_company_change_nothing(run):
    model, _ = run
    before = torch.get_num_threads()
    params = plugins.params("classifier", {"name": "zero_shot", "templates": TEMPLATES, "scale": 1.0, "names": None})
    import open_clip

    tokenize = open_clip.get_tokenizer("tiny-clip")

    def texts(sentences):
        with torch.inference_mode():
            return model.encode_text(tokenize(sentences)).numpy()

    made = []
    for count in (1, 2):
        torch.set_num_threads(count)
        made.append(zero_shot.words(params, ["rubber_boots", "hats"], texts))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(*made)
    np.testing.assert_array_equal(zero_shot.words(params, ["hats"], texts)[0], made[0][1])
    with pytest.raises(ConfigError, match="received 'shoe'; allowed: classes of the collection, such as 'hats'"):
        zero_shot.words(plugins.params("classifier", {**conf(), "names": {"shoe": "boot"}}), ["hats"], texts)


def conf():
    return {"name": "zero_shot", "templates": ["{}"], "scale": 100.0, "names": None}


@pytest.mark.parametrize(
    ("changed", "classes", "reason"),
    [
        ({"templates": []}, 2, "at least one, such as"),
        ({"templates": ["a photo"]}, 2, "received 'a photo'; allowed: a text with {} once"),
        ({}, 1, "at least two classes"),
    ],
)
def test_options_that_are_refused(changed, classes, reason):
    assert reason in zero_shot.problems(plugins.params("classifier", {**conf(), **changed}), 10, 8, classes)[0]


def test_memory_and_time_grow_with_the_model():
    params = plugins.params("classifier", conf())
    assert zero_shot.memory_mb(params, 9, 9, 64, 1) < zero_shot.memory_mb(params, 9, 9, 512, 1)
    assert zero_shot.seconds(params, 9, 64, 1) < zero_shot.seconds(params, 9, 512, 1)
    with pytest.raises(ValueError, match="no words for the classes"):
        zero_shot.predict(np.eye(2, dtype=np.float32), None, None, None, classifiers.Task(params))


def test_representations_without_words_are_left_out_or_refused(run, tmp_path):
    _, sources = run
    own = collection(tmp_path / "photos", CLASSES, 10)
    backbone = [word for word in backbone_of(sources) if not word.startswith("backbone=")]
    grid = ("experiment=none", "retrieval=none", "clusterer=none", "k=3")
    with pytest.raises(
        ConfigError, match=r"(?s)the backbone pixels has no text tower.*take a backbone with a text tower"
    ):
        planning.make([*grid, "backbone=pixels", "classifier=zero_shot", *own])
    with pytest.raises(ConfigError, match="the chain step standardise leads out of the space of the texts"):
        planning.make([*grid, "backbone=open_clip", *backbone, "chain=standardise", "classifier=zero_shot", *own])


def test_a_pattern_leaves_it_out_where_it_cannot_be(tmp_path):
    own = collection(tmp_path / "photos", CLASSES, 10)
    grid = ("experiment=none", "retrieval=none", "clusterer=none", "backbone=pixels", "classifier=glob(*)")
    made = planning.make([*grid, *own])
    names = {stage.family for stage in made.plan.stages.values() if stage.kind == "classification"}
    assert names == set(NAMES)
    assert any("zero_shot): the backbone pixels has no text tower" in notice for notice in made.notices)


def backbone_of(sources):
    stage = next(iter(sources.values())).row.plan
    (features,) = (each for each in stage.stages.values() if each.kind == "features")
    return [
        f"backbone.{name}={features.local.get(name, features.config[name])}"
        for name in ("model", "pretrained", "weights")
    ]


def test_words_are_proposed_for_clusters(run, tmp_path, capsys):
    model, sources = run
    source = sources["none"]
    choice = tmp_path / "words.txt"
    choice.write_text("red boots\nblue hats\ngreen gloves\nred boots\n")
    words = proposing.words(str(choice))
    assert words == proposing.words("red boots, blue hats,green gloves") == ["red boots", "blue hats", "green gloves"]
    made = proposing.proposals(source, words)
    assert sorted(each.word for each in made.values()) == sorted(words)
    features = unit(np.array(source.stored("features", "features")))
    spoken = expected_words(model, words, proposing.TEMPLATES)
    for number, each in made.items():
        mean = features[source.labels == number].mean(axis=0)
        assert each.cosine == pytest.approx(
            float(mean / np.linalg.norm(mean) @ spoken[words.index(each.word)]), abs=1e-5
        )
    few = proposing.proposals(source, words[:2])
    assert len(few) == 3 and {each.word for each in few.values()} == set(words[:2])
    assert cli.main(["label", source.row.config_hash, "--words", str(choice)]) == 0
    screen = capsys.readouterr()
    assert "proposed" in screen.out and f"0={made[0].word}" in screen.err
    with pytest.raises(ConfigError, match="no word in it"):
        proposing.words(" , ")


def test_a_backbone_that_knows_images_alone_is_refused(own_results, tmp_path):
    grid = ("experiment=none", "retrieval=none", "clusterer=kmeans", "k=3", "classifier=none", "backbone=pixels")
    plan = computed(*grid, "backbone.image.size=8", *collection(tmp_path / "photos", CLASSES, 5))
    (row,) = rows_of(plan)
    with pytest.raises(ConfigError, match="pixels, knows images alone; take a run of one that knows texts"):
        proposing.proposals(Source(row, Store(paths.store())), ["boots"])
