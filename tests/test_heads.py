"""What a head says beside its plugin: settled by the number of rows, then hashed where it is not the default."""

import pytest
from grids import build, cell, run_hash, stage

from backbench.engine.plan import options
from backbench.schema import ConfigError


def test_exact_silhouettes_are_no_part_of_a_hash():
    assert (
        run_hash(cell("clustering.silhouette=exact"))
        == run_hash(cell())
        == run_hash(cell("clustering.silhouette=auto"))
    )
    assert "silhouette_rows" not in stage(build(cell()), "clustering").config
    assert run_hash(cell("clustering.silhouette_rows=500")) == run_hash(cell())


def test_sampled_silhouettes_are():
    found = stage(build(cell("clustering.silhouette=sampled", "clustering.silhouette_rows=500")), "clustering")
    assert found.config["silhouette_rows"] == 500
    assert run_hash(cell("clustering.silhouette=sampled")) != run_hash(cell())


def test_auto_samples_large_collections(monkeypatch):
    monkeypatch.setattr(options, "EXACT_SILHOUETTE_ROWS", 2999)
    assert stage(build(cell()), "clustering").config["silhouette_rows"] == 10_000
    assert "silhouette_rows" not in stage(build(cell("clustering.silhouette=exact")), "clustering").config


def test_the_rows_that_count_are_those_that_are_clustered_together(monkeypatch):
    monkeypatch.setattr(options, "EXACT_SILHOUETTE_ROWS", 2999)
    assert "silhouette_rows" not in stage(build(cell("clustering.scope=train")), "clustering").config


def test_an_exact_search_is_no_part_of_a_hash():
    assert run_hash(cell("retrieval.search=exact")) == run_hash(cell()) == run_hash(cell("retrieval.search=auto"))
    assert "search" not in stage(build(cell()), "retrieval").config


def test_an_approximate_search_is(monkeypatch):
    asked = stage(build(cell("retrieval.search=approximate")), "retrieval").config
    assert asked["search"] == "approximate"
    monkeypatch.setattr(options, "EXACT_SEARCH_ROWS", 2999)
    assert stage(build(cell()), "retrieval").config == asked


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clustering.silhouette", "some"),
        ("clustering.silhouette_rows", 1),
        ("clustering.scope", "test"),
        ("retrieval.search", "fast"),
    ],
)
def test_what_cannot_be_is_refused(key, value):
    with pytest.raises(ConfigError, match=rf"{key}: received {value!r}; allowed"):
        build(cell(f"{key}={value}"))


def test_bootstraps_count_where_there_are_any():
    assert run_hash(cell("clustering.bootstraps=0")) == run_hash(cell())
    assert stage(build(cell("clustering.bootstraps=20")), "clustering").config["bootstraps"] == 20
    with pytest.raises(ConfigError, match="pairs are compared"):
        build(cell("clustering.bootstraps=1"))
