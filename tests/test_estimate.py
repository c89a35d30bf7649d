"""What a launch is announced to take: the rates against recorded fits, trainings, pictures, and what is said of it."""

import dataclasses

import pytest
import yaml
from classifying import conf
from densities import conf as clusterer_conf
from grids import NONE
from sweeping import collection, computed

from backbench import paths, planning
from backbench.engine.cost import costs, training
from backbench.engine.grid import Stage
from backbench.engine.run import status
from backbench.engine.time import estimate, launches
from backbench.engine.time.launches import Announced, Part
from backbench.pictures import forecast
from backbench.store import Store

# Processor seconds of one core of 2 GHz: (kind, family, rows, columns, clusters, members, seconds of all members).
RECORDED = [
    ("classification", "knn", 2056, 784, None, 1, 0.145),
    ("classification", "logistic_regression", 2056, 784, None, 1, 2.44),
    ("classification", "mlp", 552, 1280, None, 5, 5.25),
    ("classification", "random_forest", 2056, 50, None, 1, 1.93),
    ("classification", "random_forest", 2056, 1280, None, 1, 3.67),
    ("classification", "svm", 2056, 1280, None, 1, 0.27),
    ("clustering", "agglomerative", 3000, 1280, None, 7, 1.17),
    ("clustering", "agglomerative", 3000, 50, None, 7, 0.37),
    ("clustering", "agglomerative", 60000, 50, None, 1, 150.4),
    ("clustering", "dbscan", 3000, 784, None, 1, 0.35),
    ("clustering", "dbscan", 60000, 50, None, 1, 26.6),
    ("clustering", "gaussian_mixture", 3000, 784, 10, 7, 3.5),
    ("clustering", "gaussian_mixture", 3000, 50, 10, 7, 0.28),
    ("clustering", "gaussian_mixture(full)", 2000, 784, 2, 1, 0.94),
    ("clustering", "gaussian_mixture(full)", 4000, 784, 5, 1, 4.1),
    ("clustering", "gaussian_mixture(full)", 8000, 50, 10, 1, 0.94),
    ("clustering", "hdbscan", 8000, 784, None, 1, 4.5),
    ("clustering", "hdbscan", 16000, 50, None, 1, 2.9),
    ("clustering", "kmeans", 3000, 784, 10, 7, 1.91),
    ("clustering", "kmeans", 8000, 784, 10, 1, 4.3),
    ("clustering", "spectral", 800, 784, 10, 50, 0.72),
    ("clustering", "spectral", 8000, 784, 10, 1, 4.9),
]


def options(name: str, **changes) -> dict:
    """The options of a backbone's YAML."""
    return yaml.safe_load((paths.conf() / "backbone" / f"{name}.yaml").read_text()) | changes


TRAINED = {"batch_size": 256, "epochs": 200, "patience": 5, "validation": 0.1, "fit": "train"}
DENSE = options("autoencoder", widths=[2000, 1000, 500, 10], **TRAINED)
CONVOLUTIONAL = options("conv_autoencoder", channels=[32, 64], code_width=32, **TRAINED)
IMAGE = {**DENSE["image"], "size": 28, "mode": "L"}
CHANGED = {"full": {"covariance_type": "full"}}
PUBLISHED = "experiment=fashion_mnist_autoencoder"


def announced(*overrides: str, cores: int = 2, pictures: int = 0, drawing: float = 0.0) -> Announced:
    plan = planning.make([*overrides], fingerprint=False).plan
    return launches.announce(plan, status.inspect(plan, Store(paths.store())), cores, pictures, drawing)


def stage_of(kind: str, family: str, n: int, d: int, k: int | None) -> Stage:
    """A fit with the options of its YAML, and those that its way of working stands for."""
    name, _, way = family.rstrip(")").partition("(")
    config = conf(name) if kind == "classification" else {**clusterer_conf(name), **CHANGED.get(way, {})}
    options = {{"clustering": "clusterer", "classification": "classifier"}[kind]: config, "k": k}
    return Stage("0" * 64, kind, name, options, {}, {"n": n, "d": d}, {}, "code")


@pytest.mark.parametrize(("kind", "family", "n", "d", "k", "members", "seconds"), RECORDED)
def test_costs_come_near_to_what_is_recorded(kind, family, n, d, k, members, seconds):
    stage = stage_of(kind, family, n, d, k)
    assert costs.way(stage) == family
    assert seconds / 2 < members * costs.seconds(stage, {}, members) < 2 * seconds


