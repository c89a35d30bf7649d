"""Identity and validation: what a result depends on is in its hash, nothing else is, and nothing impossible starts."""

import copy
import dataclasses
import random
import re

import pytest
from grids import NONE, build, cell, run_hash, stage
from grids import photos as make_photos
from hypothesis import given, settings
from hypothesis import strategies as st

from backbench import compose, planning
from backbench.engine import grid
from backbench.engine.plan.frozen import ancestors
from backbench.schema import ConfigError

HEADS = grid.HEADS

# The default cell of the quick start, with every option spelled out: a change of any of these breaks stored results.
GOLDEN = {
    "pixels": {
        "clustering": "1807ce51a22ee80e54db549f4be49fa77662f452282ba09797be3df833c44db5",
        "images": "15909ef355dfefe88f5c777876a0eb664eedcda23a49c5a47b473e6e0c47adc8",
        "dataset": "46d0729d95250b25540ac2ab0eb051bf5bcd22c5b3a71a68b23551b8611a99cb",
        "classification": "0e80b5b077818bc69a08e6bffc7c6c77b1da8e37344d4450d5e7195e8c4081c6",
        "features": "0ffe594e693349084db4679fe3c5c180d939714ff50c349e9703cc1651b5415f",
        "retrieval": "e477b4f245208975839a7dd867812fdfc7783b49b5857505abf9a79e005435bd",
        "matrix.clustering": "0344bd5deaa96df781fa4634e4ae26e52325ed742c6f7afa9fcbb34a8a22edc2",
        "matrix.classification": "d5d0bb56d2e1aed5390bfefe1bdfea75b94a0fa4673d5702f4e053da6244fdc7",
        "matrix.retrieval": "0344bd5deaa96df781fa4634e4ae26e52325ed742c6f7afa9fcbb34a8a22edc2",
        "run": "da7d5902bb4430198f4ca5c86f3195f544c42e7fdc35e0e35cdcea81324b7834",
    },
    "plugins": {
        "clusterer agglomerative": "6dbddee3b9f74e05d88d2af3a87f39e5abbeea595f702fbd7f3e09956dc4b81a",
        "clusterer dbscan": "a60437fead6ca0a8eb67466694c09aea08d1a577f5245c0c0bcb8c7638cec391",
        "clusterer gaussian_mixture": "80a03a5add877e1355426df2c9cec089d0e1643e578e87c002a9d7063a76ca42",
        "clusterer kmeans": "0e1870ab225ee8d880c76c2409eee4b42999193ccceb598e82ed92d418bc8448",
        "classifier knn": "47de65e1fc62f385d0d58ba19bf43078d043ec61fcded172e95f95c818386732",
        "classifier logistic_regression": "59eab8560504a5ea746e0de556afaf3c3db659903090f635c08165836b77b098",
        "classifier random_forest": "15c59e44ffc41aa49e630f39b8cc5e826e0a48cf5ca3db1fed9745f46abf80dc",
        "classifier svm": "5479e4bb36388fb6ee1edd975827e75408b0b94f91f03db6e03e8cf77b9e6922",
        "clusterer birch": "d6004c13fd192ba85847c54215af5c5fd0c7f29454ad87234f251012e994ebd2",
        "clusterer genie": "3409c62a1e4fdc11e8f0607b9d3818c2d002ff6df9ef60ac91ff1fe99c8bda96",
        "clusterer hdbscan": "3c40a700d569ec6e38355fb70768f1b4b7297c0104d4e7a36ec1128b1238ddbe",
        "clusterer micro_ward": "4ceaab4fdb2e588d5cb1cad583a547d250eb4a1843d2a947306d90a348817f0c",
        "clusterer minibatch_kmeans": "0cb72e6f2a2bea84f7cbc8ed2665799c1c5e04716f92f76fbf4416e467222b59",
        "clusterer optics": "a76abff1371a64ddc1043cbc76f317ff44cbe2e90743d779ec84869be10dcf95",
        "clusterer affinity_propagation": "b90ba0b42b3b8db8db4d36f3e8535aef7e684bc823234480fe0e911706146279",
        "clusterer finch": "6b0ccc8423a65d920a7135ac262147d15efbbb8fca194591e404ecb644c92b66",
        "clusterer leiden": "32edf14747c98c7cc3412140f1dc5648abb967cc71c30f471f47e5582c7dcf68",
        "clusterer mean_shift": "f2575d6d6411fd5c07afeb1d30ecb457283bf0728985e34f56320650e2c2a6c5",
        "clusterer plscan": "5ac40df86b508d755c2f86f1fdce73957b0f0fd817348e9302928bac6806cff7",
        "clusterer temi": "d4b12ac7c4b408f4d975d3db8ede99b6158d8bb346fe9f8278d00ff60e07492a",
        "clusterer turtle": "2087ad14013dfa5209849afca0b702d885f846f52fc2033b2f3dd2f5f8bf13dc",
        "clusterer spectral": "720430820c74e0300714e4201ca9bab16b535896b760f99a9888e6aaf5923a31",
        "classifier gradient_boosting": "b41514da282d97f4eb8b9d5223019dc08b2d5f32b1c6f5549fe223437126daca",
        "classifier linear_probe": "10eb67e0c4bab8e786bbcb45fbf884126c6bb76bcf5dd759f1422e113b56e379",
        "classifier logistic_sweep": "67542aa00c6af1108b73e36092e4299cb846b14231d817535a6a313ae2e7b25e",
        "classifier lda": "4e0ac19c13c13fb1d3319b57ebac89c356fb2f6f329297d3c3c49612239fed77",
        "classifier mlp": "4a57200f67d172984570e6b1d07d0b4e171115c47c1cdc9767e60eddcb98aa05",
        "classifier nearest_centroid": "8127cc5f1a6b5f88fe1bc67b36b6093bd4eee3a1af695b97582185fb40ca7f8f",
        "retrieval euclidean": "b9b16d7be69d1f11b86eefb15cbfe2ddce521a1d5a854a5012439bfb1c9184c6",
        "backbone efficientnet_lite0": "7aca8b26cbb5c3dc765429cfe1b03e844f70a424fcfec3b1c47400841f0df028",
    },
}

