"""Memory: what cannot fit is refused by the plan, with what would; what each job needs grows with its threads."""

import pytest
from grids import NONE

from backbench import machine, planning
from backbench.engine.plan import limits, shards
from backbench.schema import ConfigError

LARGE = [NONE, "dataset.sample=60000", "chain=pca50", "classifier=none", "retrieval=none"]
AVERAGE = ["clusterer=agglomerative", "clusterer.linkage=average"]


@pytest.fixture(autouse=True)
def _own(own_results):
    """No results of others."""


def test_average_linkage_of_60000_rows_is_refused_and_says_what_fits():
    with pytest.raises(ConfigError) as refused:
        planning.make([*LARGE, *AVERAGE, "execution.memory_mb=8000"])
    text = str(refused.value)
    assert "clusterer=agglomerative on 60,000 rows of 50 columns needs about" in text
    assert "a job may have 7.8 GB" in text
    assert "clusterer.linkage=ward" in text
    assert "execution.memory_mb" in text


def test_ward_of_60000_rows_fits():
    plan = planning.make([*LARGE, "clusterer=agglomerative", "execution.memory_mb=8000"]).plan
    (shard,) = (shard for shard in plan.shards.values() if shard.kind == "clustering")
    assert shards.BASE_MB < shard.mem_mb < 2000


def test_the_sample_that_it_names_fits_and_a_larger_one_does_not():
    with pytest.raises(ConfigError) as refused:
        planning.make([*LARGE, *AVERAGE, "execution.memory_mb=8000"])
    words = str(refused.value)
    rows = int(words.partition("dataset.sample=")[2].partition(")")[0])
    with_rows = [*LARGE, *AVERAGE, "execution.memory_mb=8000"]
    planning.make([*with_rows, f"dataset.sample={rows}"])
    with pytest.raises(ConfigError, match="needs about"):
        planning.make([*with_rows, f"dataset.sample={int(rows * 1.1)}"])


def test_what_it_names_fits():
    with pytest.raises(ConfigError, match="linkage=single"):
        planning.make([*LARGE, *AVERAGE, "execution.memory_mb=8000"])
    planning.make([*LARGE, "clusterer=agglomerative", "clusterer.linkage=single", "execution.memory_mb=8000"])


def test_each_refusal_stands_once():
    with pytest.raises(ConfigError) as refused:
        planning.make([*LARGE, *AVERAGE, "k=2,3,4,5", "execution.memory_mb=8000"])
    assert str(refused.value).count("needs about") == 1


@pytest.mark.parametrize("value", ["0", "-5", "lots", "1.5"])
def test_a_limit_is_a_number(value):
    with pytest.raises(ConfigError, match=r"execution\.memory_mb"):
        planning.make([*LARGE, f"execution.memory_mb={value}"])


def test_the_limit_is_this_machines_where_none_is_given():
    assert planning.make([*LARGE, "clusterer=kmeans"]).memory_mb == machine.memory_mb()
    assert 256 < machine.memory_mb() < 1 << 24


def test_a_job_needs_more_with_more_threads_but_not_beyond_its_members():
    plan = planning.make([*LARGE, "clusterer=gaussian_mixture", "k=2,3,4"]).plan
    (shard,) = (shard for shard in plan.shards.values() if shard.kind == "clustering")
    assert shard.memory(1) == shard.mem_mb < shard.memory(2) < shard.memory(3) == shard.memory(64)


def test_threads_are_shared_out_by_the_work():
    plan = planning.make(
        [*LARGE, "dataset.sample=9000", "clusterer=agglomerative,gaussian_mixture,kmeans", "k=2,3"]
    ).plan
    fits = [shard for shard in plan.shards.values() if shard.kind == "clustering"]
    given = shards.fair_threads(plan.shards.values(), plan.stages, 16)
    transforms = [shard for shard in plan.shards.values() if shard.kind == "matrix"]
    assert set(given) == {shard.id for shard in (*fits, *transforms)}
    assert all(1 <= threads <= 16 for threads in given.values())
    assert sum(given[shard.id] for shard in fits) <= 16 + len(fits)
    alone = shards.fair_threads(fits[:1], plan.stages, 16)
    assert alone == {fits[0].id: 16}
    assert [given[shard.id] for shard in transforms] == [shards.TRANSFORM_THREADS]


def test_transforms_of_several_matrices_share_the_cores():
    plan = planning.make([NONE, "backbone=pixels,efficientnet_lite0", "chain=l2_umap10", "dataset.sample=500"]).plan
    transforms = [shard for shard in plan.shards.values() if shard.kind == "matrix"]
    assert len(transforms) == 2
    shares = shards.fair_threads(plan.shards.values(), plan.stages, 2)
    assert {shares[shard.id] for shard in transforms} == {1}
    alone = shards.fair_threads(transforms[:1], plan.stages, 2)
    assert list(alone.values()) == [2]


def test_no_report_of_what_fits():
    plan = planning.make([*LARGE, "clusterer=kmeans"]).plan
    limits.check(plan, 100_000)


def test_a_transform_needs_more_memory_for_more_rows():
    sizes = (500, 60_000)
    made = [planning.make([NONE, "backbone=pixels", "chain=l2_umap10", f"dataset.sample={n}"]).plan for n in sizes]
    few, many = (next(shard for shard in plan.shards.values() if shard.kind == "matrix") for plan in made)
    assert 2 * shards.BASE_MB <= few.mem_mb < 2 * shards.BASE_MB + 20
    assert many.mem_mb > few.mem_mb + 500
