"""Search: exact where it says so, indexes that are kept, made again and measured truthfully, texts, and the command."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sharing import once
from sweeping import collection, computed, rows_of
from texts_and_images import tiny_clip

from backbench import cli, paths, threads
from backbench.engine.results import ledger
from backbench.inference import exact, fitting, index, inverted, texts, within
from backbench.inference.known import Known
from backbench.inference.searching import Searcher, digest_of, gallery_ref
from backbench.metrics import neighbours
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store

CLASSES = ("boots", "hats", "=1+1")
PIXELS = ("experiment=none", "backbone=pixels", "backbone.image.size=8", "clusterer=kmeans", "k=3", "classifier=none")
PROTOCOLS = ("retrieval.protocol=leave_one_out,test_against_train", "retrieval.metric=cosine,euclidean")


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def clustered(n: int = 2500, d: int = 16) -> np.ndarray:
    return normal(25, d)[np.arange(n) % 25] + 0.8 * normal(n, d, 1)


def with_copies(rows: np.ndarray) -> np.ndarray:
    rows[::3], rows[5] = rows[0], 0
    return rows


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    "rows",
    [
        normal(700, 9),
        normal(700, 9) + 300,
        with_copies(normal(700, 9)),
        np.round(normal(700, 9)),
        normal(700, 9) * np.float32(1e-20),
        normal(700, 9).astype(np.float64),
        normal(20, 9),
    ],
    ids=["normal", "far", "copies", "equal", "tiny", "double", "few"],
)
def test_the_exact_search_is_that_of_neighbours(metric, rows):
    queries = np.concatenate([rows[:15], normal(10, 9, 2), np.zeros((1, 9))]).astype(rows.dtype)
    itself = np.where(np.arange(26) < 15, np.arange(26), -1)
    search = exact.Exact(rows, metric)
    for count, excluded in ((10, itself), (1, None), (len(rows) - 1, itself)):
        for got, expected in zip(
            search.nearest(queries, count, excluded),
            neighbours.nearest(queries, rows, count, metric, excluded),
            strict=True,
        ):
            np.testing.assert_array_equal(got, expected)
    with pytest.raises(ValueError, match=f"there are {len(rows) - 1} rows to choose from"):
        search.nearest(queries, len(rows), itself)


def test_ordinary_rows_need_no_second_search(monkeypatch):
    rows = normal(3000, 20)
    search = {metric: exact.Exact(rows, metric) for metric in ("cosine", "euclidean")}
    expected = {metric: neighbours.nearest(rows[:5], rows, 10, metric)[0] for metric in search}
    monkeypatch.setattr(neighbours, "nearest", lambda *_: pytest.fail("the rows were searched twice"))
    for metric, each in search.items():
        np.testing.assert_array_equal(each.nearest(rows[:5], 10)[0], expected[metric])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_index_measures_its_recall_truthfully(metric, own_results):
    rows, told = clustered(), []
    made = index.opened(rows, metric, "rows", told.append, exact_up_to=100)
    opened = index.opened(rows, metric, "rows", told.append, exact_up_to=100)
    assert told == ["making an index of 2,500 images; it is kept"]
    assert made.facts == opened.facts and opened.facts["measured"] == 1000 and opened.facts["at"] == 10
    every = np.arange(len(rows))
    true, lengths = neighbours.nearest(rows, rows, 10, metric, every)
    near, measured = opened.nearest(rows, 10, every)
    np.testing.assert_array_equal(near, made.nearest(rows, 10, every)[0])
    assert not (near == every[:, None]).any()
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(true, near, strict=True)])
    assert abs(recall - opened.facts["recall"]) <= 4 * opened.facts["recall_se"] + 1e-9
    assert recall >= index.WANTED - 0.02
    # What is found has the distance of an exact search, bit for bit.
    same = near == true
    np.testing.assert_array_equal(measured[same], lengths[same])
    assert f"recall@10 {opened.facts['recall']:.3f} ± " in opened.sentence


def test_a_coarse_index_says_how_much_it_misses(own_results, monkeypatch):
    monkeypatch.setattr(index, "WANTED", 0.0)
    rows = normal(2500, 16)
    coarse = index.opened(rows, "euclidean", "rows", exact_up_to=100)
    assert coarse.facts["nprobe"] == 1 and coarse.facts["recall"] < 0.7
    every = np.arange(len(rows))
    true, near = (search.nearest(rows, 10, every)[0] for search in (exact.Exact(rows, "euclidean"), coarse))
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(true, near, strict=True)])
    assert abs(recall - coarse.facts["recall"]) <= 4 * coarse.facts["recall_se"]
    # Lists that hold fewer images than are asked for are no reason to give fewer.
    np.testing.assert_array_equal(
        coarse.nearest(rows[:2], 900)[0], neighbours.nearest(rows[:2], rows, 900, "euclidean")[0]
    )


def kept(folder: Path) -> Path:
    (file,) = (folder / "results" / "cache" / "index").rglob("*.faiss")
    return file


@pytest.mark.parametrize("damage", ["gone", "short", "head", "tail", "record"])
def test_a_damaged_index_is_made_again(damage, own_results, tmp_path, caplog):
    rows, told = clustered(), []
    before = index.opened(rows, "cosine", "rows", exact_up_to=100)
    file, whole = kept(tmp_path), kept(tmp_path).read_bytes()
    file.unlink()
    if damage == "short":
        file.write_bytes(whole[:-9])
    elif damage == "record":
        file.write_bytes(whole)
        (record,) = file.parent.glob("*.json")
        record.write_text(record.read_text().replace("nprobe", "nprobes"))
    elif damage != "gone":
        place = 40 if damage == "head" else len(whole) - 3
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    again = index.opened(rows, "cosine", "rows", told.append, exact_up_to=100)
    assert len(told) == 1 and again.facts == before.facts and kept(tmp_path).read_bytes() == whole
    assert "damaged" in caplog.text or damage == "record"
    np.testing.assert_array_equal(again.nearest(rows[:9], 5)[0], before.nearest(rows[:9], 5)[0])
    caplog.clear()


def test_wrong_bytes_in_the_lists_hide_neighbours_at_most(own_results, tmp_path):
    rows = clustered(d=32)
    index.opened(rows, "euclidean", "rows", exact_up_to=100)
    content = bytearray(kept(tmp_path).read_bytes())
    lists = len(content) - len(rows) * (rows.shape[1] + inverted.NUMBER_BYTES)
    unchecked = slice(lists, len(content) - inverted.TAIL)
    assert unchecked.start < unchecked.stop
    content[unchecked] = b"\xff" * (unchecked.stop - unchecked.start)
    kept(tmp_path).write_bytes(content)
    search = index.opened(rows, "euclidean", "rows", lambda _: pytest.fail("made again"), exact_up_to=100)
    near, lengths = search.nearest(rows[:50], 5)
    assert near.min() >= 0 and near.max() < len(rows)
    expected = np.linalg.norm(rows[near].astype(float) - rows[:50, None], axis=2)
    np.testing.assert_allclose(lengths, expected, rtol=1e-12)


def test_two_processes_make_an_index_once(own_results, tmp_path):
    program = (
        "import numpy as np, sys; from backbench.inference import index\n"
        "rows = np.random.default_rng(0).normal(size=(9000, 16)).astype(np.float32)\n"
        "search = index.opened(rows, 'cosine', 'rows', print, exact_up_to=100)\n"
        "print(search.nearest(rows[:3], 4)[0].tolist())"
    )
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [process.communicate()[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert lines[0][-1] == lines[1][-1] and sum(map(len, lines)) == 3
    assert kept(tmp_path)


# ------------------------------------------------------------------------------------------- a small stored sweep


def swept(folder: Path) -> None:
    """A results folder with four runs on 60 pictures."""
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        plan = computed(*PIXELS, *PROTOCOLS, *collection(folder / "photos", CLASSES, 20))
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    made = once(tmp_path_factory, "searched", swept)[0]
    monkeypatch.setenv("BACKBENCH_RESULTS", str(made / "results"))
    return made


def sources() -> dict[tuple[str, str], Source]:
    """The runs by protocol and metric of their retrieval."""
    rows = [row for plan in ledger.saved_plans() for row in rows_of(plan)]
    names = ("retrieval.protocol", "retrieval.metric")
    return {tuple(row.params[name] for name in names): Source(row, Store(paths.store())) for row in rows}


def searcher(source: Source, *conditions: str) -> Searcher:
    return Searcher(fitting.fit(source), Known(source), within.rows(conditions, source), " and ".join(conditions))


def test_known_images_find_the_stored_neighbours(folder):
    for (protocol, metric), source in sources().items():
        search = searcher(source, *(["split=train"] if protocol == "test_against_train" else []))
        paths_ = [search.known.path(row) for row in source.queries]
        answers = list(search.files(paths_, source.neighbours.shape[1]))
        assert [answer.known for answer in answers] == source.queries.tolist()
        assert [[hit.row for hit in answer.hits] for answer in answers] == source.neighbours.tolist()
        hit = answers[0].hits[0]
        assert hit.score == (1 - hit.distance if metric == "cosine" else hit.distance)
        assert (hit.label, hit.path) == (source.names[source.truth[hit.row]], search.known.path(hit.row))
        assert metric in search.images.measure


def test_a_new_image_finds_what_its_features_are_nearest_to(folder, tmp_path):
    source = sources()["leave_one_out", "euclidean"]
    search = searcher(source)
    original = search.known.path(7)
    # The same pixels in another file: a new image, of which the known one is an equal.
    Image.open(original).save(tmp_path / "copy.bmp")
    (answer,) = search.files([tmp_path / "copy.bmp"], 3)
    assert answer.known is None and (answer.hits[0].row, answer.hits[0].distance) == (7, 0.0)
    assert search.model.index is None and search.images.sentence == "exact over 60 images"


def test_a_search_within_a_class_or_cluster(folder):
    source = sources()["leave_one_out", "cosine"]
    search = searcher(source, "class=hats", f"cluster={source.labels[1]}")
    inside = np.flatnonzero((source.truth == source.names.index("hats")) & (source.labels == source.labels[1]))
    (answer,) = search.files([search.known.path(1)], 99)
    assert sorted(hit.row for hit in answer.hits) == sorted(set(inside.tolist()) - {1})
    assert (
        search.images.sentence == f"exact over {len(inside)} images of 60 (class=hats and cluster={source.labels[1]})"
    )
    for condition, words in (
        ("class=hat", "Did you mean 'hats'"),
        ("cluster=9", "allowed: a cluster of the run, 0 to 2"),
        ("split=tset", "Did you mean 'test'"),
        ("colour=red", "allowed: class=..., cluster=..., split=..., such as class=boots"),
    ):
        with pytest.raises(ConfigError, match=words):
            within.rows([condition], source)


def test_a_model_with_an_index_asks_it(folder):
    source = sources()["leave_one_out", "cosine"]
    kind, member = gallery_ref(source)
    model, features = fitting.fit(source), Known(source).features
    assert len(digest_of(source, kind, member)) == 64
    forced = index.opened(model.arrays["known.gallery"], "cosine", digest_of(source, kind, member), exact_up_to=10)
    with_index = type(model)(model.about, model.arrays, index=forced)
    by_lists, by_all = (each.nearest(features[:9], 5, np.arange(9)) for each in (with_index, model))
    np.testing.assert_array_equal(by_lists.rows, by_all.rows)
    np.testing.assert_array_equal(by_lists.distances, by_all.distances)


def test_the_command(folder, tmp_path, capsys):
    source = sources()["leave_one_out", "cosine"]
    hash_, photos = source.row.config_hash, tmp_path / "new"
    photos.mkdir()
    Image.fromarray(np.full((9, 7, 3), 90, np.uint8)).save(photos / "grey.png")
    (photos / "broken.png").write_bytes(b"no image")
    grid, table = tmp_path / "g.png", tmp_path / "t.csv"
    known = str(Known(source).path(3))
    given = ["search", hash_[:12], str(photos), known, "-n", "4"]
    assert cli.main([*given, "--to", str(table), "--grid", str(grid)]) == 0
    told = capsys.readouterr().err
    assert "images: exact over 60 images; score: cosine similarity, 1 for the same direction" in told
    assert "broken.png: no image of a known format" in told and "1 query is an image of the collection" in told
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["", *"1234", *"1234"]
    assert rows[0]["reason"] and rows[-1]["known_as"] == Path(known).name and Path(rows[-1]["path"]).is_file()
    with Image.open(grid) as picture:
        assert picture.size[0] > 300
    assert cli.main([*given, "--format", "jsonl"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["image"] for record in records if record["rank"]] == [row["image"] for row in rows if row["rank"]]
    assert cli.main([*given, "--within", "class==1+1"]) == 0
    assert "left out" in (screen := capsys.readouterr().out) and "=1+1" in screen and "boots" not in screen
    assert cli.main(["search", hash_, str(photos / "broken.png")]) == 1
    for words, reason in (
        ([], "nothing to search for"),
        (["--text", "red boots"], "its backbone pixels knows images alone. Backbones that know texts too: open_clip"),
        (["--text", " "], "nothing but blanks"),
        ([known, "--grid", "g.jpg"], "ends in .png"),
    ):
        assert cli.main(["search", hash_, *words]) == 2
        assert reason in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------ texts


@pytest.fixture
def tiny(tmp_path):
    with tiny_clip(tmp_path) as made:
        yield made


def test_texts_are_compared_with_images_as_the_model_was_trained(tiny, own_results, tmp_path, capsys):
    import open_clip

    model, backbone = tiny
    # The chain of the retrieval was fitted on images: texts pass it by.
    grid = ("experiment=none", "clusterer=none", "classifier=none", "chain=standardise", "retrieval.metric=euclidean")
    plan = computed(*grid, *backbone, *collection(tmp_path / "photos", CLASSES, 10))
    ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
    (row,) = rows_of(plan)
    source = Source(row, Store(paths.store()))
    search, words = searcher(source), ["red boots", "A photo of a hat."]
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer("tiny-clip")(words), normalize=False).numpy()
    encoded = texts.encoder(search.model)(words)
    np.testing.assert_allclose(encoded, expected, rtol=1e-5, atol=1e-6)
    answers = search.texts(words, 30)
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (expected, np.array(search.known.features))]
    scores = unit[0] @ unit[1].T
    for answer, score in zip(answers, scores, strict=True):
        np.testing.assert_allclose([hit.score for hit in answer.hits], -np.sort(-score), atol=1e-5)
        np.testing.assert_allclose([score[hit.row] for hit in answer.hits], -np.sort(-score), atol=1e-5)
    given = ["search", row.config_hash, "--text", words[0], "--text", words[1], "--grid", str(tmp_path / "g.png")]
    with threads.beside(1):
        assert cli.main([*given, str(search.known.path(0))]) == 0
    screen = capsys.readouterr()
    assert '"red boots"' in screen.out and "texts: exact over 30 images; score: cosine similarity" in screen.err
    assert "images: exact over 30 images; score: euclidean distance" in screen.err