def test_a_member_alone_does_what_its_family_shares():
    stage = stage_of("clustering", "agglomerative", 10_000, 50, 8)
    alone, one = (costs.seconds(stage, {}, count) for count in (1, 14))
    assert 5 * one < alone < 14 * one


def test_more_starts_take_longer(own_results):
    def fit(starts: int) -> float:
        plan = planning.make([NONE, "dataset.sample=null", f"clusterer.n_init={starts}"], fingerprint=False).plan
        (stage,) = (found for found in plan.stages.values() if found.kind == "clustering")
        return costs.fit_clusterer(stage, 70_000, 50, 1)

    assert fit(40) == pytest.approx(10 * fit(4))


def test_openvino_is_quicker_in_bfloat16_as_a_judge_too():
    def seconds(kind: str, n: int, **backbone: str) -> float:
        config = backbone if kind == "features" else {"rows": n, "backbone": backbone}
        stage = Stage("0" * 64, kind, "resnet50", config, {}, {"n": n, "gflops": 4.0}, {}, "code")
        return costs.seconds(stage, {}, 1)

    for kind in ("features", "judge"):
        exact, rounded = (
            seconds(kind, 10_000, engine="openvino", precision=each)
            - seconds(kind, 0, engine="openvino", precision=each)
            for each in ("float32", "bfloat16")
        )
        assert 1.5 * rounded < exact < 2.5 * rounded
    in_int8 = [seconds("features", n, engine="openvino", precision="int8") for n in (0, 10_000)]
    assert in_int8[0] > 5 + seconds("features", 0, engine="openvino", precision="bfloat16"), "the calibration"
    assert in_int8[1] - in_int8[0] < rounded
    slow = {"engine": "torch", "precision": "bfloat16"}
    assert seconds("features", 100, **slow) == seconds("features", 100, engine="torch", precision="float32")


def test_multiplications_are_those_of_the_networks():
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from backbench.backbones import _autoencoder

    for config, network in ((DENSE, _autoencoder.Dense), (CONVOLUTIONAL, _autoencoder.Convolutional)):
        options = type("Options", (), {**config, "activation": "relu", "code_activation": "linear", "dropout": 0.0})
        built = network((28, 28, 1), options).to_empty(device="cpu")
        with FlopCounterMode(display=False) as counter:
            built(torch.zeros(1, 1, 28, 28))
        layers = training.layers(config, IMAGE)
        assert 2 * sum(products for products, _ in layers) == counter.get_total_flops()
        assert sum(weights for _, weights in layers) == sum(w.numel() for w in built.parameters() if w.dim() > 1)


def test_an_epoch_of_the_published_network_takes_twenty_seconds_on_two_cores():
    found = training.of(DENSE, IMAGE, rows=54_000)
    assert found.work / 2 == pytest.approx(20, rel=0.3)
    assert (found.epochs, found.most) == (40, 200)


def test_without_patience_all_epochs_are_made():
    found = training.of({**DENSE, "patience": None}, IMAGE, rows=54_000)
    assert (found.epochs, found.most) == (200, 200)


def test_rows_that_are_learnt_from():
    split = {"split": {"source": "random", "validation": 0.2, "test": 0.25}}
    assert training.learnt(DENSE, split, 1000) == pytest.approx(600)
    assert training.learnt({**DENSE, "fit": "all"}, split, 1000) == pytest.approx(900)
    assert training.learnt(DENSE, {"split": {"validation": 0.0, "test": 0.2}}, 1000) == pytest.approx(720)


def test_recorded_trainings_teach_their_pace_and_their_epochs():
    dataset = {"config": {"split": {"validation": 0.0, "test": 0.0}}}
    model = training.of(DENSE, IMAGE, 900)
    told = {"epochs": 30, "seconds": 30 * model.work / 2 * 3}
    record = {
        "config": DENSE,
        "info": {"training": told},
        "arrays": {"features": {"shape": [1000, 10]}},
        "provenance": {"device": "cpu", "threads": 2},
    }
    past = training.past([(record, IMAGE, dataset)])
    assert past.pace == pytest.approx(3)
    assert past.epochs == 30
    assert training.of(DENSE, IMAGE, 900, past).seconds == pytest.approx(2 * told["seconds"])
    assert training.past([(record, IMAGE, dataset)], gpu=True).pace == pytest.approx(1 / training.GPU)


