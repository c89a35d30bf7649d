"""The table of a paper as text, page and picture: it says what its numbers say, is harmless, and is written once."""

import csv
import dataclasses
import io
import json
import runpy
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbench import paths
from backbench.papers import load, names
from backbench.papers.line import Line
from backbench.papers.page import paper, papers, words
from backbench.papers.stand_ins import StandIn
from backbench.papers.table import Table
from backbench.pictures.drawing import Drawn
from backbench.plots import Heading, published
from backbench.plots.published import Entry, Panel
from backbench.reports import gallery

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = "<script>alert('figure')</script> | k"
SEEDS = {"samples": 5, "fits": 5, "over": "seeds", "chance": True, "percent": True}
RUNS = ("ab" * 32, "cd" * 32)


def line(name, published=0.5534, ours=0.553, low=0.551, high=0.555, why=("Inside.",), **more):
    numbers = all(isinstance(value, float) for value in (published, ours))
    inside = low <= published <= high if numbers and low is not None else None
    said = {**SEEDS, "runs": RUNS, "metric": "purity", "called": "accuracy", "inside": inside, **more}
    difference = ours - published if numbers else None
    return Line(name=name, published=published, ours=ours, low=low, high=high, difference=difference, why=why, **said)


@pytest.fixture
def table():
    instead = StandIn("backbone", "resnet50", "inception_v3")
    used = StandIn("backbone.weights", "IMAGENET1K_V1", "/home/me/secret/incept.pth")
    lines = (
        line("k-means on pixels"),
        line("k-means on codes", 0.5713, 0.44, 0.42, 0.45, ("Outside.", f"Stand-in: {instead.words}.")),
        line("one-to-one", None, 0.5, None, None, (), metric="cluster_accuracy", called=None),
        line(HOSTILE, 0.608, None, None, None, ("Failed: singular.",), runs=(), samples=0),
        line("silhouette", 0.1409, 0.14088, None, None, (), metric="silhouette", percent=False, decimals=4, samples=1),
        line("shares", (0.99, 0.91), (0.9, 0.8), None, None, (), metric="majority_shares", called=None),
        line("model", "kmeans k=5", "kmeans k=5", None, None, (), metric="chosen", percent=False),
    )
    return Table(
        name="fashion_mnist_autoencoder",
        title="Clustering <b>Fashion-MNIST</b>",
        system="What it did.",
        measures="Its accuracy is purity.",
        images="a sample: 300 of 70,000 images",
        sweep="0123456789ab" + "0" * 52,
        command="backbench paper fashion_mnist_autoencoder dataset.sample=300",
        stand_ins=(instead, used),
        lines=lines,
        answers=("Which one? This one.",),
        circumstances={"versions": {"numpy": "2.4"}, "device": "cpu", "cpu": "a processor", "seconds": 95.0},
        runs=9,
        failed=1,
    )


@pytest.fixture(autouse=True)
def results(own_results):
    """A results folder of each test's own."""


