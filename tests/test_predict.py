"""`backbench predict`: what it reads, what it writes, what it says of images unlike any, and how it ends."""

import csv
import io
import json
import resource
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sharing import once
from sweeping import computed
from sweeping import rows_of as rows_of_plan

from backbench import cli, paths
from backbench.engine.results import ledger
from backbench.inference import fitting, predicting
from backbench.inference.predicting import Predictor
from backbench.pictures.source import Source
from backbench.store import Store

CLASSES = {"dusk": 40, "noon": 150}
EACH, NEW = 110, 200
GRID = ("experiment=none", "backbone=pixels", "backbone.image.size=8", "classifier=logistic_regression", "k=2")


def scene(number: int, light: int) -> Image.Image:
    """A smooth picture, as photographs are, darker or lighter."""
    draw = np.random.default_rng(number)
    coarse = light * (1 + 0.1 * draw.normal(size=(3, 3, 1))) + draw.normal(0, 4, 3)
    return Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize((16, 16), Image.Resampling.BICUBIC)


def noise(number: int) -> Image.Image:
    """A picture of coarse noise."""
    small = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(small).resize((16, 16), Image.Resampling.NEAREST)


def sweep(folder: Path) -> str:
    """A run on smooth pictures in two classes."""
    for label, (name, light) in enumerate(CLASSES.items()):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(EACH):
            scene(1000 * label + number, light).save(folder / "photos" / name / f"{number:03}.png")
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        plan = computed(*GRID, "dataset=folder", f"dataset.root={folder / 'photos'}")
        return rows_of_plan(plan)[0].config_hash


@pytest.fixture
def run(tmp_path_factory, monkeypatch):
    """The run's hash; the results folder is its own."""
    folder, key = once(tmp_path_factory, "predict", sweep)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
    return key


@pytest.fixture
def new(tmp_path):
    """New pictures in folders, with files that are none."""
    root = tmp_path / "new"
    (root / "deep" / "er").mkdir(parents=True)
    scene(5000, CLASSES["dusk"]).save(root / "b, dusk.png")
    scene(5001, CLASSES["noon"]).save(root / "deep" / "er" / "noon.png")
    noise(1).save(root / "deep" / "noise.png")
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (root / "Thumbs.db").write_bytes(b"x")
    (root / ".hidden.png").write_bytes(b"x")
    return root


