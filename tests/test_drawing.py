"""Pictures on disk: drawn once, again when what they show has changed, and whatever goes wrong with one of them."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from broken_kinds import Dying, Plain, Raising, Unknowing
from fewkinds import OVERVIEWS, copied, few, finished
from sharing import once
from sweeping import answer_of, collection, computed, rows_of

from backbench import hashing, launching, paths
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.pictures import _pool, catalogue, choice, drawing, index, ordering
from backbench.pictures.orders import Desk, run_folder
from backbench.reports import sweep
from backbench.store import Store


@pytest.fixture
def plan(tmp_path, tmp_path_factory, monkeypatch) -> Plan:
    """The plan of a finished sweep in a results folder of the test's own, and few kinds of pictures."""
    return copied(once(tmp_path_factory, "drawing", finished)[1], tmp_path, monkeypatch)


@pytest.fixture
def drawn(tmp_path, tmp_path_factory, monkeypatch) -> Plan:
    """The same with its pictures."""
    source = once(tmp_path_factory, "drawing", finished)[1]

    def make(folder):
        with pytest.MonkeyPatch().context() as patch:
            draw(copied(source, folder, patch), cores=2)
        return str(folder / "results")

    return copied(once(tmp_path_factory, "drawn", make)[1], tmp_path, monkeypatch)


def draw(plan, cores=1):
    """What was drawn now, as (folder, name), and what the receipt says."""
    counts = []
    said = drawing.draw_sweep(plan, cores, lambda done, total: counts.append((done, total)))
    assert counts == [(done, len(counts)) for done in range(1, len(counts) + 1)]
    return len(counts), said


def stamps():
    """Each picture with what changes when it is written again."""
    files = [path for path in index.root().rglob("*") if path.suffix in (".png", ".csv")]
    return {str(path.relative_to(index.root())): path.stat().st_ino for path in files}


def replaced(store, kind, member, changes):
    """Change a record and its code, with the record of before gone."""
    before = store.path(kind, member)
    store.amend(kind, member, changes)
    before.unlink()


def edit(plan, kind, change):
    """Another result of the first stage of a kind, joined; the member that it is."""
    store = Store(paths.store())
    member = min(key for key, stage in plan.stages.items() if stage.kind == kind)
    replaced(store, kind, member, change(store.read(kind, member)))
    ledger.join(plan, ledger.read_records(plan, store))
    return member


def test_a_sweep_ends_with_its_pictures_and_those_of_its_best_runs(plan):
    count, said = draw(plan, cores=2)
    assert said["drawn"] == count > 6 and said["failed"] == {}
    assert [one.kind for one in drawing.of_sweep(plan)] == ["heatmap", "metric_by_k"]
    runs = drawing.runs_of(plan)
    best = {pick.row.config_hash for pick in choice.picks(rows_of(plan), choice.BEST)}
    assert set(runs) <= best and len(runs) >= 2
    for one in [*drawing.of_sweep(plan), *(one for key in runs for one in drawing.of_run(key))]:
        assert one.png.read_bytes().startswith(b"\x89PNG") and "," in one.csv.read_text().splitlines()[0]
        assert one.caption and one.title and one.category
        assert one.dataset == ("photos" if one.category == "Sweep" else "")


def test_each_result_is_drawn_once_and_reasons_are_kept(drawn):
    entries = {key: index.read(run_folder(key)) for key in drawn.runs}
    names = [name for own in entries.values() for name, entry in own.items() if "png" in entry]
    results = {head: {run.stages[head] for run in drawn.runs.values()} for head in ("classification", "clustering")}
    assert names.count("confusion") <= len(results["classification"]) and names.count("silhouette") == 2
    assert names.count("dendrogram") == 1
    (reason,) = {entry["lacks"] for own in entries.values() for entry in own.values() if "lacks" in entry}
    assert "agglomerative" in reason


def test_drawn_once(drawn):
    before = stamps()
    assert drawing.current(drawn)
    assert draw(drawn)[0] == 0 and stamps() == before


def test_pictures_are_the_same_files_twice(drawn):
    before = {name: (index.root() / name).read_bytes() for name in stamps()}
    shutil.rmtree(index.root())
    assert not drawing.current(drawn)
    draw(drawn, cores=2)
    assert {name: (index.root() / name).read_bytes() for name in stamps()} == before