class Page(HTMLParser):
    """The words of a page, its elements, and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.words, self.elements, self.loads, self.ids, self.targets = [], [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        own = dict(attributes)
        self.elements.append(tag)
        self.ids |= {own["id"]} if "id" in own else set()
        self.loads += [own[name] for name in ("src",) if name in own]
        self.targets += [own["href"]] if "href" in own else []

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def stamps(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_verdicts(table):
    expected = ["inside", "outside", "not published", "no figure", "same digits", "differs", "same digits"]
    assert [words.verdict(one) for one in table.lines] == expected
    assert words.short(table) == (
        "6 published figures: 1 inside our range, 1 outside our range, 2 with the same digits, "
        "1 with different digits and no range, 1 without a figure of ours."
    )


def test_stand_ins_are_said_once_and_named_by_letters(table):
    found = words.marks(table)
    assert found.stand_ins["a"] == "inception_v3 in place of resnet50"
    assert list(found.reasons.values()) == ["Inside.", "Outside.", "Failed: singular."]
    assert found.lines[:4] == [["1"], ["2", "a"], [], ["3"]]


def test_the_csv_has_the_numbers_as_they_are(table):
    found = list(csv.DictReader(io.StringIO(paper.csv(table))))
    assert [float(one["ours"]) for one in found[:2]] == [0.553, 0.44]
    assert found[1]["inside"] == "False" and found[1]["runs"] == "; ".join(RUNS)
    assert found[5]["published"] == "0.99; 0.91" and found[3]["ours"] == ""


def test_the_text_has_every_line_and_reason(table):
    text = paper.markdown(table)
    rows = [one for one in text.splitlines() if one.startswith("| ")][2:]
    assert (
        rows[0]
        == "| k-means on pixels (accuracy) | 55.34 % | 55.30 % [55.10, 55.50], 5 seeds | -0.04 points | inside | 1 |"
    )
    assert len(rows) == len(table.lines) and all(one.replace("\\|", "").count("|") == 7 for one in rows)
    assert "3. Failed: singular." in text and "- (a) inception_v3 in place of resnet50" in text
    assert table.command in text and "Which one? This one." in text


def test_the_page_says_it_and_loads_nothing(table, tmp_path):
    text = paper.write(table, tmp_path / "out").read_text()
    page = Page(text)
    for one in table.lines:
        assert " ".join(one.name.split()) in page.text
    assert "55.30 %" in page.text and "[55.10, 55.50], 5 seeds" in page.text and "-0.04 points" in page.text
    assert f"backbench reproduce {'ab' * 6}" in page.text and table.command in page.text
    assert page.elements.count("script") == 1 and "b" not in page.elements
    assert all(own.startswith("data:image/webp;base64,") for own in page.loads) and page.loads
    assert "Content-Security-Policy" in text and "http" not in "".join(page.loads + page.targets)
    assert {own[1:] for own in page.targets} <= page.ids


def test_the_same_table_is_written_once(table, tmp_path):
    folder = tmp_path / "out"
    paper.write(table, folder)
    before = stamps(folder)
    paper.write(Table.from_record(json.loads((folder / paper.RECORD).read_text())), folder)
    assert stamps(folder) == before
    paper.write(dataclasses.replace(table, lines=table.lines[:1]), folder)
    changed = {path.name for path, stamp in stamps(folder).items() if before[path] != stamp}
    assert {"index.html", "paper.csv", "paper.json", "published.png"} <= changed


def test_the_picture_has_the_published_numbers(table, tmp_path):
    paper.write(table, tmp_path / "out")
    found = list(csv.DictReader((tmp_path / "out" / "pictures" / "published.csv").open()))
    assert [one["figure"] for one in found] == [
        *("k-means on pixels", "k-means on codes", HOSTILE, "silhouette", "number 1", "number 2")
    ]
    assert [float(found[0][name]) for name in ("published", "ours", "low")] == pytest.approx([55.34, 55.3, 55.1])
    assert found[2]["ours"] == "" and found[3]["axis"].startswith("silhouette") and float(found[5]["ours"]) == 80.0


def test_marks_stand_where_the_values_are():
    entries = [Entry("one", 50.0, 52.0, 51.0, 53.0, "+2"), Entry("two", 40.0, np.nan, np.nan, np.nan)]
    figure = published.draw(Heading("T", "about", "stamp"), [Panel("percent", entries)]).figure
    (axes,) = figure.axes
    drawn = {(own.get_gid(), own.get_ydata()[0]): list(own.get_xdata()) for own in axes.lines if own.get_gid()}
    assert drawn["published", 0] == [50.0] and drawn["ours", 0] == [52.0] and drawn["interval", 0] == [51.0, 53.0]
    assert drawn["published", 1] == [40.0] and ("ours", 1) not in drawn
    low, high = axes.get_xlim()
    assert low < 40.0 and high > 53.0


def test_one_value_has_an_axis_that_makes_nothing_of_nothing():
    low, high = published._limits([Entry("one", 2.0, 2.1, np.nan, np.nan)])
    assert high - low == pytest.approx(published.LEAST * 2.1)


@pytest.fixture
def shown(tmp_path):
    """A picture of a run."""
    png = tmp_path / "run" / "confusion.png"
    png.parent.mkdir()
    Image.new("RGB", (300, 200), "white").save(png)
    png.with_suffix(".csv").write_text("a\n1\n")
    return paper.Shown(
        Drawn("confusion", "Confusion", "Classification", f"{HOSTILE}.", 1, png, png.with_suffix(".csv")),
        RUNS[0],
        "pixels kmeans",
    )


def test_pictures_of_runs_are_copied_and_go_again(table, shown, tmp_path):
    folder = tmp_path / "out"
    page = Page(paper.write(table, folder, [shown]).read_text())
    assert page.elements.count("img") == 3 and "pixels kmeans" in page.text
    copy = folder / "pictures" / f"{RUNS[0][:12]}-confusion.png"
    assert copy.read_bytes() == shown.drawn.png.read_bytes() and copy.with_suffix(".csv").is_file()
    paper.write(table, folder)
    assert not copy.exists() and (folder / "pictures" / "published.png").is_file()


def test_a_page_holds_what_it_has_room_for(table, shown, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(shown.drawn.png)
    text = paper.write(table, tmp_path / "out", [shown]).read_text()
    monkeypatch.setattr(gallery, "LIMIT", len(text.encode()) - 1000)
    page = paper.write(table, tmp_path / "less", [shown])
    assert page.stat().st_size <= gallery.LIMIT and "Pictures not included in this page" in page.read_text()


def test_stored_tables_are_found_again(table):
    folder = paper.folder(table.name, table.sweep)
    assert folder == paths.results() / "papers" / table.name / table.sweep[:12]
    assert paper.read(table.name, table.sweep) is None and paper.made(table.name) == []
    paper.write(table, folder)
    assert paper.read(table.name, table.sweep) == table and paper.made(table.name) == [folder]
    attached = [path.name for path in paper.attachments(table.name, table.sweep)]
    assert attached == ["paper.md", "paper.csv", "index.html", "published.png"]
    (folder / paper.RECORD).write_text("{}")
    assert paper.read(table.name, table.sweep) is None


# The page of all papers


def test_no_place_of_a_machine_gets_out(table):
    moved = dataclasses.replace(
        table, command="backbench paper x dataset.root=/data/my/photos backbone.weights=~/w/a.pth"
    )
    found = papers.public(moved)
    assert found.command == "backbench paper x dataset.root=PATH/TO/photos backbone.weights=PATH/TO/a.pth"
    assert "secret" not in json.dumps(found.record()) and "PATH/TO/incept.pth" in json.dumps(found.record())
    assert papers.public(found) == found


@pytest.mark.parametrize("text", ["1/2 of 3", "train/validation/test", "https://github.com/a/b/c", "and/or", "0..1"])
def test_what_is_no_path_stays(table, text):
    assert papers.public(dataclasses.replace(table, system=text)).system == text


def test_the_page_of_all_is_the_same_whatever_the_order(table):
    full = dataclasses.replace(table, stand_ins=(), sweep="f" * 64)
    text = papers.render([table, full])
    assert text == papers.render([full, table])
    assert text.index("as published") < text.index("stand-ins: inception_v3")
    assert text.count("\n## ") == 1 and text.count("\n### ") == 2
    assert table.measures in text and table.command in text and "numpy 2.4" in text


def write_papers():
    return runpy.run_path(str(ROOT / "scripts" / "write_papers.py"))


def test_tables_are_taken_into_the_documents(table, tmp_path, capsys):
    main, docs = write_papers()["main"], tmp_path / "docs"
    docs.mkdir()
    given = []
    for place, command in enumerate(("backbench paper a", "backbench paper b")):
        given.append(tmp_path / f"{place}.json")
        given[-1].write_text(json.dumps(dataclasses.replace(table, command=command).record()))
    for _ in range(2):
        assert main([str(path) for path in given], docs) == 0
        assert sorted(path.name for path in (docs / "papers").iterdir()) == [
            f"{table.name}-2.json",
            f"{table.name}.json",
        ]
    assert main(["--check"], docs) == 0
    (docs / "papers" / f"{table.name}-2.json").unlink()
    assert main(["--check"], docs) == 1 and "make docs" in capsys.readouterr().err
    assert main([], docs) == 0 and main(["--check"], docs) == 0
    assert main([str(ROOT / "pyproject.toml")], docs) == 1 and "is not a paper.json" in capsys.readouterr().err


STORED = sorted((ROOT / "docs" / "papers").glob("*.json"))


def test_the_documents_are_fresh():
    if not (ROOT / "docs" / "papers.md").exists():
        assert not STORED, "run `make docs`"
        return
    assert write_papers()["main"](["--check"]) == 0, "run `make docs`"


def test_stored_tables_have_the_words_and_figures_of_their_papers():
    for path in STORED:
        stored = Table.from_record(json.loads(path.read_text()))
        assert stored.name in names(), path
        own = load(stored.name)
        said = ("title", "system", "measures")
        assert [getattr(stored, key) for key in said] == [getattr(own, key) for key in said], f"{path}: make it again"
        figures = {figure.name: figure.published for figure in own.figures}
        given = {line.name: line.published for line in stored.lines if line.name in figures}
        assert given and given == {name: figures[name] for name in given}, f"{path}: make it again"
        assert papers.public(stored) == stored, f"{path} names places of a machine"
