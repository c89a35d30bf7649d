"""Networks in int8: which images calibrate them, that a run has one network, and where there is none."""

import dataclasses
import importlib.util
import types

import numpy as np
import pytest
from sharing import once
from sweeping import collection, computed

from backbench import paths, planning, plugins
from backbench.backbones import _agreement, _processor, _quantised
from backbench.cli import show
from backbench.datasets import TEST, TRAIN, VALIDATION
from backbench.inference import fitting
from backbench.inference.portable import Portable, write
from backbench.pictures.source import Source
from backbench.reproduce import computing, record
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs
from backbench.stages import _calibration, pixels
from backbench.store import Store

INSTALLED = all(map(importlib.util.find_spec, ("nncf", "openvino")))
calibrates = pytest.mark.skipif(
    not INSTALLED or not _processor.native("int8"),
    reason="the processor has no VNNI" if INSTALLED else "nncf or openvino is not installed",
)
LITE = ("experiment=none", "backbone=efficientnet_lite0", "backbone.image.size=64", "backbone.image.shorter=null")
INT8 = (*LITE, "backbone.precision=int8", "backbone.calibration=40")
HEADS = ("clusterer=none", "classifier=nearest_centroid", "retrieval=none")


def pictures(n, size=64):
    """Smooth random pictures (n, size, size, 3) uint8."""
    coarse = np.random.default_rng(0).integers(0, 256, (n, 8, 8, 3), np.uint8)
    return coarse.repeat(size // 8, axis=1).repeat(size // 8, axis=2)


# ---------------------------------------------------------------------------------------------------- which images


@pytest.fixture
def keys():
    return np.random.default_rng(0).integers(0, 256, (100, 32), np.uint8)


def test_only_training_images_calibrate_each_once(keys):
    split = np.repeat([TRAIN, VALIDATION, TEST], [60, 20, 20])
    keys[50:60] = keys[:10]
    rows = _calibration.drawn(keys, split, 30)
    assert len(rows) == 30 and (split[rows] == TRAIN).all() and len(np.unique(keys[rows], axis=0)) == 30
    assert len(_calibration.drawn(keys, split, 80)) == 50


@pytest.mark.parametrize(("asked", "fewer"), [(50, False), (55, True)])
def test_fewer_than_asked_for_are_told(keys, tmp_path, monkeypatch, caplog, asked, fewer):
    """Ten of 60 training images are duplicates."""
    keys[50:60] = keys[:10]
    made = dataclasses.make_dataclass("Made", ["digest"])("d")
    monkeypatch.setattr(pixels, "row_keys", lambda inputs: keys)
    monkeypatch.setattr(_calibration, "_keep", lambda folder, made, body: None)
    monkeypatch.setattr(
        _quantised, "calibrated", lambda module, params, images, held, context: (made, {"images": len(images)})
    )
    inputs = types.SimpleNamespace(array=lambda kind, name: np.repeat([TRAIN, TEST], [60, 40]))
    params, context = types.SimpleNamespace(calibration=asked), types.SimpleNamespace(scratch=tmp_path)
    _, about = _calibration.network(types.ModuleType("net"), params, np.zeros(100), inputs, "a", context)
    assert about["images"] == 50 and about.get("asked") == (asked if fewer else None)
    assert ("net is calibrated on 50 images instead of 55" in caplog.text) == fewer


def test_they_do_not_depend_on_the_order_of_the_images(keys):
    split, order = np.repeat([TRAIN, TEST], [60, 40]), np.random.default_rng(1).permutation(100)
    drawn, shuffled = _calibration.drawn(keys, split, 30), _calibration.drawn(keys[order], split[order], 30)
    np.testing.assert_array_equal(keys[drawn], keys[order][shuffled])
    np.testing.assert_array_equal(_calibration.drawn(keys, split, 10), drawn[:10])
    assert (np.diff(drawn) < 0).any(), "the order is not that of the files"


# ---------------------------------------------------------------------------------------------------- the network


@pytest.fixture(scope="module")
def calibrated():
    """Lite0 with its real weights in int8, what is said of it, and its plugin and options."""
    module = plugins.load("backbone", "efficientnet_lite0")
    image = {"size": 64, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
    values = {"name": "efficientnet_lite0", "image": image, "weights": "imagenet", "weights_seed": 0}
    params = plugins.params("backbone", {**values, "engine": "openvino", "precision": "int8"})
    images = pictures(90)
    return *_quantised.calibrated(module, params, images[:40], images[40:72], Context()), module, params


@calibrates
def test_it_agrees_with_float32_and_says_how_far(calibrated):
    network, about, module, params = calibrated
    images = pictures(90)[40:]
    exact = module.open(dataclasses.replace(params, precision="float32"), Context())
    cosines = _agreement.cosine(_quantised.open(network, Context())(images[:32]), exact(images[:32]))
    assert np.median(cosines) > 0.97 and cosines.min() > 0.9 and np.median(cosines) < 0.99999
    assert about["images"] == 40 and about["compared"] == 32
    assert about["cosine_median"] == pytest.approx(np.median(cosines), abs=1e-5)
    assert about["cosine_least"] == pytest.approx(cosines.min(), abs=1e-5)


@calibrates
def test_its_features_depend_neither_on_threads_nor_on_the_process_that_calibrates(calibrated):
    network, _, module, params = calibrated
    images = pictures(90)
    again, _ = _quantised.calibrated(module, params, images[:40], images[40:72], Context(threads=2))
    features = [
        _quantised.open(each, Context(threads=threads))(images[72:])
        for each, threads in ((network, 1), (network, 3), (again, 1))
    ]
    np.testing.assert_array_equal(features[0], features[1])
    np.testing.assert_array_equal(features[0], features[2])
    assert again.weights == network.weights


@calibrates
def test_other_images_calibrate_another_network(calibrated):
    network, _, module, params = calibrated
    dark = pictures(90) // 4
    other, _ = _quantised.calibrated(module, params, dark[:40], dark[40:72], Context())
    assert other.digest != network.digest
    features = [_quantised.open(each, Context())(dark[:8]) for each in (network, other)]
    assert not np.array_equal(*features)


@calibrates
def test_it_survives_as_arrays(calibrated):
    network = calibrated[0]
    assert _quantised.Network.of(network.arrays()) == network
    changed = dataclasses.replace(network, weights=b"\1" + network.weights[1:])
    assert changed.digest != network.digest


@calibrates
def test_a_network_that_is_no_longer_the_same_is_refused(calibrated, monkeypatch):
    _, _, module, params = calibrated
    monkeypatch.setattr(_quantised, "COSINE", 1.0)
    images = pictures(60)
    with pytest.raises(ConfigError, match=r"cannot be computed in int8 \(on 8 images the median cosine .* float32 is"):
        _quantised.calibrated(module, params, images[:20], images[20:28], Context())


@calibrates
def test_without_images_it_gives_no_features(calibrated):
    _, _, module, params = calibrated
    with pytest.raises(TypeError, match="calibrated on images before"):
        module.open(params, Context())(pictures(1))


@calibrates
def test_a_processor_that_lacks_it_refuses_a_finished_network(calibrated, monkeypatch):
    monkeypatch.setattr("backbench.provenance.cpu_features", lambda: "avx2 avx512f")
    with pytest.raises(ConfigError, match=r"planned in int8 by OpenVINO, .* a machine with VNNI or AMX"):
        _quantised.open(calibrated[0], Context())


# ---------------------------------------------------------------------------------------------------- a run


def sweep(folder):
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        photos = collection(folder / "photos", ("a", "b"), 60)
        computed(*INT8[:-2], "backbone.precision=float32,int8", "backbone.calibration=40", *HEADS, *photos)


@pytest.fixture
def runs(tmp_path_factory, monkeypatch):
    """The sources of a run in float32 and of one in int8, of one sweep."""
    from backbench.engine.results import ledger

    folder, _ = once(tmp_path_factory, "int8", sweep)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    rows = {row.params["backbone.precision"]: row for row in ledger.all_rows(Store(paths.store()))}
    return [Source(rows[precision], Store(paths.store())) for precision in ("float32", "int8")]


@calibrates
def test_one_sweep_has_both_precisions(runs):
    exact, rounded = (source.stored("features", "features") for source in runs)
    cosines = _agreement.cosine(exact, rounded)
    assert np.median(cosines) > 0.9 and not np.array_equal(exact, rounded)
    about = runs[1].info("features")
    assert about["precision"] == "int8" and about["calibration"]["images"] == 40
    assert (
        "calibration" not in runs[0].info("features") and "calibration" not in runs[0].row.config["features"]["config"]
    )
    assert runs[1].row.config["features"]["config"]["calibration"] == 40
    assert runs[0].info("features")["rows"]["family"] != about["rows"]["family"]


@calibrates
def test_the_agreement_is_shown(runs, capsys):
    show._print(runs[1].row)
    assert f"{runs[1].info('features')['calibration']['cosine_median']:.4f}" in capsys.readouterr().out


@calibrates
def test_the_images_that_calibrated_are_training_images(runs):
    source = runs[1]
    inputs = Inputs(source.store, {"dataset": ("dataset", source.row.stages["dataset"])})
    rows = _calibration.drawn(pixels.row_keys(inputs), source.stored("dataset", "split"), 40)
    assert (source.split[rows] == TRAIN).all() and len(rows) == 40


@calibrates
def test_an_image_of_the_collection_has_its_features_again(runs):
    source = runs[1]
    model = fitting.fit(source)
    images = np.stack([source.images[row] for row in range(0, 120, 7)])
    np.testing.assert_array_equal(model.embed(images), source.stored("features", "features")[::7])


@calibrates
def test_an_exported_model_carries_its_network(runs, tmp_path):
    source = runs[1]
    write(source, fitting.fit(source), tmp_path)
    portable = Portable.load(tmp_path)
    images = np.stack([source.images[row] for row in range(5)])
    np.testing.assert_array_equal(portable.model.embed(images), source.stored("features", "features")[:5])


@calibrates
def test_a_network_that_was_changed_is_not_run(runs, tmp_path):
    write(runs[1], fitting.fit(runs[1]), tmp_path)
    weights = np.load(tmp_path / "network_weights.npy")
    weights[len(weights) // 2] ^= 1
    np.save(tmp_path / "network_weights.npy", weights)
    with pytest.raises(ConfigError, match="its network in int8 has changed; export the run again"):
        Portable.load(tmp_path).model.embed(pictures(1))


@calibrates
def test_it_is_reproduced_bit_for_bit(runs, tmp_path):
    row = runs[1].row
    fresh, _ = computing.rerun(record.from_row(row), tmp_path, lambda text: None)
    again = computing.store_of(tmp_path).array("features", fresh.stages["features"], "features")
    np.testing.assert_array_equal(again, runs[1].stored("features", "features"))
    assert fresh.metrics == row.metrics


@calibrates
def test_an_interrupted_job_goes_on_with_the_network_of_its_first_rows(calibrated, tmp_path, monkeypatch):
    network, about, module, params = calibrated
    context = Context(scratch=tmp_path / "scratch")
    _calibration._keep(context.scratch, network, {"made_by": "a", "about": {**about, "digest": network.digest}})
    monkeypatch.setattr(_quantised, "calibrated", lambda *_: (dataclasses.replace(network, weights=b"new"), {}))
    images = np.zeros((90, 64, 64, 3), np.uint8)
    monkeypatch.setattr(pixels, "row_keys", lambda inputs: np.arange(90 * 32).reshape(90, 32).astype(np.uint8))

    class Split:
        def array(self, *_):
            return np.zeros(90)

    kept, facts = _calibration.network(module, params, images, Split(), "a", context)
    assert kept == network and facts["cosine_median"] == about["cosine_median"]
    other, _ = _calibration.network(module, params, images, Split(), "b", context)
    assert other.weights == b"new"
    _calibration._keep(context.scratch, network, {"made_by": "a", "about": {**about, "digest": network.digest}})
    (context.scratch / _quantised.WEIGHTS).write_bytes(network.weights[:-1])
    other, _ = _calibration.network(module, params, images, Split(), "a", context)
    assert other.weights == b"new"


# ---------------------------------------------------------------------------------------------------- refusals


@pytest.fixture
def plannable(monkeypatch):
    """This machine has what int8 needs, as far as planning looks."""
    from backbench.backbones import _engine

    monkeypatch.setattr("backbench.provenance.cpu_features", lambda: "avx512_vnni")
    monkeypatch.setattr(_engine, "_installed", lambda package: True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["backbone.calibration=300"], r"calibrated on 300 training images, and there are \d\d; .*calibration=\d\d\."),
        (["backbone.calibration=9"], "received 9; allowed: a whole number >= 10"),
        (["split.repeats=3"], "in int8 is calibrated on the training images of one split"),
        (["backbone.engine=torch"], "backbone.engine=torch: .* give backbone.engine=openvino"),
    ],
)
def test_what_cannot_be_is_said_at_planning(plannable, tmp_path, overrides, message):
    photos = collection(tmp_path / "photos", ("a", "b"), 40)
    with pytest.raises(ConfigError, match=message):
        planning.make([*INT8, *HEADS, *photos, *overrides])


def test_several_backbones_side_by_side_are_not_in_int8(plannable, tmp_path):
    photos = collection(tmp_path / "photos", ("a", "b"), 40)
    asked = [
        "experiment=none",
        "backbone=[efficientnet_lite0,pixels]",
        "backbone.parts.efficientnet_lite0.precision=int8",
    ]
    asked += ["backbone.parts.efficientnet_lite0.calibration=20", *HEADS, *photos]
    with pytest.raises(ConfigError, match="received a part in int8; give the parts precision=bfloat16"):
        planning.make(asked)


def test_what_is_no_network_has_no_precision(tmp_path):
    photos = collection(tmp_path / "photos", ("a", "b"), 30)
    with pytest.raises(ConfigError, match="precision"):
        planning.make(["experiment=none", "backbone=pixels", "backbone.precision=int8", *HEADS, *photos])


def test_the_hash_knows_the_images_that_calibrate_and_nothing_else_changes(plannable, tmp_path):
    photos = collection(tmp_path / "photos", ("a", "b"), 60)

    def hashes(*overrides):
        plan = planning.make([*LITE, "backbone.engine=openvino", *HEADS, *photos, *overrides]).plan
        return {stage.hash for stage in plan.stages.values() if stage.kind == "features"}

    exact, few = hashes(), hashes("backbone.precision=int8", "backbone.calibration=20")
    many = hashes("backbone.precision=int8", "backbone.calibration=30")
    other = hashes("backbone.precision=int8", "backbone.calibration=30", "dataset.split.test=0.3")
    assert len({*exact, *few, *many, *other}) == 4
    assert hashes("backbone.precision=float32,int8", "backbone.calibration=30") == exact | many
