"""The audit, the folder and the left-out files are those of what was asked for now, whoever computed the rest."""

import json
import os
import shutil

import pytest
from pictures import paint
from sweeping import computed

from backbench import cli, paths, planning
from backbench.datasets import _intake
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.images.decoding import Unreadable
from backbench.store import Store
from backbench.tracking import sweeps

GRID = ("experiment=none", "backbone=pixels", "backbone.image.size=16", "clusterer=kmeans", "k=2", "classifier=knn")

pytestmark = pytest.mark.usefixtures("own_results")


def break_files(root, count, tag=""):
    for number in range(count):
        (root / "class0" / f"broken{tag}{number}.png").write_bytes((root / "class0" / "00.png").read_bytes()[:100])


@pytest.fixture
def audited(capsys):
    """Exit status and report of an audit of a folder."""

    def audit(root, *more) -> tuple[int, dict]:
        capsys.readouterr()
        status = cli.main(["audit", "dataset=folder", f"dataset.root={root}", "--json", "--strict", *more])
        return status, json.loads(capsys.readouterr().out)

    return audit


def row(made) -> Row:
    return next(iter(ledger.rows(made, ledger.read_records(made, Store(paths.store())))))


def excluded(made) -> dict:
    one = row(made)
    return dict(one.records[one.stages["dataset"]]["info"]["excluded"])


def test_files_that_break_or_are_mended_later_are_in_the_next_audit(folder, audited):
    assert audited(folder)[0] == cli.OK
    break_files(folder, 3)
    status, report = audited(folder)
    assert status == cli.DIFFERS and [entry["path"] for entry in report["unreadable"]] == [
        f"class0/broken{number}.png" for number in range(3)
    ]
    for number in range(3):
        (folder / "class0" / f"broken{number}.png").unlink()
    assert audited(folder)[0] == cli.OK


def test_an_audit_is_of_the_folder_that_was_asked_for(folder, tmp_path, audited):
    other = shutil.copytree(folder, tmp_path / "other")
    break_files(other, 1)
    assert audited(folder)[1]["root"] == str(folder)
    report = audited(other)[1]
    assert report["root"] == str(other) and [entry["path"] for entry in report["unreadable"]] == ["class0/broken0.png"]
    report = audited(folder)[1]
    assert report["root"] == str(folder) and report["unreadable"] == []


def test_a_second_table_has_its_own_list_of_what_it_does_not_name(folder, tmp_path, audited):
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    break_files(folder, 1)
    lines = {"first.csv": names[:20], "second.csv": [*names[:20], "class0/broken0.png"]}
    reports = {}
    for table, listed in lines.items():
        path = tmp_path / table
        path.write_text("path,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in listed))
        reports[table] = audited(folder, f"dataset.csv={path}")[1]
    assert [len(report["unreadable"]) for report in reports.values()] == [0, 1]
    assert [len(report["passed_over"]) for report in reports.values()] == [11, 10]


def test_runs_share_results_and_say_what_was_left_out_of_their_own_collection(folder, tmp_path, capsys):
    whole = computed(*GRID, "dataset=folder", f"dataset.root={folder}")
    other = shutil.copytree(folder, tmp_path / "other")
    break_files(other, 2)
    (other / "clip.mp4").write_bytes(b"film")
    second = computed(*GRID, "dataset=folder", f"dataset.root={other}")
    assert set(whole.runs) == set(second.runs), "the readable content is the same"
    assert excluded(whole) == {}
    assert sorted(excluded(second)) == ["class0/broken0.png", "class0/broken1.png", "clip.mp4"]
    one = row(second)
    assert one.records[one.stages["dataset"]]["info"]["root"] == str(other)
    assert sweeps._tags(one)["dataset.excluded"] == "3"
    ledger.join(second, ledger.read_records(second, Store(paths.store())))
    current = dict.fromkeys(whole.stages, "current")
    assert not ledger.joined(whole, current, current), "the joined records are of the other folder"
    assert cli.main(["show", one.config_hash[:12]]) == cli.OK
    assert "left out: clip.mp4" in capsys.readouterr().out


def test_a_copy_is_read_whatever_became_of_the_first(folder, tmp_path):
    first = computed(*GRID, "dataset=folder", f"dataset.root={folder}", without=("features", *ledger.HEADS))
    other = shutil.copytree(folder, tmp_path / "other")
    paint(folder / "class0" / "00.png", 99)
    (folder / "class0" / "03.png").unlink()
    second = computed(*GRID, "dataset=folder", f"dataset.root={other}")
    assert set(first.runs) == set(second.runs)
    assert row(second).status == "finished"


def replace_behind_size_and_time(folder):
    """A file becomes a picture of another class, and of the same size and modification time."""
    path = folder / "class0" / "00.png"
    about, content = path.stat(), path.read_bytes()
    other = (folder / "class1" / "01.png").read_bytes()
    path.write_bytes(other + bytes(max(0, len(content) - len(other))))
    os.truncate(path, len(content)) if len(other) > len(content) else None
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    return path


def test_a_file_that_was_replaced_behind_its_size_and_time_is_read_anew(folder, audited):
    audited(folder)
    replace_behind_size_and_time(folder)
    assert audited(folder)[1]["counts"]["duplicates"] == 1


def test_a_file_that_changed_unseen_is_read_anew_by_the_next_launch(folder):
    """As on a file system that knows no change times."""
    overrides = (*GRID, "dataset=folder", f"dataset.root={folder}")
    first = computed(*overrides, without=("features", *ledger.HEADS, "audit"))
    path = replace_behind_size_and_time(folder)
    (registry,) = (paths.results() / "fingerprints").glob("*.json")
    body = json.loads(registry.read_text())
    body["files"]["class0/00.png"]["ctime_ns"] = path.stat().st_ctime_ns
    registry.write_text(json.dumps(body))
    assert planning.make(overrides).plan.runs.keys() == first.runs.keys(), "nobody can see the change without reading"
    shutil.rmtree(paths.store() / "pixels")
    with pytest.raises(Unreadable, match=r"has changed since the folder was fingerprinted.*; launch again"):
        computed(*overrides)
    again = computed(*overrides)
    assert again.runs.keys() != first.runs.keys() and row(again).status == "finished"


def test_an_intake_is_kept_once_by_its_content(tmp_path):
    first = _intake.keep(tmp_path, {"b": "x", "a": "y"})
    assert first == _intake.keep(tmp_path, {"a": "y", "b": "x"}) != _intake.keep(tmp_path / "z", {"a": "y", "b": "x"})
    assert dict(_intake.read(first)) == {"root": str(tmp_path), "excluded": {"a": "y", "b": "x"}}
    record = {"info": {"n": 3, "root": "/old", "excluded": {}}}
    assert _intake.asked(record, {"intake": first})["info"] == {"n": 3, **_intake.read(first)}
    assert _intake.asked(record, {}) is record and _intake.asked(record, {"intake": "0" * 64}) == record
