"""The page of a sweep: its words follow from the stored numbers, and it is whole, harmless and the same every time."""

import base64
import copy
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sharing import once
from sweeping import HOSTILE, answer_of, collection, computed, finished, rows_of

from backbench import cli, hashing, paths, threads, titles, wording
from backbench.cli import app
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.evaluate import leaderboards
from backbench.files import write_bytes, write_text
from backbench.pictures import drawing, index
from backbench.plots import Heading, _files, grid
from backbench.reports import _boards, _runs, _small, gallery, sweep
from backbench.store import Store

SPACES = re.compile(r"\s+")


class Page(HTMLParser):
    """The text of a page without markup, how often each element is there, and the content of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.words, self.scripts, self.inside, self.elements = [], [], [], {}
        self.links = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements[tag] = self.elements.get(tag, 0) + 1
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag in ("script", "style"):
            self.inside.append(tag)
            self.scripts += [""] if tag == "script" else []

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.words.append(data)
        elif self.inside[-1] == "script":
            self.scripts[-1] += data

    @property
    def text(self):
        return SPACES.sub(" ", " ".join(self.words))


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def done(tmp_path_factory, tmp_path):
    """The plan of a finished sweep, in a folder of the test's own."""
    shutil.copytree(once(tmp_path_factory, "reported", finished)[1], tmp_path / "results")
    return ledger.saved_plans()[-1]


def rendered(plan, rows=None):
    return sweep.render(answer_of(plan, rows))


def changed(rows, change):
    """Rows with copies of their records, each of which `change` has seen."""
    records = {member: copy.deepcopy(record) for member, record in rows[0].records.items()}
    for member, record in records.items():
        change(rows[0].plan.stages[member], record)
    return [Row(row.plan, row.run, records) for row in rows]


def board(plan, head):
    """The first leaderboard of a head."""
    return next(one for one in leaderboards.leaderboards(rows_of(plan), Store(paths.store())) if one.spec.head == head)


def test_the_words_say_what_the_numbers_say(done):
    rows, page = rows_of(done), Page(rendered(done))
    assert "Which clusterer, k and classifier for photos (100 images in 4 classes)?" in page.text
    first, *others = board(done, "classification").entries
    assert first.row.metrics["val_accuracy"] == max(row.metrics["val_accuracy"] for row in rows)
    assert f"{100 * first.row.metrics['accuracy']:.0f} % of test images right" in page.text
    assert (
        f"Chosen by its validation accuracy, {100 * first.row.metrics['val_accuracy']:.0f} %, not on the" in page.text
    )
    tied = [entry for entry in others if entry.rank == 1]
    assert 0 < len(tied) <= len(others)
    assert (f"{len(tied)} others are as good" if len(tied) > 1 else " is as good") in page.text
    clustered = board(done, "clustering").entries[0].row
    assert f"{titles.clusterer(clustered.params)} with k = {clustered.params['k']} on raw pixels" in page.text


def test_it_asks_for_what_was_varied_alone(done):
    plan = computed("experiment=none", "backbone=pixels", *collection(paths.results().parent / "photos"))
    assert "How good is pixels kmeans k=10 knn for photos" in Page(rendered(plan)).text


def test_each_leaderboard_row_and_each_run_has_its_command(done):
    text = rendered(done)
    rows, page = rows_of(done), Page(text)
    for table in leaderboards.leaderboards(rows, Store(paths.store())):
        for entry in table.entries:
            assert f"backbench reproduce {hashing.short(entry.config_hash)}" in page.text
    data = json.loads(page.scripts[0])
    assert {row[-1] for row in data["rows"]} == {hashing.short(row.config_hash) for row in rows}
    labels = [column["label"] for column in data["columns"]]
    known = {hashing.short(row.config_hash): row for row in rows}
    for own in data["rows"]:
        row = known[own[-1]]
        assert own[labels.index("test accuracy")] == pytest.approx(row.metrics["accuracy"], rel=1e-5)
        assert own[labels.index("classifier")] == row.params["classifier.name"]