# How EfficientNet-Lite0 prepares the small images of the quick start.
SMALL = ("backbone.image.size=96", "backbone.image.resize=squash", "backbone.image.shorter=null")


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    for name in ("STORE", "DEVICE", "BATCH_SIZE"):
        monkeypatch.delenv(f"BACKBENCH_{name}", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")


@pytest.fixture
def photos(tmp_path):
    """A function that writes a folder of small images, with or without classes."""
    return lambda name="photos", **more: make_photos(tmp_path / name, **more)


def head_hashes(*overrides: str) -> dict[str, str]:
    (run,) = build(cell(*overrides)).runs.values()
    return dict(run.stages)


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        planning.make([NONE, *overrides], fingerprint=False)
    return str(caught.value)


# Identity: what is in the hash


def golden() -> dict[str, str]:
    """Hashes of the run that the golden values are of, by kind of stage."""
    built = build(
        cell("backbone=pixels", "chain=pca50", "clusterer=kmeans", "k=10", "seed=0", "classifier=random_forest")
    )
    (run,) = built.runs.values()
    chain = ancestors(built.stages, run.stages.values())
    found = {built.stages[member].kind: member for member in chain if built.stages[member].kind != "matrix"}
    matrices = {head: built.stages[run.stages[head]].parents["matrix"][1] for head in HEADS}
    return {**found, **{f"matrix.{head}": member for head, member in matrices.items()}, "run": run.hash}


def test_golden_hashes_of_a_run_and_its_stages():
    assert golden() == GOLDEN["pixels"]


def test_golden_hashes_of_every_plugin():
    found = {}
    for name in compose.groups()["clusterer"]:
        if name != "none":
            found[f"clusterer {name}"] = head_hashes(f"clusterer={name}")["clustering"]
    for name in compose.groups()["classifier"]:
        # Zero-shot classification needs a backbone that knows words.
        if name not in ("none", "zero_shot"):
            found[f"classifier {name}"] = head_hashes(f"classifier={name}")["classification"]
    found["retrieval euclidean"] = head_hashes("retrieval=euclidean")["retrieval"]
    found["backbone efficientnet_lite0"] = head_hashes(
        "backbone=efficientnet_lite0", "backbone.weights=random", "backbone.engine=torch", *SMALL
    )["features"]
    assert found == GOLDEN["plugins"]


def test_older_results_of_logistic_regression_keep_their_hash():
    """The values that were the defaults when L-BFGS was the only solver."""
    older = ("classifier=logistic_regression", "classifier.solver=lbfgs", "classifier.tol=1e-4")
    expected = "0ecd7e95daac1e0687b11def5c201bceff92c175a63632bb1e7b5a3af4de34d6"
    assert head_hashes(*older)["classification"] == expected


def test_the_results_of_the_quick_start_are_pinned():
    """Which of them stand in one run is no part of any result."""
    default = planning.make([]).plan
    assert {stage.hash for stage in default.stages.values() if stage.kind == "dataset"} == {GOLDEN["pixels"]["dataset"]}
    assert {GOLDEN["pixels"][kind] for kind in GOLDEN["pixels"] if kind != "run"} <= set(default.stages)
    assert GOLDEN["pixels"]["run"] in planning.make(["combinations=all"]).plan.runs


def test_the_quick_start_gives_its_small_images_to_the_network_as_ever():
    named = planning.make([NONE, "dataset=fashion_mnist", "backbone=efficientnet_lite0", *SMALL]).plan
    (small,) = (stage.hash for stage in named.stages.values() if stage.kind == "features")
    assert small in planning.make([]).plan.stages


# Identity: what does not count


def test_the_order_of_overrides_does_not_count():
    asked = ["backbone=pixels", "chain=l2_pca50", "k=7", "seed=3", "clusterer.n_init=2", "dataset.sample=200"]
    hashes = set()
    for seed in range(4):
        random.Random(seed).shuffle(asked)
        hashes.add(run_hash(cell(*asked)))
    assert len(hashes) == 1


def reordered(value, order: random.Random):
    if not isinstance(value, dict):
        return value
    keys = list(value)
    order.shuffle(keys)
    return {key: reordered(value[key], order) for key in keys}


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(order):
    config = cell("chain=l2_pca50", "classifier=random_forest")
    assert run_hash(reordered(config, order)) == run_hash(config)


@pytest.mark.parametrize(
    "override",
    [
        "k=10.0",
        "seed=0.0",
        "clusterer.n_init=4.0",
        "clusterer.tol=0.0001",
        "dataset.sample=3000.0",
        "retrieval.at=10.0",
    ],
)
def test_equal_numbers_of_another_type_do_not_count(override):
    assert run_hash(cell(override)) == run_hash(cell())


@pytest.mark.parametrize(
    "override",
    [
        "execution.device=cuda",
        "execution.batch_size=7",
        "execution.memory_mb=9000",
        "selection=internal",
        "store.root=/elsewhere",
        "tracking.uri=http://example.org",
        "dataset.root=/data/fashion",
    ],
)
def test_how_and_where_it_is_computed_does_not_count(override):
    assert run_hash(cell(override)) == run_hash(cell())


def test_the_path_of_a_folder_does_not_count_its_content_does(photos):
    def hashes(root, **options):
        return run_hash(cell("dataset=folder", f"dataset.root={root}"), **options)

    one, other = photos("one"), photos("other")
    assert hashes(one) == hashes(other)
    assert hashes(one, digest="1" * 64) != hashes(one)


@pytest.mark.parametrize(
    ("overrides", "axis"),
    [
        (["clusterer=dbscan"], "k=3"),
        (["clusterer=dbscan"], "seed=3"),
        (["clusterer=agglomerative", "classifier=knn"], "seed=3"),
        (["clusterer=none"], "k=3"),
        (["clusterer=none"], "clustering.scope=train"),
        (["clusterer=none", "classifier=svm", "retrieval=none"], "seed=3"),
        (["retrieval=none"], "chain@retrieval.chain=pca50"),
        (["classifier=none"], "chain@classification.chain=pca50"),
        (["backbone=efficientnet_lite0"], "backbone.weights_seed=3"),
    ],
)
def test_what_a_plugin_ignores_does_not_count(overrides, axis):
    assert run_hash(cell(*overrides, axis)) == run_hash(cell(*overrides))


def test_a_chain_without_a_fit_has_no_scope():
    plain, trained = (head_hashes("chain=l2", f"clustering.scope={scope}") for scope in ("all", "train"))
    assert plain["clustering"] != trained["clustering"]
    built = build(cell("chain=l2"))
    assert {stage.config["fit"] for stage in built.stages.values() if stage.kind == "matrix"} == {"all"}
    fitted = build(cell("chain=pca50"))
    assert {stage.config["fit"] for stage in fitted.stages.values() if stage.kind == "matrix"} == {"all", "train"}


def test_a_shared_chain_and_the_same_chain_spelled_out_are_one_run():
    own = [f"chain@{head}.chain=pca50" for head in HEADS]
    assert run_hash(cell("chain=pca50")) == run_hash(cell("chain=none", *own))
    assert run_hash(cell("chain=none")) == run_hash(
        cell("chain=pca50", *[f"chain@{head}.chain=none" for head in HEADS])
    )


def test_the_names_of_steps_do_not_count_their_order_does():
    config = cell("chain=l2_pca50")
    l2, pca = config["chain"]["steps"]["s1"], config["chain"]["steps"]["s2"]

    def chained(**steps):
        found = copy.deepcopy(config)
        for part in (found, *(found[head] for head in HEADS)):
            part["chain"] = {"steps": steps}
        return run_hash(found)

    assert chained(a=l2, b=pca) == run_hash(config)
    assert chained(a=pca, b=l2) != run_hash(config)


def test_cells_that_mean_the_same_are_one_run():
    built = build(*(cell("clusterer=dbscan", f"k={k}", f"seed={seed}") for k in (2, 3) for seed in (0, 1)))
    assert len(built.runs) == 1


def test_runs_share_their_stages():
    built = build(*(cell(f"k={k}", f"classifier={name}") for k in (2, 3) for name in ("knn", "svm")))
    kinds = [stage.kind for stage in built.stages.values()]
    assert len(built.runs) == 4
    assert {kind: kinds.count(kind) for kind in (*HEADS, "features")} == {
        "clustering": 2,
        "classification": 2,
        "retrieval": 1,
        "features": 1,
    }


@pytest.mark.parametrize(
    ("override", "kinds"),
    [
        ("k=11", {"clustering"}),
        ("seed=1", {"clustering"}),
        ("clustering.scope=train", {"clustering"}),
        ("clustering.scope=per_split", {"clustering"}),
        ("retrieval=euclidean", {"retrieval"}),
        ("retrieval.at=9", {"retrieval"}),
        ("retrieval.protocol=test_against_train", {"retrieval"}),
        ("chain@clustering.chain=l2", {"clustering"}),
        ("classifier=svm", {"classification"}),
        ("chain=l2", set(HEADS)),
        ("backbone.image.size=27", {*HEADS, "features"}),
        ("dataset.seed=1", {*HEADS, "features", "dataset"}),
    ],
)
def test_a_change_counts_for_what_comes_after_it_alone(override, kinds):
    before, after = head_hashes(), head_hashes(override)
    assert {kind for kind in before if before[kind] != after[kind]} == kinds


def test_none_of_a_hash_is_the_code():
    built = build(cell())
    other = {key: dataclasses.replace(stage, code="") for key, stage in built.stages.items()}
    for key, one in other.items():
        assert grid.stage_hash(one.kind, one.config, one.parents) == key


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 5), st.sampled_from(["kmeans", "agglomerative"])), min_size=1)
)
def test_the_runs_of_a_grid_are_those_of_its_cells(asked):
    cells = []
    for k, seed, name in asked:
        config = cell(f"clusterer={name}")
        cells.append({**config, "k": k, "seed": seed})
    together = set(build(*cells).runs)
    assert together == {run_hash(config) for config in cells} == set(build(*reversed(cells)).runs)
    assert len(together) == len({(k, seed if name == "kmeans" else None, name) for k, seed, name in asked})


