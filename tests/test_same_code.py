"""Code that is declared to have the same results: what holds, what lapses, and that every link of a chain counts."""

import pytest

from backbench import hashing
from backbench.engine.grid import Stage
from backbench.engine.plan import same_code

FEATURES, FIT = ("backbench.stages.features", "backbench.backbones.pixels"), ("backbench.stages.clustering", "x")


@pytest.fixture
def table(monkeypatch):
    tables = (
        {same_code.key_of(FEATURES): ("features of a", "features now"), same_code.key_of(FIT): ("fit of a", "fit now")},
        {same_code.key_of(FIT): ("fit of b", "fit now")},
    )
    monkeypatch.setattr(same_code, "baselines", lambda: tables)


def link(own, *parents):
    return hashing.digest({"own": own, "parents": sorted(parents)})


def test_a_chain_has_the_digests_of_before(table):
    features = same_code.chained(FEATURES, "features now", [])
    assert features == (link("features of a"), "")
    assert same_code.chained(FIT, "fit now", [features]) == (link("fit of a", link("features of a")), "")


def test_an_edited_module_lets_the_declaration_lapse(table):
    assert same_code.chained(FEATURES, "features edited", []) == ("", "")
    assert same_code.chained(FIT, "fit now", [("", "")]) == ("", "")
    assert same_code.chained(FIT, "fit edited", [same_code.chained(FEATURES, "features now", [])]) == ("", "")


def test_a_record_counts_by_its_code():
    stage = Stage("h", "clustering", "kmeans", {}, {}, {}, {}, "now", same_code=("before", ""))
    assert [stage.made({"code": code}) for code in ("now", "before", "", "other")] == [True, True, False, False]


def test_the_table_can_be_read():
    for entry in same_code.baselines():
        assert all(len(then) == len(now) == 64 for then, now in entry.values())
