"""Several backbones side by side: how they are asked for, what their features are, and what is made of new images."""

import numpy as np
import pytest
from grids import build, cell, stage
from sweeping import collection, computed, rows_of

from backbench import compose, paths, planning, titles
from backbench.answers import naming
from backbench.backbones import concatenated
from backbench.inference import fitting, parts, portable
from backbench.inference.known import Known
from backbench.inference.looking import look
from backbench.inference.portable import Portable
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store

NONE = "experiment=none"
TWO = "backbone=[pixels,efficientnet_lite0]"
SMALL = ("backbone.parts.efficientnet_lite0.image.size=32", "backbone.image.size=8")
FITS = (NONE, "clusterer=kmeans", "k=2,3,4", "classifier=knn", "retrieval=cosine")


def backbones(*overrides):
    return [each.config["backbone"] for each in compose.expand(overrides).cells]


class TestGrammar:
    def test_a_list_is_one_value_and_commas_make_an_axis(self):
        found = backbones(NONE, "backbone=[pixels,resnet18],['pixels', resnet50],pixels")
        assert [list(each.get("parts", {})) for each in found] == [["pixels", "resnet18"], ["pixels", "resnet50"], []]
        (alone,) = backbones(NONE, "backbone=resnet18")
        assert found[0]["parts"]["resnet18"] == alone

    def test_an_option_is_for_every_part_that_has_it_or_for_one(self):
        asked = ["backbone.image.size=8", "backbone.weights=random", "backbone.parts.timm_2.model=resnet10t"]
        (found,) = backbones(NONE, "backbone=[pixels,timm,timm]", *asked)
        assert {key: part["image"]["size"] for key, part in found["parts"].items()} == dict.fromkeys(found["parts"], 8)
        assert [part.get("weights") for part in found["parts"].values()] == [None, "random", "random"]
        assert [part.get("model") == "resnet10t" for part in found["parts"].values()] == [False, False, True]

    def test_adjustments_are_for_parts_too_but_for_what_was_typed(self):
        quick = ["experiment=quickstart", "k=2", "seed=0", "clusterer=kmeans", "classifier=knn", "chain=none"]
        (found,) = {str(each["parts"]["efficientnet_lite0"]["image"]) for each in backbones(*quick, TWO)}
        assert "'size': 96" in found and "'shorter': None" in found
        typed = "backbone.parts.efficientnet_lite0.image.size=64"
        assert {each["parts"]["efficientnet_lite0"]["image"]["size"] for each in backbones(*quick, TWO, typed)} == {64}

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ("[pixels]", "at least 2 side by side"),
            ("[pixels,resnet19]", "Did you mean 'resnet1"),
            ("[pixels,concatenated]", "received 'concatenated' as a part"),
        ],
    )
    def test_what_is_nothing_side_by_side_is_refused(self, asked, words):
        with pytest.raises(ConfigError, match=words.replace("[", r"\[")):
            backbones(NONE, f"backbone={asked}")

    @pytest.mark.parametrize("asked", ["concatenated", "[pixels,pixels]"])
    def test_too_few_or_equal_parts_are_refused_when_planned(self, asked):
        with pytest.raises(ConfigError, match=r"at least 2, written as|twice with the same options"):
            build(cell(f"backbone={asked}"))


class TestPlan:
    def test_its_parents_are_the_stages_of_its_parts_whatever_their_order(self):
        one, other = (stage(build(cell(f"backbone={names}", *SMALL)), "features") for names in _orders())
        assert one.hash == other.hash
        assert one.about["parts"] == [1280, 64]
        alone = stage(build(cell("backbone=pixels", "backbone.image.size=8")), "features")
        assert one.parents["part_02"] == ("features", alone.hash)

    def test_it_judges_only_where_no_single_one_does(self, tmp_path):
        own = collection(tmp_path / "own", classes=(), each=24)
        asked = [
            "selection=judges",
            "plots=none",
            *FITS[:3],
            "classifier=none",
            "retrieval=none",
            *own,
            *SMALL,
            "backbone=[pixels,efficientnet_lite0]",
        ]
        stages = planning.make(asked).plan.stages.values()
        judges = {each.family: each for each in stages if each.kind == "judge"}
        assert set(judges) == {"concatenated", "efficientnet_lite2"}
        beside = planning.make([*asked[:-1], "backbone=[pixels,efficientnet_lite0],efficientnet_lite0"]).plan
        families = {each.family for each in beside.stages.values() if each.kind == "judge"}
        assert families == {"efficientnet_lite0", "efficientnet_lite2"}