def predicted(capsys, *words) -> tuple[int, str, str]:
    status = cli.main(["predict", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_table_of_a_folder(run, new, capsys):
    status, out, err = predicted(capsys, run[:12], new)
    lines = out.splitlines()
    assert status == 0 and len(lines) == 5
    assert lines[0].split("  ")[-1].strip() == "nearest known images, with their distances"
    assert lines[0].split()[:4] == ["image", "class", "probability", "cluster"]
    assert "dusk" in lines[1] and "dusk/" in lines[1] and "not read: " in lines[2]
    assert lines[4].endswith("UNLIKE ANYTHING SEEN")
    assert "1 passed over: a system file or folder" in err
    assert "3 images (" in err and "1 unlike anything seen, 1 unreadable; " in err


def test_csv_and_json_lines_say_the_same(run, new, capsys, tmp_path):
    target = tmp_path / "out" / "rows.csv"
    status, out, _ = predicted(capsys, "best", new, "--to", target, "--scores", "-n", "2")
    assert status == 0 and out == "" and [path.name for path in target.parent.iterdir()] == ["rows.csv"]
    rows = rows_of(target.read_text())
    _, out, _ = predicted(capsys, run, new, "--format", "jsonl", "-n", "2")
    objects = [json.loads(line) for line in out.splitlines()]
    assert list(rows[0]) == [
        *("path", "class", "probability", "probability: dusk", "probability: noon", "cluster", "distance_to_centre"),
        *("nearest", "nearest_distance", "nearest_2", "nearest_2_distance", "unlike", "known", "reason"),
    ]
    for row, each in zip(rows, objects, strict=True):
        assert row["path"] == each["path"] and row["class"] == (each["class"] or "")
        assert row["reason"] == (each["reason"] or "")
        if each["class"]:
            assert float(row["probability"]) == each["probability"] == each["scores"][each["class"]]
            assert float(row["nearest_2_distance"]) == each["nearest"][1]["distance"]
            assert row["unlike"] == str(each["unlike"]).lower() and int(row["cluster"]) == each["cluster"]
    assert [row["path"].rpartition("/")[2] for row in rows] == ["b, dusk.png", "broken.jpg", "noon.png", "noise.png"]


def test_known_images_get_what_the_run_stored(run, tmp_path, capsys):
    store = Store(paths.store())
    source = Source(ledger.all_rows(store)[0], store)
    root = Path(source.info("dataset")["root"])
    _, out, _ = predicted(capsys, run, root, "--format", "csv")
    rows = rows_of(out)
    assert [row["known"] for row in rows] == [("train", "validation", "test")[part] for part in source.split]
    assert [int(row["cluster"]) for row in rows] == source.labels.tolist()
    tested = [row for row, part in zip(rows, source.split, strict=True) if part == 2]
    assert np.mean([f"/{row['class']}/" in row["path"] for row in tested]) == source.row.metrics["accuracy"]
    assert all(row["nearest"] not in row["path"] for row in rows)


def test_archives_and_tables(run, new, tmp_path, capsys, monkeypatch):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(new / "deep" / "noise.png", "a/noise.png")
        archive.writestr("a/readme.txt", "no image")
    with tarfile.open(tmp_path / "some.tar.gz", "w:gz") as archive:
        archive.add(new / "b, dusk.png", "dusk.png")
    (new / "list.csv").write_text('id;File Name\n1;"b, dusk.png"\n2;deep\\er\\noon.png\n3;gone.png\n')
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    words = (tmp_path / "some.zip", tmp_path / "some.tar.gz", new / "list.csv", new / "deep" / "er" / "noon.png")
    status, out, _ = predicted(capsys, run, *words, "--format", "csv")
    rows = rows_of(out)
    listed = ["b, dusk.png", "deep\\er\\noon.png", "gone.png"]
    names = [f"{words[0]}/a/noise.png", f"{words[1]}/dusk.png", *listed, str(words[3])]
    assert status == 0 and [row["path"] for row in rows] == names
    assert [row["class"] for row in rows[1:4]] == ["dusk", "dusk", "noon"]
    assert rows[4]["reason"] == "No such file or directory" and rows[0]["unlike"] == "true"
    assert list((tmp_path / "scratch").iterdir()) == []
    moved = (new / "list.csv").rename(tmp_path / "list.csv")
    _, out, _ = predicted(capsys, run, moved, "--root", new, "--format", "csv")
    assert [row["class"] for row in rows_of(out)] == ["dusk", "noon", ""]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone.png",), "gone.png does not exist; give images, folders, archives or a CSV of paths."),
        (("empty",), "empty holds no files."),
        (("bad.zip",), "bad.zip is not an archive of a known kind"),
        (("evil.zip",), "leads out of the folder; this archive is not to be trusted."),
        (
            ("table.csv",),
            "the column of the paths: received 'name, size'; allowed: a title such as path, file or image",
        ),
        (("a.png", "--grid", "x.jpg"), "--grid: received 'x.jpg'; allowed: a name that ends in .png"),
        (("a.png", "--to", "empty"), "--to: empty is a folder; name a file in it."),
        (("a.png", "--root", "gone"), "--root: gone is not a folder"),
    ],
)
def test_refusals(run, tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    noise(0).save("a.png")
    Path("empty").mkdir()
    Path("bad.zip").write_bytes(b"no archive")
    Path("table.csv").write_text("name,size\na.png,3\n")
    with zipfile.ZipFile("evil.zip", "w") as archive:
        archive.writestr("../evil.png", "x")
    status, out, err = predicted(capsys, run, *words)
    assert (status, out) == (2, "") and said in err and err.startswith("backbench predict: ")


def test_nothing_readable_is_a_failure(run, new, capsys):
    status, out, err = predicted(capsys, run, new / "broken.jpg", "--grid", new / "g.png", "--format", "csv")
    assert status == 1 and rows_of(out)[0]["reason"] and "0 images, 0 unlike" in err
    assert not (new / "g.png").exists() and "no grid" in err


def test_a_grid(run, new, capsys, tmp_path):
    status, _, _ = predicted(capsys, run, new, "--grid", tmp_path / "grid.png", "-n", "2")
    assert status == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.format == "PNG" and picture.height > 300


def test_an_interrupt_and_a_closed_pipe_leave_no_file(run, new, capsys, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predicting, "look", interrupted)
        status, _, err = predicted(capsys, run, new, "--to", tmp_path / "out.csv")
    assert status == 130 and "interrupted: 0 images" in err and not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.glob(".tmp*"))


def test_images_unlike_any_are_flagged_and_new_ones_of_the_same_kinds_rarely(run, tmp_path):
    store = Store(paths.store())
    model = fitting.fit(Source(ledger.all_rows(store)[0], store))
    predictor = Predictor(model)
    files = []
    for number in range(NEW):
        files.append(tmp_path / f"{number}.png")
        scene(7000 + number, list(CLASSES.values())[number % 2]).save(files[-1])
    planted = [tmp_path / f"noise{number}.png" for number in range(12)]
    for number, path in enumerate(planted):
        noise(number).save(path)
    assert all(each.unlike for each in predictor.files(planted))
    share = np.mean([each.unlike for each in predictor.files(files)])
    print("flagged", share)
    assert share <= 0.03


def test_many_files_take_no_more_memory_than_few(run, tmp_path, capsys):
    for number in range(8):
        noise(number).save(tmp_path / f"{number}.png")
    names = [f"{number % 8}.png" for number in range(3000)]
    (tmp_path / "few.csv").write_text("path\n" + "\n".join(names[:600]) + "\n")
    (tmp_path / "many.csv").write_text("path\n" + "\n".join(names) + "\n")
    predicted(capsys, run, tmp_path / "few.csv", "--to", tmp_path / "few.jsonl")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, _, err = predicted(capsys, run, tmp_path / "many.csv", "--to", tmp_path / "many.jsonl")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert status == 0 and "3,000 images" in err
    assert len((tmp_path / "many.jsonl").read_text().splitlines()) == 3000
    assert grown < 20_000  # kB


def test_a_path_that_no_file_system_takes_stops_no_other(run, new, capsys):
    (new / "list.csv").write_text(f'path\n{"x" * 300}.png\n"b, dusk.png"\n')
    status, out, _ = predicted(capsys, run, new / "list.csv", "--format", "csv")
    first, second = rows_of(out)
    assert status == 0 and "too long" in first["reason"] and second["class"] == "dusk"
