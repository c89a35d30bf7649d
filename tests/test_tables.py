"""Rows as tables: conditions, order, and what machines read."""

import csv
import io
import json
import math

import pytest
from stored import Stored

from backbench.engine.results import tables
from backbench.schema import ConfigError

NAN = math.nan
RECORDS = [
    {"config_hash": "a", "status": "finished", "name": "a", "k": 2, "clusterer.name": "kmeans", "nmi": 0.5},
    {"config_hash": "b", "status": "finished", "name": "b", "k": 10, "clusterer.name": "kmeans", "nmi": NAN},
    {"config_hash": "c", "status": "failed", "name": "c", "clusterer.name": "dbscan", "reason": 'why, "so"\nand on'},
    {
        "config_hash": "d",
        "status": "finished",
        "name": "d",
        "k": 9,
        "clusterer.name": "ward",
        "nmi": -0.1,
        "flag": True,
    },
]


def chosen(*conditions) -> str:
    return "".join(record["config_hash"] for record in tables.select(RECORDS, conditions))


def ordered(key) -> str:
    return "".join(record["config_hash"] for record in tables.order(RECORDS, key))


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("k=2", "a"),
        ("k==2.0", "a"),
        ("k>=9", "bd"),
        ("k>9", "b"),
        ("k<=9", "ad"),
        ("k<9", "a"),
        ("k!=2", "bcd"),
        (" k >= 9 ", "bd"),
        ("clusterer.name=kmeans", "ab"),
        ("clusterer.name!=kmeans", "cd"),
        ("status=failed", "c"),
        ("nmi>0", "a"),
        ("nmi<1", "ad"),
        ("nmi=0.5", "a"),
        ("flag=true", "d"),
        ("flag=True", "d"),
        ("k=ten", ""),
        ("k!=ten", "abcd"),
        ("purity>0", ""),
        ("name=", ""),
    ],
)
def test_a_condition_chooses(condition, found):
    assert chosen(condition) == found


def test_every_condition_has_to_be_met():
    assert chosen("k>=2", "clusterer.name=kmeans", "k<10") == "a"
    assert chosen() == "abcd"


@pytest.mark.parametrize("condition", ["", "k", "=3", ">=", "k~3", "a b=3"])
def test_what_is_no_condition_is_refused(condition):
    with pytest.raises(ConfigError, match="--filter"):
        tables.select(RECORDS, [condition])


def test_unknown_columns_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean 'clusterer\.name'"):
        tables.select(RECORDS, ["clusterer.nam=kmeans"])
    with pytest.raises(ConfigError, match="Did you mean 'purity'"):
        tables.order(RECORDS, "-purty")
    assert tables.select([], ["whatever=3"]) == [] and tables.order([], "whatever") == []


@pytest.mark.parametrize(
    ("key", "found"),
    [("k", "adbc"), ("-k", "bdac"), ("nmi", "dabc"), ("-nmi", "adbc"), ("clusterer.name", "cabd"), (None, "abcd")],
)
def test_order_puts_what_has_no_value_last(key, found):
    assert ordered(key) == found


def test_columns_of_mixed_type_are_ordered_as_text():
    mixed = [{"config_hash": "a", "x": 10}, {"config_hash": "b", "x": "2"}, {"config_hash": "c", "x": "null"}]
    assert [record["x"] for record in tables.order(mixed, "x")] == [10, "2", "null"]


def test_columns_stand_in_a_fixed_order():
    names = tables.columns([*RECORDS, {"seconds_clustering": 1.0, "backbone.name": "pixels", "inertia": 3.0}])
    assert names[:3] == ["config_hash", "status", "name"] and names[-2:] == ["reason", "code"]
    assert names.index("backbone.name") < names.index("k") < names.index("silhouette") < names.index("inertia")
    assert len(names) == len(set(names))


def test_metrics_stand_behind_parameters():
    names = tables.columns([{"precision_at_3": 0.5, "silhouette_sampled_se": 0.1, "seconds_audit": 2.0, "zoom": 1}])
    params = names[len(tables.HEAD) : names.index("silhouette")]
    assert params == ["zoom"]


def test_a_metric_that_is_not_in_the_catalogue_is_no_parameter(own_results):
    (row,) = Stored(metrics=lambda stage: {"silhouete": 0.5}).rows(
        *("clusterer=kmeans", "k=3", "classifier=none", "retrieval=none")
    )
    with pytest.raises(ConfigError, match=r"metric of run \w+: received 'silhouete'.*Did you mean 'silhouette'\?"):
        tables.flatten(row)


def test_csv_reads_back():
    read = list(csv.DictReader(io.StringIO(tables.to_csv(RECORDS))))
    assert [row["config_hash"] for row in read] == ["a", "b", "c", "d"]
    assert [row["nmi"] for row in read] == ["0.5", "", "", "-0.1"]
    assert read[2]["reason"] == 'why, "so"\nand on'
    assert list(read[0]) == tables.columns(RECORDS)


def test_json_reads_back():
    read = json.loads(tables.to_json(RECORDS))
    assert [row["nmi"] for row in read] == [0.5, None, None, -0.1]
    assert read[2]["reason"] == 'why, "so"\nand on' and read[3]["flag"] is True
    assert "NaN" not in tables.to_json(RECORDS)


@pytest.mark.parametrize("form", [tables.to_csv, tables.to_json])
def test_chosen_columns_alone(form):
    text = form(RECORDS, ["k", "config_hash"])
    assert "kmeans" not in text and text.index("k") < text.index("config_hash")
    assert text.endswith("\n")


def test_nothing_is_a_table_too():
    assert json.loads(tables.to_json([])) == []
    assert tables.to_csv([]).startswith("config_hash,status,name,")