def _orders():
    return "[pixels,efficientnet_lite0]", "[efficientnet_lite0,pixels]"


@pytest.mark.parametrize("scale", ["rms", "l2", "none"])
def test_parts_are_scaled_and_put_side_by_side(scale):
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(50, width)).astype(np.float32) * factor for width, factor in ((3, 1.0), (7, 100.0))]
    given[0][4] = 0
    params = concatenated.Params(scale)
    factors = concatenated.factors(params, given)
    made = concatenated.join(params, given, factors)
    assert made.shape == (50, 10) and made.dtype == np.float32
    lengths = [np.linalg.norm(part.astype(np.float64), axis=1) for part in (made[:, :3], made[:, 3:])]
    if scale == "rms":
        np.testing.assert_allclose([np.sqrt(np.mean(length**2)) for length in lengths], 1, rtol=1e-6)
    if scale == "l2":
        np.testing.assert_allclose(lengths[0], np.arange(50) != 4, rtol=1e-6)
    if scale == "none":
        assert np.array_equal(made, np.hstack(given))
    assert np.array_equal(made[7:9], concatenated.join(params, [part[7:9] for part in given], factors))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of pixels beside a network."""
    folder = tmp_path_factory.mktemp("side_by_side")
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        patch.delenv("BACKBENCH_STORE", raising=False)
        plan = computed(*FITS[:2], "k=3", *FITS[3:], TWO, *SMALL, *collection(folder / "photos", ("ant", "bee"), 12))
        yield plan, Source(rows_of(plan)[0], Store(paths.store()))


def test_the_store_has_the_scaled_parts_side_by_side(run):
    _, source = run
    stored, info = source.stored("features", "features"), source.info("features")
    each = [source.stored(f"{role}.features", "features") for role in source.row.parts]
    assert info["parts"] == [1280, 64] == [part.shape[1] for part in each]
    for factor, part in zip(info["factors"], each, strict=True):
        assert factor == pytest.approx(1 / np.sqrt(np.mean(np.linalg.norm(part, axis=1).astype(float) ** 2)), rel=1e-6)
    np.testing.assert_allclose(stored, np.hstack([f * part for f, part in zip(info["factors"], each, strict=True)]))


def test_it_is_called_after_its_parts(run):
    _, source = run
    assert source.row.params["backbone.name"] == "efficientnet_lite0+pixels"
    sizes = [source.row.params[f"backbone.parts.{part}.image.size"] for part in ("efficientnet_lite0", "pixels")]
    assert sizes == [32, 8], "what is given for one part stands before what is given for all"
    assert titles.backbone(source.row.params) == "EfficientNet-Lite0 + raw pixels"
    assert naming.named(source.row, "classification").whole.endswith("on EfficientNet-Lite0 + raw pixels")


def test_new_images_pass_through_every_part_bit_for_bit(run, tmp_path):
    _, source = run
    model, known, stored = fitting.fit(source), Known(source), source.stored("features", "features")
    images = np.stack([look(known.path(row), model).pixels for row in range(len(stored))])
    assert np.array_equal(images, parts.stored_pixels(source, np.arange(len(stored)), model.policies))
    assert np.array_equal(model.embed(images), stored)
    portable.write(source, model, tmp_path)
    taken = Portable.load(tmp_path)
    assert set(portable.agreement(source, taken).values()) == {0, int((source.split == 2).sum())}
    assert (tmp_path / "weights_1.safetensors").is_file() and "torch" in " ".join(portable.requirements(taken.model))