def test_a_deleted_picture_is_drawn_again_and_no_other(drawn):
    before = stamps()
    gone = next(name for name in sorted(before) if name.endswith("silhouette.png"))
    (index.root() / gone).unlink()
    assert not drawing.current(drawn)
    assert draw(drawn)[0] == 1
    assert {name for name, now in stamps().items() if now != before[name]} <= {gone, gone.replace(".png", ".csv")}
    assert drawing.current(drawn)


def test_a_deleted_link_is_made_again_without_drawing(drawn):
    next(drawing.published(drawn).glob("*silhouette.png")).unlink()
    assert not drawing.current(drawn)
    assert draw(drawn)[0] == 0 and drawing.current(drawn)


def test_another_result_is_drawn_again_with_what_shows_it(drawn):
    before = stamps()
    member = edit(
        drawn, "classification", lambda record: {"metrics": {**record["metrics"], "accuracy": 0.0}, "code": "f" * 64}
    )
    assert not drawing.current(drawn)
    draw(drawn)
    changed = {Path(name).parts for name, now in stamps().items() if now != before.get(name)}
    runs = {hashing.short(key) for key, run in drawn.runs.items() if run.stages["classification"] == member}
    assert {place[0] for place in changed} <= {"sweeps", *runs}
    assert not any("silhouette" in place[-1] for place in changed)
    assert ("sweeps", hashing.short(drawn.sweep), "heatmap.png") in changed


def test_other_code_is_drawn_again_in_place(drawn, monkeypatch):
    before = stamps()
    (silhouette,) = catalogue.asked(["silhouette"], catalogue.RUN)
    monkeypatch.setitem(silhouette.__dict__, "code", "f" * 64)
    assert draw(drawn)[0] == 2
    after = stamps()
    assert set(after) == set(before)
    assert {Path(name).stem for name in after if after[name] != before[name]} == {"silhouette"}


def test_a_picture_that_fails_is_recorded_and_stops_nobody(plan, monkeypatch):
    broken = (Raising("raising", "kinds"), Unknowing("unknowing", "kinds"), Plain("plain", "kinds"))
    few(monkeypatch, "silhouette", more=broken)
    _, said = draw(plan)
    assert sorted(said["failed"].values()) == ["KeyError: 'n'"] * 2 + ["ValueError: nothing to be seen"] * 2
    for key in drawing.runs_of(plan):
        assert [one.kind for one in drawing.of_run(key)] == ["plain", "silhouette"]
    assert drawing.current(plan), "it is not tried again at every launch"


def test_a_process_that_dies_takes_no_other_picture_with_it(plan, monkeypatch):
    few(monkeypatch, "silhouette", more=(Dying("dying", "kinds"), Plain("plain", "kinds")))
    _, said = draw(plan, cores=2)
    assert set(said["failed"].values()) == {_pool.DIED}
    drawn = [one.kind for key in drawing.runs_of(plan) for one in drawing.of_run(key)]
    assert sorted(drawn) == ["plain", "plain", "silhouette", "silhouette"]


def test_a_kind_that_is_no_more_leaves_nothing_behind(plan, monkeypatch):
    few(monkeypatch, more=(Plain("plain", "kinds"), Plain("other", "kinds")))
    draw(plan)
    few(monkeypatch, more=(Plain("plain", "kinds"),))
    draw(plan)
    assert {Path(name).name for name in stamps()} == {"plain.png", "plain.csv"}
    assert {path.suffix for path in drawing.published(plan).iterdir()} == {".png", ".csv", ".json"}


def test_what_was_asked_for_is_kept_up_to_date(plan):
    """A run that is not the best one is drawn on request, and drawn again with the sweep once it has changed."""
    row = next(row for row in rows_of(plan) if row.params["k"] == 3 and row.params["clusterer.name"] == "kmeans")
    member = row.run.stages["clustering"]
    others = [row for row in rows_of(plan) if row.run.stages["clustering"] != member]
    plain, store = Plain("plain", "kinds"), Store(paths.store())
    drawing.make([Desk(store).run(row, plain, asked=True) for row in [row]], 1, lambda done, total: None)
    drawing.make([Desk(store).run(row, plain) for row in others], 1, lambda done, total: None)
    replaced(store, "clustering", member, {"code": "f" * 64})
    for other in {other.run.stages["clustering"] for other in others}:
        replaced(store, "clustering", other, {"code": "e" * 64})
    ledger.join(plan, ledger.read_records(plan, store))
    with pytest.MonkeyPatch().context() as patch:
        few(patch, more=(plain,))
        known = ordering.of_plan(plan, choice.NONE, store)
    assert [(order.folder, order.asked) for order in known if order.kind is plain] == [
        (run_folder(row.config_hash), True)
    ]
    left = [key for key in plan.runs if "plain" in index.read(run_folder(key))]
    assert left == [row.config_hash], "what nobody asked for and is outdated is dropped"