def test_a_similar_training_of_another_sweep_counts(own_results, tmp_path):
    folder = collection(tmp_path / "in", each=10)
    small = ("experiment=none", *folder, "backbone=autoencoder", "backbone.widths=[8,2]", "backbone.image.size=8")
    rest = ("backbone.epochs=3", "backbone.patience=null", "clusterer=kmeans", "k=2", "classifier=none")
    first = computed(*small, *rest, "backbone.seed=0")
    (record,) = (
        Store(paths.store()).read("features", key) for key, stage in first.stages.items() if stage.kind == "features"
    )
    plan = planning.make([*small, *rest, "backbone.seed=1"]).plan
    found = estimate.Expectation(plan, status.inspect(plan, Store(paths.store())), cores=1)
    (expected,) = (found.members[key] for key, stage in plan.stages.items() if stage.kind == "features")
    assert expected == pytest.approx(record["info"]["training"]["seconds"], rel=0.01)


def test_recorded_fits_count(own_results):
    plan = planning.make([NONE, "clusterer=kmeans", "k=2,3"], fingerprint=False).plan
    fits = [key for key, stage in plan.stages.items() if stage.kind == "clustering"]
    before = estimate.members(plan, status.Status({}, frozenset(fits)), cores=1)
    slow = {"status": "done", "info": {}, "provenance": {"seconds": 100 * before[fits[0]]}}
    after = estimate.members(plan, status.Status({}, frozenset(fits[1:]), {fits[0]: slow}), cores=1)
    assert 5 * before[fits[1]] < after[fits[1]] <= estimate.SLOWEST * before[fits[1]]


def test_a_training_is_announced_with_its_epochs(own_results):
    found = announced(PUBLISHED)
    assert found.most > found.seconds + 1800
    (line,) = (line for line in found.longest if "training autoencoder" in line)
    assert "40 epochs are counted; all 200 would take" in line
    assert "at most" in found.text


def test_pictures_are_part_of_it(own_results):
    plain, drawn = announced(NONE), announced(NONE, pictures=30, drawing=60.0)
    assert drawn.seconds - plain.seconds == pytest.approx(30 + launches.DRAW_SECONDS)
    assert "for about 30 pictures" in drawn.text


def test_nothing_to_do(own_results):
    plan = planning.make([NONE], fingerprint=False).plan
    done = status.Status({}, frozenset())
    assert launches.announce(plan, done, 2).text == "none"
    assert launches.announce(plan, done, 2, pictures=3, drawing=6.0).seconds > 3


def test_more_cores_are_quicker(own_results):
    one, two, eight = (
        announced(NONE, "backbone=resnet50", "backbone.weights=random", cores=n).seconds for n in (1, 2, 8)
    )
    assert one - two > two - eight > 0


def test_what_was_announced_is_kept(own_results):
    plan = planning.make([NONE], fingerprint=False).plan
    assert launches.kept(plan) is None
    said = Announced(100.0, 130.0, 2, (Part("1 fit of optics on 9 x 2", 80.0, ("a",)),), 3, 10.0)
    launches.keep(plan, said)
    assert launches.kept(plan) == said


def test_the_end_says_why_it_took_longer():
    said = Announced(600.0, 600.0, 2, (Part("2 fits of kmeans on 9 x 2", 300.0, ("a", "b"), beside=2),))
    records = {key: {"provenance": {"seconds": 1500.0}} for key in ("a", "b")}
    assert launches.took(said, {}, 700.0) == "12 min (announced: about 10 min)"
    assert launches.took(said, records, 1800.0).endswith("2 fits of kmeans on 9 x 2 took 25 min instead of 5 min)")
    assert "the load of the machine" in launches.took(said, {}, 1800.0)
    assert launches.took(Announced(0.0, 0.0, 2), {}, 5.0) == "5 s"


def test_pictures_of_the_quickstart(own_results):
    """A finished one has 126, drawn in 73 seconds of one core."""
    plan = planning.make([], fingerprint=False).plan
    found = forecast.of_sweep(plan)
    assert found.pictures == pytest.approx(126, rel=0.2)
    assert found.seconds == pytest.approx(73, rel=0.3)
    without = dataclasses.replace(plan, request={**plan.request, "plots": "none"})
    assert forecast.of_sweep(without) == forecast.Forecast()


def test_more_cells_need_more_pictures_where_all_are_drawn(own_results):
    best, every = (
        planning.make([NONE, "k=2,3,4", f"plots={plots}"], fingerprint=False).plan for plots in ("best", "all")
    )
    assert forecast.of_sweep(every).pictures > 1.5 * forecast.of_sweep(best).pictures
