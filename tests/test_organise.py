"""Photographs in a folder for each cluster: nothing is overwritten, and what was moved comes back."""

import csv
import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from albums import again, source_of, sweep, tree
from sklearn.metrics import silhouette_samples

from backbench import cli, organising
from backbench.organising import carrying, centres, folders, journal, moves, tables, undoing
from backbench.schema import ConfigError


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    return folder, sweep(folder)


@pytest.fixture
def run(album, monkeypatch):
    """The run; the photographs are as they were swept, and no cluster has a name."""
    folder, found = album
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    shutil.rmtree(folder / "results" / "labels", ignore_errors=True)
    again(folder)
    return found


@pytest.fixture
def photos(album, run):
    return album[0] / "photos"


@pytest.fixture
def source(run):
    return source_of(run)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "sorted"


def call(capsys, *words):
    code = cli.main(["organise", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def placed(target: Path) -> set[str]:
    return {path.relative_to(target).as_posix() for path in target.glob("*/*")}


# Links


def test_links_in_a_folder_for_each_cluster(run, photos, source, target, capsys):
    code, out, err = call(capsys, run[:8], target)
    assert (code, out.split()) == (0, [str(target), str(target / "clusters.csv")])
    assert "30 photographs of photos" in err and "30 photographs linked, 0 there already" in err
    links = sorted(target.glob("cluster 0?/*.png"))
    assert len(links) == 30 and all(link.is_symlink() for link in links)
    for number in range(3):
        inside = {Path(os.path.realpath(link)) for link in (target / f"cluster 0{number}").iterdir()}
        names = source.info("dataset")["files"]
        assert inside == {photos / names[row] for row in np.flatnonzero(source.labels == number)}
    assert {link.name for link in links} == {f"{n:02}{again}.png" for n in range(15) for again in ("", " (2)")}
    assert call(capsys, run, target)[2].count("30 there already") == 1 and sorted(target.glob("*/*")) == links


def test_links_are_relative_where_both_can_be_moved_together(run, album, source, tmp_path):
    beside = album[0] / "beside"
    organising.carry_out(organising.plan(source, beside))
    organising.carry_out(organising.plan(source, tmp_path / "else" / "where"))
    assert not next(beside.glob("*/*.png")).readlink().is_absolute()
    assert next((tmp_path / "else" / "where").glob("*/*.png")).readlink().is_absolute()
    assert all(link.exists() for link in beside.glob("*/*.png"))
    shutil.rmtree(beside)


def test_a_file_system_without_links_is_told_from_the_other_errors(source, target, monkeypatch):
    def refused(self, to):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refused)
    with pytest.raises(ConfigError, match="Add --copy"):
        organising.carry_out(organising.plan(source, target))


def test_nothing_of_others_is_overwritten(run, photos, target, capsys):
    mine = {"cluster 00/00.png": "mine", "cluster 01/00.png": "mine", "cluster 02/00.png": "mine", "clusters.csv": "a"}
    for name, text in mine.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    code, _, err = call(capsys, run, target, "--copy")
    assert code == 0 and "these folders also have 3 other files, such as cluster 00/00.png; they stay" in err
    assert {name: (target / name).read_text() for name in mine} == mine
    assert {"00 (2).png", "00 (3).png"} <= {path.name for path in target.glob("*/*")}
    assert len(table(target / "clusters (2).csv")) == 30
    before = tree(target)
    assert "30 there already" in call(capsys, run, target, "--copy")[2] and tree(target) == before


def test_the_same_names_differ_in_case_alone_for_some_file_systems(source, target):
    seeker = moves._Seeker(organising.plan(source, target).photographs, target, "link", journal.Record())
    seeker._settle(0, "cluster 00/A.PNG")
    origin = seeker.files.path(1)
    assert not seeker._take(1, origin, "cluster 00/a.png") and seeker._take(1, origin, "cluster 00/a (2).png")


# The table


def test_the_table_holds_distances_and_widths(run, photos, source, target, capsys):
    call(capsys, run, target)
    rows = table(target / "clusters.csv")
    assert tuple(rows[0]) == tables.CLUSTERS
    files, x = source.info("dataset")["files"], np.asarray(source.matrix("clustering"), float)
    assert [row["path"] for row in rows] == sorted(files)
    widths = silhouette_samples(x, source.labels)
    for row in rows:
        at = files.index(row["path"])
        mean = x[source.labels == source.labels[at]].mean(axis=0)
        assert int(row["cluster"]) == source.labels[at] and row["name"] == ""
        assert float(row["distance"]) == pytest.approx(np.linalg.norm(x[at] - mean), rel=1e-5)
        assert float(row["silhouette"]) == pytest.approx(widths[at], abs=1e-5)
        assert (target / row["organised"]).read_bytes() == (photos / row["path"]).read_bytes()


def test_widths_that_are_not_stored_are_computed_up_to_a_size(source, monkeypatch):
    stored = source.widths
    monkeypatch.setitem(source.__dict__, "widths", None)
    np.testing.assert_allclose(centres.widths(source), stored, atol=1e-6)
    monkeypatch.setattr(centres, "MOST", 29)
    assert centres.widths(source) is None


def test_noise_and_images_out_of_scope_have_folders_of_their_own(source, target):
    labels = source.labels.copy()
    labels[:2], labels[2:4] = -1, -2
    source.__dict__["labels"] = labels
    plan = organising.plan(source, target)
    assert plan.sizes["noise"] == plan.sizes["not clustered"] == 2
    organising.carry_out(plan)
    rows = [row for row in table(target / "clusters.csv") if int(row["cluster"]) < 0]
    assert {(row["cluster"], row["name"], row["distance"]) for row in rows} == {
        ("-1", "noise", ""),
        ("-2", "not clustered", ""),
    }


def test_splits_that_were_clustered_apart_have_folders_apart(source, target, monkeypatch):
    monkeypatch.setattr(folders._heads, "scope", lambda source: "per_split")
    names = set(organising.plan(source, target).sizes)
    assert {"train cluster 00", "test cluster 00", "validation cluster 00"} <= names


# Names


def test_folders_have_the_names_of_the_clusters(run, source, target, tmp_path, capsys):
    organising.save_names(run, {0: "boots", 1: "a/b: c?"})
    assert set(organising.plan(source, target).sizes) == {"boots", "a_b_ c_", "cluster 02"}
    (tmp_path / "names.csv").write_text("cluster,name\n0,Boots\n1,boots\n2,..\n")
    code, _, err = call(capsys, run, target, "--names", tmp_path / "names.csv")
    assert code == 0 and "'Boots' and 'boots' share the folder 'Boots'" in err
    assert {path.name for path in target.iterdir() if path.is_dir()} == {"Boots", "_"}
    assert {row["name"] for row in table(target / "clusters.csv")} == {"Boots", "boots", ".."}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        *(("..", "_"), (".hidden", "_hidden"), ("con", "con_"), ("a. ", "a"), ("NUL.txt", "NUL.txt_"), ("\n", "_")),
        ("Backbench-moves.jsonl", "Backbench-moves.jsonl_"),
    ],
)
def test_names_that_are_no_folders(name, safe):
    assert folders.safe(name) == safe
    assert len(folders.safe("ä" * 300).encode()) <= folders.LONGEST