# Validation


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["k=0"], ["k", "0", ">= 1"]),
        (["k=2.5"], ["k", "2.5", "whole number"]),
        (["k=ten"], ["k", "'ten'", "whole number"]),
        (["k=true"], ["k", "True"]),
        (["k=null"], ["k", "None"]),
        (["k={a:1}"], ["k", "{'a': 1}"]),
        (["seed=-1"], ["seed", "-1"]),
        (["seed=4294967296"], ["seed", "4294967296"]),
        (["k=3001"], ["kmeans", "3001", "3000"]),
        (["k=2,3001", "clusterer=agglomerative,kmeans,dbscan"], ["agglomerative", "kmeans", "3001"]),
        (["k=601", "clustering.scope=per_split", "dataset.sample=3000"], ["601"]),
        (["clustering.scope=trian"], ["clustering.scope", "'trian'", "Did you mean 'train'"]),
        (["clustering=5"], ["clustering", "5", "mapping"]),
        (["clustering.chain=5"], ["clustering.chain", "5"]),
        (["chain.steps=5"], ["chain.steps", "5"]),
        (["chain.steps=[1]"], ["chain.steps", "[1]"]),
        (["+chain.steps.s1=5"], ["transform", "5"]),
        (["+chain.steps.s1={name:pcaa}"], ["'pcaa'", "Did you mean 'pca'"]),
        (["+chain.steps.s1={name:l2,x:1}"], ["transform(l2)", "'x'"]),
        (["chain=pca50", "chain.steps.s1.n_components=785"], ["pca", "785", "784"]),
        (["chain=pca50", "dataset.sample=40"], ["pca", "50"]),
        (["clusterer=gaussian_mixture", "clusterer.covariance_type=full"], ["full", "rows", "pca50"]),
        (["clusterer=agglomerative", "clusterer.metric=cosine"], ["ward", "euclidean"]),
        (["clusterer=dbscan", "clusterer.eps=1"], ["eps", "eps_quantile"]),
        (["clusterer.n_init='4'"], ["clusterer(kmeans).n_init", "'4'"]),
        (["clusterer.tol=-1"], ["clusterer(kmeans).tol", ">= 0"]),
        (["clusterer.name=[1]"], ["clusterer.name", "[1]"]),
        (["clusterer.name=kmean"], ["'kmean'", "Did you mean 'kmeans'"]),
        (["clusterer.name=dbscan"], ["clusterer(dbscan)"]),
        (["classifier.n_neighbors=0"], ["classifier(knn).n_neighbors", ">= 1"]),
        (["classifier.n_neighbors=2999"], ["classifier(knn)", "2999"]),
        (["retrieval.at=0"], ["retrieval.at", "0"]),
        (["retrieval.at=300", "dataset.sample=300"], ["retrieval.at", "300", "1 to 299"]),
        (["retrieval.metric=cosin"], ["retrieval.metric", "Did you mean 'cosine'"]),
        (["retrieval.metric=[1]"], ["retrieval.metric", "[1]"]),
        (["dataset.sample=1.5"], ["dataset(fashion_mnist).sample", "1.5"]),
        (["dataset.split=random"], ["split", "'random'"]),
        (["dataset.split.validation=1.5"], ["validation", "1.5"]),
        (["dataset.n=100"], ["dataset(fashion_mnist).n", "100", "70000"]),
        (["dataset=folder"], ["dataset.root"]),
        (["dataset=folder", "dataset.root=/nonexistent"], ["/nonexistent"]),
        (["backbone.image.mode=CMYK"], ["mode", "'CMYK'", "RGB"]),
        (["backbone=efficientnet_lite0", "backbone.weights=/none.pth"], ["/none.pth", "imagenet"]),
        (["backbone=efficientnet_lite0", "backbone.image.mode=L"], ["mode", "RGB"]),
        (["+foo=1"], ["'foo'"]),
        (["+clustering.foo=1"], ["clustering", "'foo'", "scope"]),
        (["+classification.foo=1"], ["classification", "'foo'"]),
        (["+retrieval.foo=1"], ["retrieval", "'foo'"]),
        (["+chain.foo=1"], ["chain", "'foo'", "steps"]),
        (["+clustering.chain.foo=1"], ["clustering.chain", "'foo'", "steps"]),
        (["+clusterer.foo=1"], ["clusterer(kmeans)", "'foo'", "n_init"]),
        (["+dataset.split.foo=1"], ["split", "'foo'"]),
        (["+backbone.image.foo=1"], ["image", "'foo'"]),
        (["~clusterer"], ["clusterer missing", "none"]),
        (["~clustering"], ["clustering missing"]),
        (["~k"], ["k missing"]),
        (["~clusterer.n_init"], ["missing n_init"]),
        (["execution.device=gpu"], ["execution.device", "'gpu'"]),
        (["execution.batch_size=0"], ["execution.batch_size", "0"]),
    ],
)
def test_what_cannot_be_run_is_refused(overrides, words):
    message = refusal(*overrides)
    for word in words:
        assert word in message


