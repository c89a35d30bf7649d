"""The default grids: of the quick start's small images, and of a collection of one's own."""

import functools

import pytest
from grids import NONE
from grids import photos as make_photos

from backbench import compose, planning
from backbench.engine.grid import HEADS
from backbench.engine.plan import candidates, counts, resolution
from backbench.engine.plan.candidates import Candidate
from backbench.schema import ConfigError

PIXELS = ("backbone=pixels", "backbone.image.size=16")

pytestmark = pytest.mark.usefixtures("own_results")


@pytest.fixture
def folder(tmp_path):
    """The overrides of a folder of 40 photographs in two classes."""
    return ("dataset=folder", f"dataset.root={make_photos(tmp_path / 'photos')}")


def made(*overrides):
    return planning.make(overrides, fingerprint=False)


@functools.cache
def quickstart(*overrides):
    """A plan of the quick start, made once: it reads nothing, and depends on no folder."""
    return made(*overrides)


@functools.cache
def cells(*overrides):
    return compose.expand(overrides).cells


def names(cells, *keys):
    """Distinct values of the groups `keys` among the overrides of cells."""
    chosen = (dict(text.split("=", 1) for text in cell.overrides if "=" in text) for cell in cells)
    return {tuple(each.get(key) for key in keys) for each in chosen}


# Numbers of clusters


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (1, [2]),
        (6, [2]),
        (9, [2, 3]),
        (39, list(range(2, 14))),
        (60, [2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 20]),
        (150, [2, 3, 4, 5, 6, 9, 12, 16, 21, 28, 37, 50]),
        (10**6, [2, 3, 4, 5, 6, 9, 12, 16, 21, 28, 37, 50]),
    ],
)
def test_numbers_of_clusters_are_spread(rows, expected):
    assert counts.spread(rows) == expected


