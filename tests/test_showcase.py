"""The images below the answer: which they are, what is said of them, their order, and their share of the page."""

import re
import shutil

import numpy as np
import pytest
from sharing import once
from sweeping import answer_of, collection, computed, finished

from backbench import hashing, paths
from backbench.datasets import TEST
from backbench.engine.results import ledger
from backbench.evaluate.judging import Judged, Judgement
from backbench.pictures.source import Source
from backbench.reports import _columns, _part, showcase, sweep
from backbench.store import Store

HOSTILE_FILE = '"><img src=x onerror=alert(1)>&.png'


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def done(tmp_path_factory, tmp_path):
    """The plan of a finished sweep, in a folder of the test's own."""
    shutil.copytree(once(tmp_path_factory, "reported", finished)[1], tmp_path / "results")
    return ledger.saved_plans()[-1]


@pytest.fixture
def unlabelled(tmp_path):
    """The plan of a small sweep over images without classes, one of which has markup for a name."""
    grid = ("experiment=none", "backbone=pixels", "chain=none,pca50", "clusterer=kmeans", "k=2,3", "classifier=none")
    overrides = collection(tmp_path / "plain", (), 60)
    (tmp_path / "plain" / "0.png").rename(tmp_path / "plain" / HOSTILE_FILE)
    return computed(*grid, "dataset=folder", overrides[1])


def part_of(plan):
    answer = answer_of(plan)
    (group,) = answer.datasets.values()
    return _part.Part(plan, group, answer.selection)


def source_of(part, scene):
    """The run of a scene."""
    row = next(row for row in part.rows if hashing.short(row.config_hash) == scene.run)
    return Source(row, Store(paths.store()))


def test_the_answer_comes_first_then_its_images_then_trust_and_tables(done):
    text = sweep.render(answer_of(done))
    ids = [
        name for name in re.findall(r'id="([a-z]+)-', text) if name in ("answer", "gallery", "trust", "boards", "runs")
    ]
    assert ids == ["answer", "gallery", "trust", "boards", "runs"]
    scenes = showcase.showcase(part_of(done)).scenes
    assert [scene.key for scene in scenes] == ["clusters", "errors", "nearest"]
    places = [text.index(f'id="{scene.key}-') for scene in scenes]
    assert places == sorted(places)
    assert text.index('id="gallery-') < places[0] and places[-1] < text.index('id="trust-')


def test_clusters_are_rows_of_their_images_with_size_and_majority(done):
    part = part_of(done)
    scene = showcase.showcase(part).scenes[0]
    source = source_of(part, scene)
    assert source.row == part.table("clustering").entries[0].row
    sizes = np.bincount(source.labels)
    numbers = [int(strip.name.removeprefix("cluster ")) for strip in scene.strips]
    assert numbers == np.argsort(-sizes, kind="stable").tolist()
    for number, strip in zip(numbers, scene.strips, strict=True):
        members = np.flatnonzero(source.labels == number)
        counts = np.bincount(source.truth[members])
        share = f"{100 * counts.max() / len(members):.0f}\N{NO-BREAK SPACE}% {source.names[counts.argmax()]}"
        assert strip.lines == (f"{len(members)} images", share)
        best = members[np.argsort(-source.widths[members], kind="stable")].tolist()
        shown = [tile.row for tile in strip.tiles]
        assert shown == [*best[: showcase.TYPICAL], *best[: -1 - showcase.DOUBTFUL : -1]]
        others = [tile.mark == showcase.OTHER for tile in strip.tiles]
        assert others == [source.truth[row] != counts.argmax() for row in shown]


def test_the_surest_errors_come_first_with_both_names_and_the_file(done):
    part = part_of(done)
    scene = showcase.showcase(part).scenes[1]
    source = source_of(part, scene)
    test = np.flatnonzero(source.split == TEST)
    wrong = test[source.predictions[test] != source.truth[test]]
    assert len(wrong) > 0
    assert scene.about.startswith(f"{len(wrong)} of {len(test)} test images")
    decision = np.sort(source.array("classification", "decision")[wrong], axis=1)
    order = wrong[np.lexsort((wrong, decision[:, -2] - decision[:, -1]))]
    tiles = scene.strips[0].tiles
    assert [tile.row for tile in tiles] == order[: showcase.ERRORS].tolist()
    names, files = source.names, source.info("dataset")["files"]
    for tile in tiles:
        told = f"{names[source.truth[tile.row]]} taken for {names[source.predictions[tile.row]]}"
        assert tile.lines == (told,) and tile.file == tile.path == files[tile.row]