def test_numbers_fit_into_the_longest_names():
    assert moves.numbered("a.tar.png", 2) == "a.tar (2).png" and moves.numbered("a", 3) == "a (3)"
    assert len(os.fsencode(moves.numbered("ä" * 125 + ".jpeg", 12))) <= 255


def test_classes_given_and_predicted(run, source, target, capsys):
    code, _, err = call(capsys, run, target, "--by", "class")
    train = int((source.split == 0).sum())
    assert code == 0 and f"{train} training images by their given class, the {30 - train} others as predicted" in err
    for row in table(target / "classes.csv"):
        at = source.info("dataset")["files"].index(row["path"])
        given = source.split[at] == 0
        expected = source.names[source.truth[at] if given else source.predictions[at]]
        assert (row["class"], row["source"]) == (expected, "given" if given else "predicted")
        assert row["organised"].startswith(f"{expected}/")


# Refusals


def test_what_is_refused(run, photos, source, target, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for words, text in (
        ((run,), "give a run and a folder"),
        ((run, target, "--undo", target), "--undo takes a folder alone"),
        ((run, tmp_path / "file"), "is a file"),
        ((run, photos / "sorted"), "inside the collection"),
        ((run, target, "--by", "class", "--names", "x"), "leave out --by class"),
        ((run, target, "--names", tmp_path / "none.csv"), "is not a file"),
        (("--undo", target), "nothing was moved there"),
    ):
        code, out, err = call(capsys, *words)
        assert (code, out) == (2, "") and text in err, err
    assert not target.exists() and len(tree(photos)) == 32


def test_arrays_have_no_files(source, target):
    info = {key: value for key, value in source.info("dataset").items() if key != "files"}
    source.row.records[source.row.stages["dataset"]]["info"] = info
    with pytest.raises(ConfigError, match=r"pixels in arrays, not of image files.*backbench export"):
        organising.plan(source, target)


def test_an_unpacked_archive_is_linked_with_a_note_and_not_moved(source, photos, target, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(photos.parent))
    assert any("unpacked copy of an archive" in note for note in organising.plan(source, target).notes)
    assert not organising.plan(source, target, "copy").notes
    with pytest.raises(ConfigError, match="--copy"):
        organising.plan(source, target, "move")


def test_links_and_copies_are_not_mixed_with_moves(run, photos, target, capsys):
    call(capsys, run, target)
    for how in ("--move", "--copy"):
        code, _, err = call(capsys, run, target, how, "--yes")
        assert code == 2 and "has links to 30 photographs" in err
    assert len(tree(photos)) == 32


def test_photographs_that_vanished_or_changed_are_left_alone(run, photos, target, capsys):
    (photos / "cat" / "00.png").unlink()
    (photos / "cat" / "01.png").write_bytes(b"other")
    (photos / "cat" / "02.png").unlink()
    (photos / "cat" / "02.png").symlink_to(photos / "dog" / "02.png")
    code, _, err = call(capsys, run, target, "--move", "--yes")
    assert code == 1 and "not there any more: cat/00.png" in err
    assert "changed since the sweep: cat/01.png and cat/02.png" in err
    assert {path.name for path in (photos / "cat").iterdir()} >= {"01.png", "02.png"}
    assert len(placed(target)) == 27


def test_without_any_photograph_nothing_is_made(run, photos, target, capsys):
    call(capsys, run, target, "--move", "--yes")
    code, out, err = call(capsys, run, target.with_name("another"), "--move", "--yes")
    assert (code, out) == (1, "") and "nothing to do" in err and not target.with_name("another").exists()


def test_a_disk_that_is_too_small(source, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(ConfigError, match=r"has room for 0.0 GB"):
        organising.carry_out(organising.plan(source, target, "copy"))


# Moves


def test_a_move_asks_and_can_be_undone(run, photos, target, capsys, monkeypatch):
    before = tree(photos)
    code, _, err = call(capsys, run, target, "--move")
    assert code == 2 and f"backbench organise {run} {target} --move --yes" in err
    assert call(capsys, run, target, "--move", "--dry-run")[0] == 0
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, expected in (("n", 1), ("", 1), ("y", 0)):
        assert tree(photos) == before and not target.exists()
        monkeypatch.setattr("builtins.input", lambda text, answer=answer: answer)
        assert call(capsys, run, target, "--move")[0] == expected
    assert not list(photos.rglob("*.png")) and len(placed(target)) == 30
    assert "30 there already" in call(capsys, run, target, "--move")[2]
    code, _, err = call(capsys, "--undo", target)
    assert code == 0 and "30 photographs put back" in err
    assert tree(photos) == before and not target.exists()


def test_other_files_in_the_target_stay(run, photos, target, capsys):
    (target / "cluster 00").mkdir(parents=True)
    (target / "cluster 00" / "00.png").write_text("mine")
    before = tree(photos)
    call(capsys, run, target, "--move", "--yes")
    (target / "cluster 01" / "note.txt").write_text("mine, too")
    assert call(capsys, "--undo", target)[0] == 0
    assert tree(photos) == before
    assert set(tree(target)) == {"cluster 00", "cluster 00/00.png", "cluster 01", "cluster 01/note.txt"}


def test_named_later_what_was_moved_moves_on_and_comes_back(run, source, photos, target, capsys):
    before = tree(photos)
    call(capsys, run, target, "--move", "--yes")
    organising.save_names(run, {0: "boots", 1: "boots"})
    assert call(capsys, run, target, "--move", "--yes")[0] == 0
    assert {Path(name).parts[0] for name in placed(target)} == {"boots", "cluster 02"}
    assert "30 there already" in call(capsys, run, target, "--move", "--yes")[2]
    assert call(capsys, "--undo", target)[0] == 0 and tree(photos) == before and not target.exists()


def test_a_collection_sorted_in_place(run, photos, capsys):
    before = tree(photos)
    assert call(capsys, run, photos, "--move", "--yes")[0] == 0
    assert len(list(photos.glob("cluster 0?/*.png"))) == 30
    assert call(capsys, "--undo", photos)[0] == 0 and tree(photos) == before


def test_equal_files_in_one_cluster_each_come_back(run, album, photos, source, target):
    files = source.info("dataset")["files"]
    first, second = np.flatnonzero(source.labels == 0)[:2]
    names = [*files]
    names[second] = "dog/" + Path(files[first]).name.replace(".png", "x.png")
    shutil.copy(photos / files[first], photos / names[second])
    record = source.row.records[source.row.stages["dataset"]]
    record["info"] = {**record["info"], "files": names}
    plan = organising.plan(source, target, "move")
    plan.photographs.digests[second] = plan.photographs.digests[first]
    before = tree(photos)
    organising.carry_out(plan)
    organising.undo(target)
    assert tree(photos) == before


def test_undo_says_what_it_cannot_put_back(run, photos, target, capsys):
    call(capsys, run, target, "--move", "--yes")
    rows = {row["path"]: target / row["organised"] for row in table(target / "clusters.csv")}
    (photos / "cat" / "00.png").write_text("another")
    rows["cat/01.png"].unlink()
    rows["cat/02.png"].write_text("edited")
    shutil.rmtree(photos / "dog")
    code, _, err = call(capsys, "--undo", target)
    assert code == 1 and "28 photographs put back" in err and "changed after the move: cat/02.png" in err
    assert "another file is where it was" in err and "neither where it was" in err
    assert rows["cat/00.png"].exists() and (photos / "cat" / "02.png").read_text() == "edited"
    (photos / "cat" / "00.png").unlink()
    rows["cat/01.png"].write_text("found again")
    assert call(capsys, "--undo", target)[0] == 0 and not target.exists()


def test_a_journal_of_others_is_refused(source, target, capsys):
    target.mkdir()
    for text, reason in (
        ('{"journal": "x"}\n', "another program"),
        ("[]\n", "line 1"),
        (json.dumps({**journal.HEAD, "table": "../x"}) + "\n", "is not inside"),
        (json.dumps(journal.HEAD) + '\n{"move": {"path": "a"}}\n', "line 2"),
    ):
        (target / journal.NAME).write_text(text)
        code, _, err = call(capsys, "--undo", target)
        assert code == 2 and reason in err and (target / journal.NAME).read_text() == text


# Interruptions


STEPS = ("link", "unlink", "mkdir", "fsync", "replace", "rename", "truncate", "rmdir")


def killed(after: int, work) -> bool:
    """Do the work in a process that is killed before its step number `after`; whether it was."""
    pid = os.fork()
    if pid == 0:
        count = [0]
        for name in STEPS:
            setattr(os, name, counting(getattr(os, name), count, after))
        try:
            work()
        except BaseException:
            os._exit(3)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 9), code
    return code == 9


def counting(function, count, after):
    def step(*args, **kwargs):
        count[0] += 1
        if count[0] > after:
            os._exit(9)
        return function(*args, **kwargs)

    return step


def elsewhere(monkeypatch):
    """Every hard link fails as between two file systems."""
    rename = carrying.rename

    def apart(source, target):
        if not source.name.startswith(carrying.PART):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(carrying, "rename", apart)


@pytest.mark.parametrize("across", [False, True])
def test_after_a_kill_at_any_step_undo_restores_and_the_same_command_completes(
    run, photos, source, target, monkeypatch, across
):
    if across:
        elsewhere(monkeypatch)
    monkeypatch.setattr("backbench.organising.doing.BATCH", 8)
    before, whole = tree(photos), None

    def work():
        assert not organising.carry_out(organising.plan(source, target, "move")).failed

    after, kills = 0, 0
    while killed(after, work):
        kills += 1
        if kills % 2:
            undo(target)
        else:
            work()
            whole = whole or placed(target)
            assert placed(target) == whole and len(whole) == 30 and not list(photos.rglob("*.png"))
            assert not list(target.rglob(f"{carrying.PART}*"))
            killed(after, lambda: organising.undo(target))
            undo(target)
        assert tree(photos) == before, after
        assert not target.exists() or not any(target.iterdir())
        after += 1 + after // 4
    assert kills > 12


def undo(target):
    """Undo, where there is something to undo."""
    try:
        assert not organising.undo(target).failed
    except ConfigError as error:
        assert "nothing was moved" in str(error)


def test_a_move_across_file_systems_checks_the_copy(source, photos, target, monkeypatch):
    elsewhere(monkeypatch)
    copied = shutil.copy2

    def damaged(origin, part):
        copied(origin, part)
        if origin.name == "03.png":
            part.write_bytes(b"damaged")

    monkeypatch.setattr(shutil, "copy2", damaged)
    outcome = organising.carry_out(organising.plan(source, target, "move"))
    assert sorted(outcome.failed) == ["cat/03.png", "dog/03.png"] and outcome.placed == 28
    assert sorted(path.name for path in photos.rglob("*.png")) == ["03.png", "03.png"]
    undoing.undo(target)


def test_without_hard_links_a_move_looks_first(tmp_path, monkeypatch):
    def refused(*args, **kwargs):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    with pytest.raises(FileExistsError):
        carrying.rename(first, second)
    carrying.rename(first, tmp_path / "c")
    assert (tmp_path / "c").read_text() == "1" and second.read_text() == "2"
