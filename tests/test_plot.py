"""`backbench plot`: pictures by hash, what there is, and what there is not."""

from pathlib import Path

import pytest
from fewkinds import copied, finished
from sharing import once
from sweeping import rows_of

from backbench import cli, hashing
from backbench.pictures import drawing, index


@pytest.fixture
def plan(tmp_path, tmp_path_factory, monkeypatch):
    return copied(once(tmp_path_factory, "drawing", finished)[1], tmp_path, monkeypatch)


@pytest.fixture
def row(plan):
    """A run of k-means."""
    return next(row for row in rows_of(plan) if row.params["clusterer.name"] == "kmeans")


@pytest.fixture
def plot(capsys):
    """A function that runs the command: its exit status, and what it said on either stream."""

    def run(*words):
        status = cli.main(["plot", *words])
        return status, *capsys.readouterr()

    return run


def test_a_picture_of_a_run(plot, row):
    status, out, err = plot(row.config_hash[:8], "silhouette")
    (path,) = map(Path, out.splitlines())
    assert status == 0 and path.stem == "silhouette" and path.read_bytes().startswith(b"\x89PNG")
    (one,) = drawing.of_run(row.config_hash)
    assert one.png == path and one.caption in err
    before = path.stat().st_ino
    assert plot(row.config_hash, "silhouette")[1] == out and path.stat().st_ino == before, "drawn once"


def test_all_that_there_are_and_why_others_are_not(plot, row):
    status, out, err = plot(row.config_hash)
    assert status == 0 and {Path(line).stem for line in out.splitlines()} == {"confusion", "silhouette", "predictions"}
    assert "dendrogram: only hierarchical clusterings" in err


def test_a_list_draws_nothing(plot, row):
    assert plot(row.config_hash, "silhouette")[0] == 0
    _, out, _ = plot(row.config_hash, "--list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["confusion"].endswith("not drawn yet") and lines["silhouette"].endswith("silhouette.png")
    assert "not available (only hierarchical" in lines["dendrogram"]
    assert len(drawing.of_run(row.config_hash)) == 1


def test_what_a_run_does_not_have(plot, row):
    status, out, err = plot(row.config_hash, "dendrogram")
    assert (status, out) == (1, "") and "only hierarchical" in err


def test_copies(plot, row, tmp_path):
    short = hashing.short(row.config_hash)
    _, out, _ = plot(row.config_hash, "silhouette", "--to", str(tmp_path / "slides" / "new"))
    assert out.strip() == str(tmp_path / "slides" / "new" / f"{short}-silhouette.png")
    assert {path.suffix for path in (tmp_path / "slides" / "new").iterdir()} == {".png", ".csv"}


def test_a_sweep_with_options(plot, plan):
    status, out, _ = plot(plan.sweep[:10], "heatmap", "metric=nmi", "x=k", "y=clusterer.name")
    assert status == 0 and Path(out.strip()).name == "heatmap-nmi-k-clusterer.name.png"
    names = [one.png.name for one in drawing.of_sweep(plan)]
    assert names == ["heatmap-nmi-k-clusterer.name.png"], "in the folder of the sweep as well"
    status, _, err = plot(plan.sweep, "heatmap", "metric=nmii")
    assert status == 2 and "Did you mean 'nmi'" in err
    assert list(index.read(Path(out.strip()).parent)) == ["heatmap-nmi-k-clusterer.name"], "what failed is forgotten"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("silhouete",), "Did you mean 'silhouette'"),
        (("heatmap",), "a picture of a sweep"),
        (("silhouette", "metric=nmi"), "only pictures of a sweep take options"),
    ],
)
def test_refused(plot, row, words, said):
    status, out, err = plot(row.config_hash, *words)
    assert (status, out) == (2, "") and said in err


def test_an_unknown_hash(plot, plan):
    status, _, err = plot("nothing")
    assert status == 2 and "nothing" in err