def test_the_same_results_make_the_same_bytes_and_nothing_is_written_twice(done, tmp_path):
    page = sweep.write(answer_of(done), tmp_path / "copy.html")
    before = page.stat().st_mtime_ns, page.read_bytes()
    shutil.rmtree(paths.results() / "cache")
    sweep.write(answer_of(done, list(reversed(rows_of(done)))))
    assert (page.stat().st_mtime_ns, page.read_bytes()) == before
    assert (tmp_path / "copy.html").read_bytes() == before[1]
    assert str(paths.results()).encode() not in before[1]


def test_nothing_but_its_own_script_may_run_and_nothing_is_fetched(done):
    text = rendered(done)
    page = Page(text)
    assert page.elements["script"] == 2
    allowed = re.search(r"script-src '(sha256-[^']+)'", text)[1]
    digest = hashlib.sha256(page.scripts[1].encode()).digest()
    assert allowed == "sha256-" + base64.b64encode(digest).decode()
    assert "default-src 'none'" in text
    assert {link[0] for link in page.links if link != sweep.APP} <= {"#", "d"}
    address = f"http://{app.HOST}:{app.PORT}/"
    assert address == sweep.APP and not re.search(r"@import|url\(|https?://", text.replace(address, ""))
    for name in HOSTILE:
        assert name.strip() in page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "49" not in re.findall(r"& (\S+)", page.text)


def test_the_leaderboards_as_csv_are_the_standings(done):
    page = sweep.write(answer_of(done))
    lines = list(csv.DictReader(io.StringIO((page.parent / sweep.TABLE).read_text(encoding="utf-8"))))
    entries = [
        entry for table in leaderboards.leaderboards(rows_of(done), Store(paths.store())) for entry in table.entries
    ]
    assert [(line["config_hash"], int(line["rank"])) for line in lines] == [
        (one.config_hash, one.rank) for one in entries
    ]
    assert float(lines[0]["accuracy"]) == entries[0].values["accuracy"].mean
    assert float(lines[0]["accuracy_low"]) == entries[0].values["accuracy"].low


def picture(folder, name, size, category="Sweep", order=50, seed=0):
    """A picture of about `size` bytes that does not compress, as drawing leaves it."""
    side = int((size / 3) ** 0.5)
    target = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(target, "PNG")
    write_bytes(folder / f"{name}.png", target.getvalue())
    write_text(folder / f"{name}.csv", "a\n1\n")
    entry = {"title": f"Title of {name}", "category": category, "caption": f"Caption of {name}", "order": order}
    index.update(folder, {name: {**entry, "key": "0", "kind": name, "png": f"{name}.png", "csv": f"{name}.csv"}})


def test_a_page_with_many_pictures_stays_below_ten_megabytes(done):
    """The overview and the best run come first; what has no room is named with its path."""
    picture(drawing.published(done), "pareto", 2_600_000)
    rows = rows_of(done)
    for at, row in enumerate(rows):
        for name, order in (("confusion", 10), ("per_class", 20)):
            picture(drawing.run_folder(row.config_hash), name, 2_600_000, "Classification", order, at)
    text = rendered(done)
    page = Page(text)
    assert 8_000_000 < len(text.encode()) < 10_000_000
    shown = text.count('class="enlarge')
    assert 15 < shown < 2 * len(rows)
    assert f"{2 * len(rows) + 1 - shown} pictures" in page.text
    missing = re.findall(r"pictures/([0-9a-f]{12})/(\w+)\.png", page.text.replace(" ", ""))
    assert len(missing) == 2 * len(rows) + 1 - shown
    first = leaderboards.leaderboards(rows, Store(paths.store()))[0].entries[0]
    same = {
        hashing.short(row.config_hash)
        for row in rows
        if row.run.stages["classification"] == first.row.run.stages["classification"]
    }
    assert not same & {run for run, _ in missing}
    assert "Title of pareto" in page.text
    assert "Caption of pareto" in page.text


def test_a_picture_whose_file_is_gone_is_left_out(done):
    folder = drawing.published(done)
    picture(folder, "pareto", 3_000)
    picture(folder, "heatmap", 3_000)
    (folder / "pareto.png").unlink()
    page = Page(rendered(done))
    assert "Title of heatmap" in page.text
    assert "Title of pareto" not in page.text


def test_pictures_that_failed_are_named(done):
    write_text(drawing.receipt(done), json.dumps({"digest": "0", "drawn": 0, "failed": {"abc/pies": "no <i>room</i>"}}))
    page = Page(rendered(done))
    assert re.search(r"abc/ ?pies : no <i>room</i>", page.text)