def test_each_problem_is_listed_once_with_the_number_of_its_cells():
    lines = refusal(
        "k=3001,3002", "clusterer=kmeans,agglomerative", "seed=0,1,2", "classifier.n_neighbors=0,1"
    ).splitlines()
    assert len(lines) == len(set(lines))
    assert sum("k = 3001" in line and "kmeans" in line for line in lines) == 1
    # A cell is counted by its first problem alone: half of 24 have the neighbours' besides.
    assert all(re.search(r"\((\d+) combinations\)$", line) for line in lines)
    assert sum(int(re.search(r"\((\d+) combinations\)$", line)[1]) for line in lines) == 24


def test_at_most_eight_problems_are_listed():
    lines = refusal("k=range(3001,3021)").splitlines()
    assert len(lines) == 9 and lines[-1] == "... and 12 more problems"


def test_a_valid_cell_beside_a_bad_one_does_not_start():
    assert "3001" in refusal("k=2,3001")


def test_a_classifier_without_labels_is_left_out_with_a_notice(photos):
    root = photos(classes=("",))
    found = planning.make([NONE, "dataset=folder", f"dataset.root={root}", "k=2,3"])
    assert [set(run.stages) for run in found.plan.runs.values()] == [
        {"dataset", "features", "clustering", "retrieval"}
    ] * 2
    assert found.notices == ["classifier left out: the dataset has no labels"]