def test_a_damaged_index_is_none(drawn):
    (key, *_) = drawing.runs_of(drawn)
    (run_folder(key) / index.FILE).write_text('{"silhouette": {"png": ')
    assert drawing.of_run(key) == [] and index.read(run_folder(key)) == {}
    shutil.rmtree(drawing.published(drawn))
    draw(drawn)
    assert "silhouette" in index.read(run_folder(key))


def test_the_sweeps_folder_shows_its_runs_too(drawn):
    names = {path.name for path in drawing.published(drawn).iterdir()}
    runs = drawing.runs_of(drawn)
    for key in runs:
        assert {f"{hashing.short(key)}-{one.png.name}" for one in drawing.of_run(key)} <= names
    assert {"heatmap.png", "heatmap.csv", "index.json"} <= names


def test_preparing_a_sweep_asks_for_what_is_outdated(drawn):
    store = Store(paths.store())
    launching.prepare(drawn)
    assert drawing.receipt(drawn).exists()
    next(index.root().rglob("heatmap.png")).unlink()
    launching.prepare(drawn)
    assert not drawing.receipt(drawn).exists()
    current = dict.fromkeys(drawn.stages, "current")
    assert ledger.joined(drawn, current, current) and store.root.exists()


def test_a_sweep_that_wants_no_pictures_asks_for_none(plan):
    none = replace(plan, request={**plan.request, "plots": choice.NONE})
    old = replace(plan, request={key: value for key, value in plan.request.items() if key != "plots"})
    assert drawing.wanted(plan) and drawing.wanted(old) and not drawing.wanted(none)
    assert drawing.mode(old) == choice.BEST


def test_two_data_sets_have_pictures_of_their_own(plan, tmp_path, monkeypatch):
    few(monkeypatch, "heatmap")
    both = (*collection(tmp_path / "other", ("ant", "bee")), "dataset.seed=0,1")
    two = computed("experiment=none", "backbone=pixels", "clusterer=none", "classifier=knn,svm", *both, "plots=best")
    ledger.join(two, ledger.read_records(two, Store(paths.store())))
    draw(two)
    names = [one.png.name for one in drawing.of_sweep(two)]
    assert len(names) == 2 and all(name.startswith("heatmap-other-") for name in names)


def test_reading_imports_no_matplotlib(drawn):
    program = (
        "import sys; from backbench.pictures import drawing; from backbench.engine.results import ledger\n"
        "(plan,) = ledger.saved_plans()\n"
        "n = len([one for key in drawing.runs_of(plan) for one in drawing.of_run(key)]) + len(drawing.of_sweep(plan))\n"
        "print(n, drawing.current(plan) in (True, False), 'matplotlib' in sys.modules, 'numpy' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert int(told[0]) > 6 and told[1:] == ["True", "False", "False"]


def test_an_entry_says_what_a_reader_needs(drawn):
    entries = json.loads((drawing.published(drawn) / index.FILE).read_text())
    wanted = {"title", "category", "caption", "order", "key", "png", "csv"}
    assert set(entries) == set(OVERVIEWS) and all(wanted <= set(entry) for entry in entries.values())


def test_the_page_of_a_small_sweep_embeds_every_picture(drawn):
    places = {
        entry.png
        for folder in (drawing.of_sweep(drawn), *map(drawing.of_run, drawing.runs_of(drawn)))
        for entry in folder
    }
    page = sweep.render(answer_of(drawn))
    assert len(places) > 6
    assert page.count("data:image/webp;base64,") >= len({path.read_bytes() for path in places})
    assert "Pictures not included in this page" not in page