def test_without_classes_no_representation_is_ranked_above_another(tmp_path):
    grid = ("experiment=none", "backbone=pixels", "chain=none,pca50", "clusterer=kmeans", "k=2,3,4", "classifier=none")
    plan = computed(*grid, "retrieval=none", *collection(tmp_path / "plain", (), 60))
    page = Page(rendered(plan))
    assert "for plain (60 images, without labels)?" in page.text
    assert "The policy published chose a clustering for each of 2 representations" in page.text
    assert "on raw pixels (PCA 50) ( backbench show" in page.text
    assert "AMI" not in page.text.replace("costs 0.05 AMI", "")
    assert "test images" not in page.text


def test_failures_and_what_is_pending_are_said(done):
    rows = rows_of(done)
    broken = min(row.run.stages["clustering"] for row in rows)
    reason = "did not <b>converge</b>"

    def fail(stage, record):
        if stage.hash == broken:
            record.update(status="failed", reason=reason, metrics={}, arrays={})

    failed = changed(rows, fail)
    lost = max(row.run.stages["clustering"] for row in rows)
    failed = [Row(row.plan, row.run, {key: one for key, one in row.records.items() if key != lost}) for row in failed]
    page = Page(rendered(done, failed))
    count = sum(row.run.stages["clustering"] == broken for row in rows)
    assert f"clustering: {reason}" in page.text
    assert f"{count} failed and {count} pending: the answer rests on the others." in page.text
    assert f"{len(rows) - 2 * count} of {len(rows)}" in page.text
    assert f"{count} runs pending; run the same sweep again to compute them." in page.text


def test_files_left_out_are_listed_with_their_reasons(tmp_path):
    overrides = collection(tmp_path / "photos")
    (tmp_path / "photos" / "7.png").write_bytes(b"no image")
    plan = computed("experiment=none", "backbone=pixels", "k=2", *overrides)
    page = Page(rendered(plan))
    assert "Files left out of the collection" in page.text
    assert re.search(r"7\. ?png", page.text)
    assert "1 file is unreadable" in page.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: record["versions"].update(numpy="1.0"), "different versions of numpy"),
        (lambda record: record.update(git="abc-dirty"), "a checkout with uncommitted changes"),
        (lambda record: record.update(device="cuda"), "timings cannot be compared"),
    ],
)
def test_mixed_circumstances_are_said_only_where_they_are(done, change, words):
    def clean(stage, record):
        record["provenance"].update(git="abc", cpu="one", device="cpu", versions={"numpy": "2.0"})

    def mix(stage, record):
        if stage.kind == "classification":
            change(record["provenance"])

    rows = changed(rows_of(done), clean)
    plain = Page(rendered(done, rows)).text
    assert words not in plain
    assert "All results were computed with the same library versions." in plain
    assert "All results were computed by today's code, as committed." in plain
    assert words in Page(rendered(done, changed(rows, mix))).text


def test_results_of_older_code_are_counted(done):
    rows = rows_of(done)

    def older(stage, record):
        record["code"] = "0" * 64 if stage.kind == "retrieval" else record["code"]

    text = Page(rendered(done, changed(rows, older))).text
    assert f"{len(rows)} runs were computed by code other than today's" in text


def test_seeds_are_told_and_not_counted_as_rows(tmp_path):
    plan = computed(
        "experiment=none", "backbone=pixels", "seed=0,1,2", "k=2,3", "classifier=none", *collection(tmp_path / "photos")
    )
    page = Page(rendered(plan))
    assert "Where results depend on chance (kmeans), means are over 3 seeds." in page.text
    assert len(board(plan, "clustering").entries) == 2
    assert "95 % intervals over the seeds" in page.text


def test_two_data_sets_have_a_section_each(done, tmp_path):
    plan = computed("experiment=none", "backbone=pixels", "dataset.seed=0,1", "k=2,3", *collection(tmp_path / "photos"))
    text = rendered(plan)
    page = Page(text)
    assert page.elements["h1"] == 1
    assert text.count("Can I trust it?</h3>") == 2
    keys = sorted({hashing.short(row.stages["dataset"])[:6] for row in rows_of(plan)})
    for key in keys:
        assert f"photos {key} (100 images in 4 classes)" in page.text
    assert len(keys) == 2
    assert len(re.findall(r'<script type="application/json"', text)) == 2
    assert len(set(re.findall(r' id="([^"]+)"', text))) == len(re.findall(r' id="([^"]+)"', text))