def test_nearest_images_are_marked_right_or_wrong(done):
    part = part_of(done)
    scene = showcase.showcase(part).scenes[2]
    source = source_of(part, scene)
    assert len(scene.strips) == showcase.QUERIES
    for strip in scene.strips:
        query, *nearest = strip.tiles
        at = source.queries.tolist().index(query.row)
        assert [tile.row for tile in nearest] == source.neighbours[at][: showcase.NEAREST].tolist()
        right = source.truth[[tile.row for tile in nearest]] == source.truth[query.row]
        assert [tile.mark == showcase.RIGHT for tile in nearest] == right.tolist()
        assert strip.lines[1] == f"{right.sum()} of {len(nearest)} right"


def test_images_beyond_the_limit_are_left_out_of_every_row(done):
    part = part_of(done)
    whole = showcase.showcase(part)
    taken = [len(tile.uri) for scene in whole.scenes for strip in scene.strips for tile in strip.tiles]
    less = showcase.showcase(part, limit=sum(taken) // 2)
    left = [len(tile.uri) for scene in less.scenes for strip in scene.strips for tile in strip.tiles]
    assert 0 < sum(left) <= sum(taken) // 2
    depths = {len(strip.tiles) for strip in (*less.scenes[0].strips, *less.scenes[2].strips)}
    assert len(depths) == 1 and len(less.scenes[0].strips) == len(whole.scenes[0].strips)


def test_images_whose_files_are_lost_are_words(unlabelled, tmp_path):
    assert "cannot be read any more" not in sweep.render(answer_of(unlabelled))
    shutil.rmtree(tmp_path / "plain")
    assert "cannot be read any more" not in sweep.render(answer_of(unlabelled)), "they are kept"
    shutil.rmtree(paths.results() / "reports")
    assert "The file cannot be read any more." in sweep.render(answer_of(unlabelled))


def test_without_classes_files_are_named_and_the_judged_clustering_comes_first(unlabelled):
    part = part_of(unlabelled)
    policy = showcase.showcase(part)
    assert len(policy.alternatives) == 1, "one choice for each representation"
    spaces = part.answer.representations
    judged = [Judged(choice, space, 1.0) for space in spaces for choice in space.candidates]
    judgement = Judgement(judged[3], tuple(judged), tuple(judged[:2]), 2, 3, ("a",), 4, "")
    shown = showcase.showcase(part, judgement)
    assert [scene.run for scene in (shown.scenes[0], *shown.alternatives)] == [
        hashing.short(choice.candidate.run) for choice in (judged[3], *judged[:2])
    ]
    assert shown.scenes[0].title.startswith("The 3 clusters of k-means with k = 3 on raw pixels")
    assert showcase.showcase(part, Judgement(None, (), (), 0, 0, (), 0, "")).scenes[0].key == "nearest"
    assert not any("%" in line for strip in shown.scenes[0].strips for line in strip.lines)
    text = sweep.render(answer_of(unlabelled))
    assert not re.search(r"image \d", text)
    assert HOSTILE_FILE not in text
    files = source_of(part, policy.scenes[0]).info("dataset")["files"]
    shown = {tile.file for tile in policy.scenes[0].strips[0].tiles}
    assert shown <= set(files) and HOSTILE_FILE in files


def test_small_images_are_enlarged_evenly_and_long_names_are_cut_in_the_middle(done):
    tile = showcase.showcase(part_of(done)).scenes[0].strips[0].tiles[0]
    assert (tile.width, tile.height, tile.exact) == (128, 128, True)
    long = showcase.Tile(0, (), "folder/a_very_long_name_of_a_file_0001.jpg")
    assert long.file.startswith("a_very") and long.file.endswith("1.jpg") and len(long.file) < 25


def test_columns_that_have_no_room_wait_and_the_first_never_do():
    assert _columns.fitting([50, 60, 70, 10], [2], 130) == {0, 2, 3}
    assert _columns.fitting([50, 60], [], 200) == {0, 1}
    assert _columns.width("share of noise", 3) < _columns.width("share of noise", 14, 14) <= _columns.width("x", 999)


def test_the_score_of_a_leaderboard_is_what_it_ranks_by(done):
    part = part_of(done)
    for place, table in enumerate(part.tables):
        view = sweep._boards.view(part, table, place)
        roles = _columns.roles(view, table)
        assert roles.count(_columns.SCORE) == 1
        assert {view.columns[at].label for at, role in enumerate(roles) if role == _columns.PARAM} >= {
            "backbone",
            "chain",
        }