def test_a_classifier_asked_for_by_name_needs_labels(photos):
    root = photos(classes=("",))
    message = refusal("dataset=folder", f"dataset.root={root}", "classifier=svm", "k=2")
    assert "classifier=svm" in message and "no labels" in message and "sub-folder" in message
    quiet = planning.make([NONE, "dataset=folder", f"dataset.root={root}", "classifier=none", "k=2"])
    assert quiet.notices == []


def test_a_folder_is_counted_as_it_is(photos):
    root = photos(count=10)
    assert "k = 21" in refusal("dataset=folder", f"dataset.root={root}", "k=21")
    provisional = planning.make([NONE, "dataset=folder", f"dataset.root={root}", "k=20"], fingerprint=False)
    assert not provisional.fingerprinted
    known = planning.make([NONE, "dataset=folder", f"dataset.root={root}", "k=20"])
    assert known.fingerprinted and set(known.plan.runs) != set(provisional.plan.runs)


def test_how_images_are_decoded_is_hashed_for_files_alone(photos):
    root = photos()
    for asked, kept in {(): (None, None), ("dataset=folder", f"dataset.root={root}"): ("scaled", "full")}.items():
        grids = [build(cell(*asked, f"backbone.image.decode={way}")) for way in ("scaled", "full")]
        recipes = [built.stages[stage(built, "features").parents["images"][1]] for built in grids]
        assert tuple(recipe.config.get("decode") for recipe in recipes) == kept
        assert len({recipe.hash for recipe in recipes}) == len({*kept})


def test_all_heads_off_leaves_the_features():
    built = build(cell("clusterer=none", "classifier=none", "retrieval=none"))
    assert set(stage(built, "features").parents) == {"dataset", "images"}
    (run,) = built.runs.values()
    assert set(run.stages) == {"dataset", "features"}


def test_parts_that_are_not_kept_are_mentioned(photos):
    root = photos(classes=("train/cat", "train/dog", "test/cat", "test/dog"))
    asked = ("dataset=folder", f"dataset.root={root}")
    (notice,) = build(cell(*asked, "dataset.split.source=random")).notices
    assert "dataset.split.source=given keeps its split" in notice
    assert not build(cell(*asked, "dataset.split.source=given")).notices
    assert not build(cell(*asked)).notices, "auto keeps them"