def test_numbers_of_clusters_are_few_and_end_where_they_should():
    for rows in range(6, 400):
        values = counts.spread(rows)
        assert values[0] == 2 and values[-1] == min(50, rows // 3) and len(values) <= 12
        assert values == sorted(set(values))


def test_hashes_see_the_numbers_alone(folder):
    asked = (NONE, *folder, *PIXELS, "clusterer=kmeans,dbscan")
    listed = ",".join(map(str, counts.spread(40)))
    automatic = made(*asked, "k=auto")
    assert set(automatic.plan.runs) == set(made(*asked, f"k={listed}").plan.runs)
    assert f"k = {listed.replace(',', ', ')} for 40 images (k=auto; k=2,5,10 or k=2..15 asks for others)" in (
        automatic.understood
    )


def test_rows_are_those_of_the_smallest_part_that_is_clustered(folder):
    """24 of 40 are for training, 8 each for validation and testing."""
    for scope, most in {"all": 13, "train": 8, "per_split": 2}.items():
        plan = made(NONE, *folder, *PIXELS, "k=auto", f"clustering.scope={scope}").plan
        assert max(stage.config["k"] for stage in plan.stages.values() if stage.kind == "clustering") == most


# The experiment, its chains and its clusterers


@pytest.mark.parametrize(
    ("overrides", "experiment"),
    [
        ([], "quickstart"),
        (["dataset=mnist"], "quickstart"),
        (["dataset=folder", "dataset.root=/photos"], "collection"),
        (["dataset=archive", "dataset.archive=/photos.zip"], "collection"),
        (["dataset=embeddings", "dataset.path=/table.npz", "backbone=precomputed"], "collection"),
        (["dataset=folder", "dataset.root=/photos", "experiment=quickstart"], "quickstart"),
        (["dataset=folder", "dataset.root=/photos", NONE], "none"),
    ],
)
def test_the_experiment_of_a_collection(overrides, experiment):
    found = compose.expand([*overrides, "clusterer=kmeans", "classifier=none", "seed=0"])
    assert found.experiment == experiment and "experiment" not in found.explicit - {
        key.split("=")[0] for key in overrides
    }
    assert {str(cell.config["k"]) for cell in found.cells} == {
        "quickstart": {"2", "5", "8", "10", "12", "20"},
        "collection": {"auto"},
        "none": {"10"},
    }[experiment]


def test_manifolds_are_for_clusterings_alone():
    plan = quickstart().plan
    manifolds = {key for key, stage in plan.stages.items() if "umap" in stage.about.get("steps", ())}
    kinds = {stage.kind for stage in plan.stages.values() if manifolds & {ref for _, ref in stage.parents.values()}}
    assert kinds == {"clustering"} and len(manifolds) == 2


def test_a_chain_on_the_command_line_is_that_of_every_task():
    found = names(cells("chain=l2_pca50", "k=2", "seed=0"), "chain", "chain@clustering.chain")
    assert found == {("l2_pca50", None)}
    both = names(cells("chain=none", "chain@clustering.chain=l2", "k=2", "seed=0"), "chain", "chain@clustering.chain")
    assert both == {("none", "l2")}


def test_clusterers_that_a_chain_does_not_suit_are_on_the_command_line_with_any():
    cells = compose.expand([]).cells
    assert names(
        [cell for cell in cells if cell.config["clusterer"]["name"] == "dbscan"], "chain@clustering.chain"
    ) == {("l2_umap10",)}
    asked = compose.expand(["clusterer=dbscan,gaussian_mixture", "chain=none"])
    assert names(asked.cells, "clusterer", "chain") == {("dbscan", "none"), ("gaussian_mixture", "none")}


# Fewest runs


def test_every_result_is_in_a_run_and_no_run_is_without_one_of_its_own():
    fewest, every = quickstart().plan, quickstart("combinations=all").plan
    assert set(fewest.stages) == set(every.stages) and set(fewest.runs) < set(every.runs)
    heads = [{run.stages[head] for head in HEADS if head in run.stages} for run in fewest.runs.values()]
    clusterings = {stage.hash for stage in fewest.stages.values() if stage.kind == "clustering"}
    assert len(heads) == len(clusterings)


def stage(name):
    return type("Stage", (), {"hash": name})()


def test_different_classifiers_stand_beside_different_clusterings():
    grid = [
        Candidate({}, {"clustering": stage(f"k{k}"), "classification": stage(name)}, {})
        for name in ("knn", "svm")
        for k in (2, 3, 4)
    ]
    taken = [tuple(candidate.hashes.values()) for candidate in candidates.fewest(grid)]
    assert taken == [("k2", "knn"), ("k4", "knn"), ("k3", "svm")] and candidates.fewest([]) == []


def test_combinations_are_all_or_fewest():
    with pytest.raises(ConfigError, match=r"combinations: received 'some'; allowed: all, fewest"):
        made(NONE, "combinations=some")


# Fewer pixels than weights were made for


def lite(*overrides):
    return [text for text in made(NONE, "backbone=efficientnet_lite0", *overrides).notices if "made for" in text]


def test_fewer_pixels_than_weights_need_are_told_with_their_cost(folder):
    squashed = ("backbone.image.shorter=null", "backbone.image.resize=squash")
    (text,) = lite(*folder, "backbone.image.size=96", *squashed)
    assert text.startswith("efficientnet_lite0 gets 96 pixels, and its weights were made for 224")
    assert "0.53 instead of 0.64 AMI" in text
    assert not lite(*folder)
    assert not lite(*folder, "backbone.image.size=96", *squashed, "backbone.weights=random")


def test_images_that_are_no_larger_lose_nothing():
    small = ("backbone.image.size=96", "backbone.image.shorter=null")
    assert not [text for text in quickstart().notices if "made for" in text]
    assert not lite("dataset=stl10", *small) and lite("dataset=caltech101", *small)


def test_sides_of_known_collections_are_those_of_their_images():
    from backbench.datasets import _mnist_like, cifar10, stl10

    sides = {"fashion_mnist": _mnist_like.SIDE, "mnist": _mnist_like.SIDE, "cifar10": cifar10.SIDE, "stl10": stl10.SIDE}
    assert sides == resolution.SIDES