def test_of_very_many_rows_the_first_are_there_and_the_rest_is_named(done, monkeypatch):
    monkeypatch.setattr(_runs, "RUNS", 5)
    monkeypatch.setattr(_boards, "ROWS", 2)
    page = Page(rendered(done))
    runs = len(done.runs)
    assert f"The first 5 by rank are shown; backbench runs --format csv lists the other {runs - 5}" in page.text
    assert "The first 2 by rank are shown; 4 more are in sweeps/" in page.text
    assert len(json.loads(page.scripts[0])["rows"]) == 5


def test_numbers_are_shown_alike():
    assert [wording.number(value) for value in (0.12345, -0.5, 123.456, 12345.6, float("nan"), None)] == [
        *("0.1235", "-0.5000", "123.5", "12,346", "–", "–")
    ]
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.listed(list("abcdefgh"), 4) == "a, b, c, d and 4 more"


def test_the_order_of_importance_decides_what_has_room(tmp_path):
    for name, size in (("a", 300_000), ("b", 1_900_000), ("c", 300_000)):
        picture(tmp_path, name, size)
    places = {name: (tmp_path / f"{name}.png", tmp_path / f"{name}.csv") for name in "abc"}
    drawn = [drawing.Drawn(name, name, "Maps", "", 50, *files) for name, files in places.items()]
    figures = [gallery.Figure(one, "", (at,)) for at, one in enumerate(drawn)]
    sizes = [len(one.uri) for one in figures]
    assert sizes[1] > sizes[0] + sizes[2] > 0
    kinds = [[one.drawn.kind for one in gallery.within(figures, room)] for room in (sum(sizes), sum(sizes) - 1, 0)]
    assert kinds == [["a", "b", "c"], ["a", "b"], []]
    assert [one.drawn.kind for one in gallery.within(figures, sizes[1])] == ["a", "c"]


def test_pictures_are_made_small_beside_each_other(tmp_path, monkeypatch):
    both = threading.Barrier(2)
    made = _small.webp

    def at_once(png: Path) -> bytes:
        both.wait(timeout=30)  # broken if the other picture waits for this one
        return made(png)

    for name in "ab":
        picture(tmp_path, name, 20_000)
    drawn = [drawing.Drawn(name, name, "Maps", "", 50, tmp_path / f"{name}.png", tmp_path / name) for name in "ab"]
    figures = [gallery.Figure(each, "", (at,)) for at, each in enumerate(drawn)]
    monkeypatch.setattr(_small, "webp", at_once)
    with threads.beside(2):
        assert len(gallery.within(figures, 10_000_000)) == 2


def test_charts_stay_as_they_are_and_photographs_shrink(tmp_path):
    chart = Image.new("RGB", (400, 300), "white")
    chart.paste("#0072B2", (50, 100, 80, 250))
    chart.save(tmp_path / "chart.png")
    picture(tmp_path, "photo", 300_000)
    small = Image.open(io.BytesIO(_small.webp(tmp_path / "chart.png")))
    assert np.array_equal(np.asarray(small.convert("RGB")), np.asarray(chart))
    shrunk = _small.webp(tmp_path / "photo.png")
    assert len(shrunk) < (tmp_path / "photo.png").stat().st_size / 2
    wide, high = Image.open(tmp_path / "photo.png").size
    assert Image.open(io.BytesIO(shrunk)).size == (round(wide / _small.DENSITY), round(high / _small.DENSITY))
    assert len(list((paths.results() / "reports").iterdir())) == 2
    assert _small.webp(tmp_path / "photo.png") == shrunk


@pytest.fixture(scope="module")
def cuttings():
    """A dozen photographs in colour, 32 by 32."""
    from sklearn.datasets import load_sample_images

    corners = [(y, x) for y in (100, 200) for x in (100, 250, 400)]
    return [image[y : y + 128 : 4, x : x + 128 : 4] for image in load_sample_images().images for y, x in corners]


