"""Names of clusters: what a person fills in is kept, and becomes a labelled collection that can be swept."""

import csv
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from albums import again, source_of, sweep

from backbench import cli, hashing, organising, paths, planning
from backbench.compose import collection as places
from backbench.organising import label, naming, sheets
from backbench.pictures.kinds.cluster_samples import from_mean
from backbench.schema import ConfigError


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    return folder, sweep(folder, "dataset.labels=none", "classifier=none")


@pytest.fixture
def run(album, monkeypatch):
    """The run; no cluster has a name."""
    folder, found = album
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    shutil.rmtree(folder / "results" / "labels", ignore_errors=True)
    again(folder)
    return found


@pytest.fixture
def source(run):
    return source_of(run)


def call(capsys, *words):
    code = cli.main(["label", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def lines(path) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_the_first_call_writes_a_table_to_fill_in(run, source, capsys):
    code, out, err = call(capsys, run[:9])
    sheet = naming.path(run)
    assert code == 0 and out.splitlines()[-1] == str(sheet) == str(paths.results() / "labels" / f"{run[:12]}.csv")
    assert f"backbench plot {run[:12]} cluster_samples" in err and "--set 0=NAME" in err
    rows, x = lines(sheet), source.matrix("clustering")
    assert tuple(rows[0]) == sheets.TITLES and [row["cluster"] for row in rows] == ["0", "1", "2"]
    for row in rows:
        members = np.flatnonzero(source.labels == int(row["cluster"]))
        nearest = members[np.argsort(from_mean(x, members), kind="stable")][:4]
        names = [Path(source.info("dataset")["files"][at]).name for at in nearest]
        assert (row["images"], row["name"], row["examples"]) == (str(len(members)), "", "; ".join(names))
    before = sheet.read_bytes()
    assert call(capsys, run)[0] == 0 and sheet.read_bytes() == before


def test_named_clusters_become_a_collection_that_is_swept_as_printed(run, album, source, capsys):
    code, out, err = call(capsys, run, "--set", "0=boots", "--set", "cluster 02= hats and caps ")
    target = label.default(source)
    assert code == 0 and out.splitlines()[-1] == str(target) and "10 left out without a name" in err
    assert organising.names(run) == {0: "boots", 2: "hats and caps"}
    files = source.info("dataset")["files"]
    expected = {files[at]: organising.names(run)[n] for at, n in enumerate(source.labels.tolist()) if n != 1}
    assert {row["path"]: row["label"] for row in lines(target)} == expected
    (command,) = [line.partition("backbench sweep ")[2] for line in err.splitlines() if "backbench sweep" in line]
    path, root = command.split()
    plan = planning.make([*places.overrides_of(path), root, "experiment=none", "backbone=pixels", "classifier=knn"])
    dataset = next(stage for stage in plan.plan.stages.values() if stage.kind == "dataset")
    assert dataset.about["n"] == 20 and any(stage.kind == "classification" for stage in plan.plan.stages.values())
    assert call(capsys, run, "--set", "0=")[0] == 0 and organising.names(run) == {2: "hats and caps"}


SPREADSHEETS = {
    "bom": ("cluster,images,name,examples\n0,10,boots,a\n1,10,boots,b\n2,10,,c\n", "utf-8-sig"),
    "semicolons": ('Cluster;Name\r\n"cluster 00";boots\r\n1,0;boots\r\n'.replace("1,0", "1.0"), "utf-8"),
    "quotes": ('name,cluster\n"boots",0\n boots ,1\n', "utf-8"),
    "tabs": ("cluster\tname\n0\tboots\n1\tboots\n", "utf-16"),
}


@pytest.mark.parametrize("kind", SPREADSHEETS)
def test_names_from_a_spreadsheet(run, tmp_path, capsys, kind):
    organising.save_names(run, {2: "old"})
    code, _, err = call(capsys, run, "--names", written(tmp_path / "names.csv", *SPREADSHEETS[kind]))
    kept = {} if kind == "bom" else {2: "old"}
    assert code == 0 and organising.names(run) == {0: "boots", 1: "boots", **kept}
    assert "boots 20" in err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cluster,name\n0,a\n7,b\n", "line 3: there is no cluster 7; the run has 0, 1 and 2"),
        ("cluster,name\n0,a\n1,b\n0,c\n", "line 4: cluster 0 is in line 2 already"),
        ("cluster,naem\n0,a\n", "line 1: no column 'name' among cluster and naem. Rename 'naem'?"),
        ("cluster,name\nzero,a\n", "line 2: received the cluster 'zero'"),
        ("cluster,name\n0,nan\n", "line 2: 'nan' stands for a missing value"),
        ('cluster,name\n0,"a\nb"\n', "line 2: received the name"),
        ("cluster,name\n0," + "a" * 101 + "\n", "101 characters"),
        ("cluster,name\n0,a,b\n", "line 2: 3 cells"),
        ("cluster,name\n", "has no rows"),
        ("", "is empty"),
    ],
)
def test_tables_that_are_refused_name_the_line(run, source, tmp_path, capsys, text, reason):
    code, out, err = call(capsys, run, "--names", written(tmp_path / "names.csv", text))
    assert (code, out) == (2, "") and reason in err and "dataset.csv" not in err, err
    assert not naming.path(run).exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--set", "boots"), "has no ="),
        (("--set", "0=a", "--set", "0=b"), "a second time"),
        (("--set", "9=a"), "there is no cluster 9"),
        (("--names", "/no/such.csv"), "is not a file"),
        (("--to", "/tmp"), "has a name yet"),
    ],
)
def test_words_that_are_refused(run, capsys, words, reason, tmp_path):
    words = [str(tmp_path / "new.csv") if word == "/tmp" else word for word in words]
    code, _, err = call(capsys, run, *words)
    assert code == 2 and reason in err