def test_photographs_in_colour_keep_their_colours(cuttings, tmp_path):
    tiles = [grid.Tile(np.ascontiguousarray(image), right=True) for image in cuttings]
    strips = grid.Section([grid.Strip([tiles])], [("", len(tiles))])
    drawn = grid.draw(Heading("Photographs", "", ""), [strips], {"image": range(len(tiles))}, "")
    _files.save(drawn, tmp_path / "photos.png")
    with Image.open(tmp_path / "photos.png") as image:
        assert image.mode == "RGB"
        exact = np.asarray(image)
        assert np.array_equal(exact, np.asarray(drawn.figure.canvas.buffer_rgba())[..., :3])
    embedded = Image.open(io.BytesIO(_small.webp(tmp_path / "photos.png")))
    shown = Image.new("RGBA", embedded.size, "white")
    shown.alpha_composite(embedded.convert("RGBA"))
    away = np.abs(np.asarray(shown.convert("RGB")).astype(int) - exact)
    for left, top, right, bottom in _small.photographs(tmp_path / "photos.png"):
        assert away[top:bottom, left:right].mean() < 3
    assert away.max() <= 5


def call(capsys, *words):
    code = cli.main(list(words))
    found = capsys.readouterr()
    return code, found.out.strip(), found.err


def test_the_command_writes_the_newest_and_prints_its_path(done, capsys, tmp_path):
    code, out, err = call(capsys, "report")
    assert code == 0
    assert Path(out) == done.folder / "report.html"
    assert "pending" not in err
    code, out, _ = call(capsys, "report", done.sweep[:5].upper(), "--to", str(tmp_path / "new" / "copy.html"))
    assert (code, Path(out)) == (0, tmp_path / "new" / "copy.html")
    assert Path(out).read_bytes() == (done.folder / "report.html").read_bytes()


def test_the_command_refuses_what_it_does_not_know(done, capsys, tmp_path):
    code, _, err = call(capsys, "report", "xyz")
    assert code == 2
    assert f"no sweep has an id that starts with it; the newest are {hashing.short(done.sweep)}" in err
    code, _, err = call(capsys, "report", "--to", str(tmp_path))
    assert code == 2
    assert "is a folder" in err


def test_without_a_sweep_it_says_what_makes_one(capsys):
    code, _, err = call(capsys, "report")
    assert code == 2
    assert "there are no sweeps in" in err
    assert "run `backbench sweep` first" in err


def test_a_sweep_that_is_not_joined_is_joined_from_what_there_is(tmp_path, capsys):
    grid = ("experiment=none", "backbone=pixels", "k=2,3")
    plan = computed(*grid, *collection(tmp_path / "photos"), without=("clustering",))
    code, out, err = call(capsys, "report")
    assert code == 0
    assert "2 of 2 runs pending" in err
    assert (plan.folder / ledger.RESULTS).is_file()
    page = Page(Path(out).read_text(encoding="utf-8"))
    assert "Use k-nearest neighbours on raw pixels" in page.text
    assert "2 pending: the answer rests on the others." in page.text


def test_a_sweep_of_which_nothing_is_done_is_refused(tmp_path, capsys):
    computed("experiment=none", *collection(tmp_path / "photos"), without=_runs_all())
    code, _, err = call(capsys, "report")
    assert code == 2
    assert "has no results yet; run the same `backbench sweep` again to compute them" in err


def _runs_all():
    from backbench.stage import KINDS

    return KINDS


def test_the_store_may_be_gone(done, capsys):
    """What was joined is enough for the words and the tables; intervals take the arrays."""
    shutil.rmtree(paths.store())
    shutil.rmtree(paths.results() / "cache")
    code, out, _ = call(capsys, "report")
    page = Page(Path(out).read_text(encoding="utf-8"))
    assert code == 0
    assert "differ was not tested" in page.text or "differs was not tested" in page.text
    assert "The arrays of" in page.text


def test_the_script_of_the_rule_makes_the_same_page(done, capsys):
    _, out, _ = call(capsys, "report")
    before = Path(out).read_bytes()
    Path(out).unlink()
    script = paths.CHECKOUT / "scripts" / "write_report.py"
    subprocess.run([sys.executable, str(script), "--plan", str(done.path)], check=True, capture_output=True)
    assert Path(out).read_bytes() == before