def test_single_images_are_corrected(run, source, tmp_path, capsys):
    files = source.info("dataset")["files"]
    clusters = dict(zip(files, source.labels.tolist(), strict=True))
    zero = sorted(name for name in files if clusters[name] == 0)
    one = sorted(name for name in files if clusters[name] == 1)
    absolute = source_root(source) / zero[1]
    text = f"path;label\n{zero[0]};\n{absolute};shoes\n{one[0]};boots\n"
    code, _, err = call(capsys, run, "--set", "0=boots", "--fix", written(tmp_path / "fix.csv", text))
    assert code == 0 and "3 labels of single images" in err
    labels = {row["path"]: row["label"] for row in lines(label.default(source))}
    assert labels == {**dict.fromkeys(zero[2:], "boots"), zero[1]: "shoes", one[0]: "boots"}
    for text, reason in (
        ("path,label\ncat/none.png,x\n", "line 2"),
        (f"path,label\n{one[0]},a\n{one[0]},b\n", "line 3"),
    ):
        code, _, err = call(capsys, run, "--fix", written(tmp_path / "fix.csv", text))
        assert code == 2 and reason in err, err


def source_root(source) -> Path:
    return Path(source.info("dataset")["root"])


def test_a_file_of_the_user_is_not_overwritten(run, tmp_path, capsys):
    target = written(tmp_path / "mine.csv", "path,label\na.png,b\n")
    code, _, err = call(capsys, run, "--set", "0=boots", "--to", target)
    assert code == 2 and "name another file" in err and target.read_text() == "path,label\na.png,b\n"
    assert call(capsys, run, "--to", tmp_path / "new.csv")[0] == call(capsys, run, "--to", tmp_path / "new.csv")[0] == 0


def test_two_writers_lose_no_name(run):
    def write(number):
        for text in ("a", "b", "c"):
            organising.save_names(run, {number: f"{text}{number}"})

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert organising.names(run) == {number: f"c{number}" for number in range(6)}
    assert not list(naming.path(run).parent.glob(".tmp-*"))


def test_a_table_that_was_broken_by_hand_is_no_traceback(run, capsys):
    written_to = naming.path(run)
    written_to.parent.mkdir(parents=True)
    written_to.write_text("cluster,name\n0,a\n0,b\n")
    with pytest.raises(ConfigError, match="line 3"):
        organising.names(run)
    assert call(capsys, run)[0] == 2 and written_to.read_text().endswith("0,b\n")


def test_clusters_of_splits_apart_have_no_names(run, monkeypatch, capsys):
    monkeypatch.setattr(label.folders, "apart", lambda source: True)
    code, _, err = call(capsys, run)
    assert code == 2 and "clustering.scope=all" in err and hashing.short(run) in err


@pytest.mark.parametrize("name", ["[/red] boots", "[bold]boots"])
def test_brackets_in_names_are_shown_as_they_are(run, capsys, name):
    code, out, _ = call(capsys, run, "--set", f"0={name}")
    assert code == 0 and name in out
