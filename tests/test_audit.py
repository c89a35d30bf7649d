"""The audit: planted faults are found and sound images are not, and the page shows them to anyone."""

import io
import json
import os
import random
import shutil
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from backbench import cli, hashing, paths, plugins
from backbench.datasets import TEST, TRAIN, VALIDATION
from backbench.reports import _audit_checks, _charts, templates
from backbench.reports import audit as page
from backbench.stage import Context, Inputs, Member
from backbench.stages import _audit_duplicates, _audit_tables, audit
from backbench.stages import dataset as dataset_stage
from backbench.stages._audit_duplicates import Leak, Near
from backbench.store import Store, StoreError

ONE = Context(threads=1)
DATASET, AUDIT = "d" * 64, "a" * 64


pytestmark = pytest.mark.usefixtures("own_results")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "store")


def picture(seed: int, size=(160, 120)) -> Image.Image:
    """A picture with structure as a photograph has it: soft blobs of every colour on a slope."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:1:90j, 0:1:120j]
    field = np.zeros((90, 120, 3)) + 60 * rng.normal(size=3) * x[..., None] + 60 * rng.normal(size=3) * y[..., None]
    for _ in range(14):
        cx, cy, width = *rng.random(2), rng.uniform(0.05, 0.25)
        field += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / width**2)[..., None] * rng.normal(0, 90, 3)
    return Image.fromarray((field + 128).clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def again(image: Image.Image, quality: int) -> Image.Image:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality)
    return Image.open(target).convert("RGB")


def cut(image: Image.Image, share: float) -> Image.Image:
    dx, dy = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((dx, dy, image.width - dx, image.height - dy))


SAME_PICTURE = {
    "q60": lambda image: again(image, 60),
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "double": lambda image: image.resize((image.width * 2, image.height * 2)),
    "cut": lambda image: cut(image, 0.02),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "soft": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
}
OTHER_PICTURE = {
    "mirror": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "corner": lambda image: image.crop((0, 0, image.width // 2, image.height // 2)),
}


@pytest.fixture
def faulty(painted, tmp_path):
    """A copy of the folder of faults that a test may change."""
    return Path(shutil.copytree(painted, tmp_path / painted.name))


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """A folder of 40 sound pictures in two classes, and one of every fault."""
    root = tmp_path_factory.mktemp("painted") / "<b>pictures"
    for number in range(40):
        path = root / ("round" if number % 2 else "long") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    for number, (name, change) in enumerate({**SAME_PICTURE, **OTHER_PICTURE}.items()):
        change(picture(2 * number)).save(root / "long" / f"{name}.png")
    picture(1).save(root / "round" / "copy.png")
    picture(3).save(root / "long" / "copy of a round one.png")
    Image.new("RGB", (90, 60), (250, 250, 250)).save(root / "long" / "blank.png")
    picture(500, (20, 26)).save(root / "round" / "tiny.png")
    picture(501, (600, 100)).save(root / "round" / "odd.png")
    picture(502).save(root / "stray.png")
    whole = (root / "long" / "00.png").read_bytes()
    (root / "long" / "cut short.png").write_bytes(whole[: len(whole) // 2])
    (root / "long" / "empty<script>.png").write_bytes(b"")
    return root


def folder_stage(store: Store, root: Path, **changed) -> Inputs:
    """The inputs of an audit of a folder, through the real plugin and stage."""
    split = {"source": "random", "validation": 0.2, "test": 0.2}
    config = {"name": "folder", "digest": None, "sample": None, "seed": 0, "split": split, "unreadable": "exclude"}
    member = Member(DATASET, {**config, "root": str(root), "loose": "exclude", **changed})
    outcome = next(dataset_stage.compute([member], Inputs(store, {}), ONE))
    store.write("dataset", DATASET, {"info": dict(outcome.info), "config": {**config, **changed}}, outcome.arrays)
    return Inputs(store, {"dataset": ("dataset", DATASET)})


def arrays_stage(store: Store, info=None, **arrays) -> Inputs:
    """The inputs of an audit of a hand-made record."""
    n = len(next(iter(arrays.values())))
    arrays = {"split": np.zeros(n, np.uint8), **arrays}
    store.write("dataset", DATASET, {"info": {"n": n, "classes": None, **(info or {})}}, arrays)
    return Inputs(store, {"dataset": ("dataset", DATASET)})


def run(inputs: Inputs, context=ONE, **config):
    outcome = next(audit.compute([Member(AUDIT, {"near_distance": 4, **config})], inputs, context))
    assert outcome.failure is None, outcome.failure
    return outcome


def keep(store: Store, outcome) -> Path:
    record = {"status": "done", "info": outcome.info, "metrics": outcome.metrics}
    store.write("audit", AUDIT, record, outcome.arrays)
    return page.write(store, AUDIT)


def names(group) -> set[str]:
    return {image["path"] for image in group["images"]}


# What is found


def test_every_planted_fault_and_nothing_else(store, faulty):
    outcome = run(folder_stage(store, faulty))
    report = outcome.info
    assert {entry["path"] for entry in report["unreadable"]} == {"long/cut short.png", "long/empty<script>.png"}
    assert [entry["path"] for entry in report["passed_over"]] == ["stray.png"]
    assert [names(group) for group in report["duplicates"]] == [
        {"long/copy of a round one.png", "round/03.png"},
        {"round/01.png", "round/copy.png"},
    ]
    assert [group["classes"] for group in report["duplicates"]] == [2, 1]
    pairs = [{f"long/{2 * number:02}.png", f"long/{name}.png"} for number, name in enumerate(SAME_PICTURE)]
    assert sorted(map(sorted, map(names, report["near_duplicates"]))) == sorted(map(sorted, pairs))
    assert [image["path"] for image in report["flat"]] == ["long/blank.png"]
    assert [image["path"] for image in report["tiny"]] == ["round/tiny.png"]
    assert [(image["path"], image["size"]) for image in report["odd"]] == [("round/odd.png", [600, 100])]
    assert outcome.metrics["duplicates"] == 2 and outcome.metrics["near_duplicates"] == len(SAME_PICTURE)
    assert outcome.metrics["duplicates_in_two_classes"] == 1
    assert all(type(value) is float for value in outcome.metrics.values())


def test_the_policy_of_the_data_set_is_told_apart_from_what_is_left(store, faulty):
    report = run(folder_stage(store, faulty, duplicates="exclude", near_duplicates="exclude")).info
    assert report["counts"]["duplicates"] == report["counts"]["near_duplicates"] == 0
    assert len(report["left_out"]) == 2 + len(SAME_PICTURE)
    assert len(report["unreadable"]) == 2
    found = {check.key: check for check in _audit_checks.checks(report)}
    assert found["duplicates"].policy == "2 files already left out (dataset.duplicates=exclude)."
    assert found["duplicates"].state == _audit_checks.FINE


def test_images_of_an_array(store):
    pixels = np.stack([np.asarray(picture(number, (64, 64)).convert("L")) for number in (0, 1, 2, 3, 1, 4)])
    split = np.array([TRAIN, TRAIN, VALIDATION, TEST, TEST, TEST], np.uint8)
    places = np.arange(100, 106)
    labels = np.array([0, 0, 1, 1, 1, 0])
    report = run(
        arrays_stage(store, {"classes": ["a", "b"]}, pixels=pixels, split=split, rows=places, labels=labels)
    ).info
    assert report["across_parts"] == [
        {
            "image": {"row": 4, "path": "image 104", "class": "b", "part": "test"},
            "twin": {"row": 1, "path": "image 101", "class": "a", "part": "train"},
            "distance": 0,
            "likeness": 1.0,
        }
    ]
    assert report["counts"]["duplicates"] == report["counts"]["duplicates_in_two_classes"] == 1
    assert "not as files" in report["absent"]["unreadable"]
    assert report["sizes"]["distinct"] == 1 and report["tiny"] == []


def test_like_outlines_of_small_images_are_no_duplicates(store):
    y, x = np.mgrid[0:28, 0:28]
    body = ((abs(x - 13.5) < 9) & (abs(y - 13.5) < 11)).astype(float)
    rng = np.random.default_rng(0)
    shirts = [
        (body * np.clip(150 + 40 * np.kron(rng.normal(size=(7, 7)), np.ones((4, 4))), 60, 250)).astype(np.uint8)
        for _ in range(30)
    ]
    brighter = np.clip(shirts[0] * 1.03, 0, 255).astype(np.uint8)
    report = run(arrays_stage(store, pixels=np.stack([*shirts, brighter])), near_distance=16).info
    assert [{image["row"] for image in group["images"]} for group in report["near_duplicates"]] == [{0, 30}]
    assert report["look_alikes"]["pairs"] > 0


def test_what_cannot_be_checked_is_said(store):
    report = run(arrays_stage(store, embeddings=np.ones((5, 3), np.float32))).info
    assert report["thumbnails"] == {} and report["duplicates"] is None
    checks = {check.key: check for check in _audit_checks.checks(report)}
    assert checks["duplicates"].state == checks["imbalance"].state == _audit_checks.ABSENT
    assert "embeddings" in checks["near_duplicates"].meaning and "no labels" in checks["imbalance"].meaning
    assert page.render(report, np.zeros((0, 96, 96, 3), np.uint8))


def test_files_without_hashes_or_sizes(store, faulty):
    inputs = folder_stage(store, faulty)
    record = store.read("dataset", DATASET)
    arrays = {name: inputs.array("dataset", name) for name in ("split", "labels", "file_digests", "contents")}
    store.write("dataset", DATASET, record, arrays)
    report = run(inputs).info
    assert len(report["duplicates"]) == 2
    assert report["near_duplicates"] is report["flat"] is report["odd"] is report["sizes"] is None
    assert "hashes" in report["absent"]["near_duplicates"] and "sizes" in report["absent"]["odd"]
    assert page.render(report, run(inputs).arrays["thumbnails"])


def test_threads_and_repetition_change_nothing(store, faulty):
    inputs = folder_stage(store, faulty)
    one, four = run(inputs), run(inputs, Context(threads=4))
    assert one.info == four.info and one.metrics == four.metrics
    np.testing.assert_array_equal(one.arrays["thumbnails"], four.arrays["thumbnails"])
    assert json.loads(json.dumps(one.info)) == one.info


def test_a_file_that_has_changed_fails_the_audit_alone(store, faulty):
    inputs = folder_stage(store, faulty)
    picture(99).save(faulty / "long" / "00.png")
    outcome = next(audit.compute([Member(AUDIT, {"near_distance": 4})], inputs, ONE))
    assert "launch again" in outcome.failure


def test_thumbnails_show_examples_and_offenders_up_to_the_limit(store, faulty):
    inputs = folder_stage(store, faulty)
    report, few = run(inputs).info, run(inputs, thumbnails=20)
    shown = {int(row) for row in report["thumbnails"]}
    offenders = {image["row"] for group in report["near_duplicates"] for image in group["images"]}
    assert offenders | {image["row"] for image in report["examples"]} <= shown
    assert len(few.info["thumbnails"]) <= 20 and few.arrays["thumbnails"].shape[1:] == (96, 96, 3)
    for row, (place, width, height) in report["thumbnails"].items():
        assert max(width, height) <= 96, (row, place)


# Duplicates by row number


def like(rows):
    """Squares that are all the same picture."""
    return np.ones((len(rows), 4), np.float32) / 2


def test_the_original_is_in_the_earlier_split():
    split = np.array([TEST, TRAIN, VALIDATION, TRAIN, TEST], np.uint8)
    leaks = _audit_duplicates.leaks_of_same([[0, 1, 3], [2, 4]], split)
    assert [(leak.row, leak.original) for leak in leaks] == [(0, 1), (4, 2)]
    assert _audit_duplicates.leaks_of_same([[1, 3]], split) == []


def test_near_leaks_count_copies_once_and_take_the_nearest():
    split = np.array([TRAIN, TEST, TEST, TRAIN], np.uint8)
    copies = {1: [1, 2], 2: [1, 2]}
    pairs = [Near(0, 1, 4, 0.95), Near(1, 3, 2, 0.99)]
    found = _audit_duplicates.leaks_of_near(pairs, lambda row: copies.get(row, [row]), split, known={2})
    assert found == [Leak(1, 3, 2, 0.99)]


def test_ten_thousand_equal_hashes_are_no_fifty_million_pairs():
    hashes = np.array([7] * 10_000 + [0] * 5 + [7 ^ 1, 2**60 - 1], np.uint64)
    pairs, others = _audit_duplicates.near(np.arange(len(hashes)), hashes, 1, like, 0.9)
    assert len(pairs) < 20_000 and not others
    joined = {pair.first for pair in pairs} | {pair.second for pair in pairs}
    assert joined == {*range(10_000), 10_005}


def test_all_pairs_of_few_equal_hashes_are_looked_at():
    """A look-alike that comes first must not hide the two behind it that are one picture."""
    squares = {0: [1, 0], 1: [0, 1], 2: [0, 1]}
    look = lambda rows: np.array([squares[int(row)] for row in rows], np.float32)  # noqa: E731
    pairs, others = _audit_duplicates.near(np.arange(3), np.full(3, 9, np.uint64), 4, look, 0.9)
    assert [(pair.first, pair.second) for pair in pairs] == [(1, 2)] and len(others) == 2


# Tables


def test_classes_sizes_and_examples(store):
    labels = np.array([0] * 9 + [1] * 3)
    split = np.array([0, 1, 2] * 3 + [0, 0, 1], np.uint8)
    sizes = np.array([[100, 50]] * 6 + [[64, 64]] * 6, np.int32)
    info = {"classes": ["many", "few"], "files": [f"{i}.png" for i in range(12)]}
    rows = audit.Rows(arrays_stage(store, info, labels=labels, split=split, sizes=sizes))
    classes = _audit_tables.classes(rows)
    assert classes["counts"] == [["many", 3, 3, 3], ["few", 2, 1, 0]]
    assert classes["ratio"] == 3.0 and classes["missing"] == {"train": [], "validation": [], "test": ["few"]}
    assert _audit_tables.sizes(rows)["common"] == [[100, 50, 6], [64, 64, 6]]
    assert sum(count for *_, count in _audit_tables.sizes(rows)["cells"]) == 12
    assert {labels[row] for row in _audit_tables.examples(rows, 4)} == {0, 1}


# The page


VOID = frozenset({"meta", "wbr"})


class Reader(HTMLParser):
    """What a page refers to, and the tags that are left open."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.tags, self.open = [], [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        assert "src" not in given and (given.get("role") != "img" or given["aria-label"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def test_the_page_needs_nothing_else_and_escapes_names(store, faulty):
    path = keep(store, run(folder_stage(store, faulty)))
    text = path.read_text(encoding="utf-8")
    found = read(text)
    assert "script" not in found.tags and "link" not in found.tags and "b" not in found.tags
    pictures = [link for link in found.links if link.startswith("data:image/jpeg;base64,")]
    assert 20 < len(pictures) == found.tags.count("image"), "each thumbnail is there once"
    assert {link for link in found.links if not link.startswith("#")} == {"audit.json", *pictures}
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert "url(" not in text and "empty&lt;script&gt;.png" in text.replace("<wbr>", "")
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text


def test_the_page_and_the_json_are_written_only_when_changed(store, faulty):
    outcome = run(folder_stage(store, faulty))
    path = keep(store, outcome)
    assert path == paths.results() / "audits" / f"folder-{hashing.short(AUDIT)}" / "index.html"
    files = (path, path.parent / "audit.json")
    stamps = [file.stat().st_mtime_ns for file in files]
    keep(store, outcome)
    assert [file.stat().st_mtime_ns for file in files] == stamps
    found = json.loads(files[1].read_text())
    assert found["verdict"]["state"] == "fault" and found["counts"] == outcome.info["counts"]
    assert {check["key"] for check in found["checks"]} >= {"across_parts", "unreadable", "imbalance"}


def test_an_audit_that_is_not_there_is_refused(store):
    with pytest.raises(StoreError, match="it was not computed"):
        page.write(store, AUDIT)
    store.write("audit", AUDIT, {"status": "failed", "reason": "the disk is gone", "info": {}}, {})
    with pytest.raises(StoreError, match="the disk is gone"):
        page.write(store, AUDIT)


def large(n=100_000, classes=400, groups=20_000) -> tuple[dict, np.ndarray]:
    """The report of a large collection with very many faults."""
    rng = random.Random(0)
    class_names = [f"class_{number:03}_with_a_long_name" for number in range(classes)]

    def image(row):
        name = class_names[row % classes]
        return {"row": row, "path": f"{name}/photograph_{row:07}.jpg", "class": name, "part": "train"}

    def group(start):
        images = [image(start + step) for step in range(rng.choice((2, 2, 3, 40)))]
        return {"images": images, "classes": 2, "parts": 1, "distance": 2, "likeness": 0.99}

    twins = [{"image": image(row), "twin": image(row + 1), "distance": 0, "likeness": 1.0} for row in range(groups)]
    counts = dict.fromkeys(["left_out", "flat", "odd", "tiny", "passed_over", "look_alikes"], 0)
    report = {
        **{"name": "folder", "dataset": DATASET, "digest": "e" * 64, "root": "/data/large", "files": True},
        **{"parts": {"train": n, "validation": 0, "test": 0}, "sample": None, "near_distance": 4, "absent": {}},
        "policy": {"unreadable": "exclude", "duplicates": "keep", "near_duplicates": "keep", "leaks": "keep"},
        "counts": {
            **counts,
            **{"images": n, "classes": classes, "imbalance": 9.0, "unreadable": groups, "duplicates": groups},
            **{"near_duplicates": groups, "across_parts": groups, "near_across_parts": groups},
            **{"duplicates_in_two_classes": groups, "near_duplicates_in_two_classes": groups},
        },
        "unreadable": [{"path": image(row)["path"], "reason": "cut short"} for row in range(groups)],
        **{"left_out": [], "passed_over": [], "flat": [], "odd": [], "tiny": []},
        "duplicates": [group(row) for row in range(groups)],
        "near_duplicates": [group(row) for row in range(groups)],
        "across_parts": twins,
        "near_across_parts": twins,
        "look_alikes": {"pairs": 0, "shown": []},
        "classes": {"counts": [[name, 250, 0, 0] for name in class_names], "ratio": 1.0, "missing": {}},
        "sizes": None,
        "modes": [["RGB", "JPEG", n]],
        "examples": [image(row) for row in range(12)],
        "thumbnails": {str(row): [row, 96, 72] for row in range(96)},
    }
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 96, 3), np.uint8)
    return report, noise


def test_a_page_of_very_many_faults_stays_small():
    report, thumbnails = large()
    text = page.render(report, thumbnails)
    assert len(text.encode()) < 3_000_000
    found = read(text)
    assert "19,864 more; all of them are in" in text and found.tags.count("figure") < 1000
    assert "370 classes not shown" in text


def test_the_words_of_the_verdict(store):
    pixels = np.stack([np.asarray(picture(number, (64, 64))) for number in range(12)])
    labels = np.arange(12) % 2
    report = run(arrays_stage(store, {"classes": ["a", "b"]}, pixels=pixels, labels=labels)).info
    found = _audit_checks.checks(report)
    assert _audit_checks.verdict(report, found) == {
        "state": "fine",
        "text": "Ready: 12 images in 2 classes, all readable, no duplicates.",
    }
    report["counts"] |= {"flat": 1, "duplicates": 2}
    assert _audit_checks.verdict(report, _audit_checks.checks(report))["text"] == (
        "Usable, but check: 2 images are exact copies and 1 image is blank."
    )
    report["counts"] |= {"across_parts": 1}
    verdict = _audit_checks.verdict(report, _audit_checks.checks(report))
    assert verdict == {
        "state": "fault",
        "text": "Fix this first: 1 validation or test image is also in an earlier split.",
    }


def test_what_to_type_next(store):
    report, _ = large(groups=3)
    then = {check.key: check.then for check in _audit_checks.checks(report)}
    assert then["duplicates"] == then["across_parts"] == "dataset.duplicates=exclude"
    assert then["near_duplicates"] == "dataset.near_duplicates=exclude"
    report["policy"] = {}
    published = {check.key: check for check in _audit_checks.checks(report)}["duplicates"]
    assert published.then == "" and published.policy == templates.words(_audit_checks.WORDS).published()


def test_bars_and_cells_stay_within_their_charts():
    counts = [["a", 6, 2, 2], ["b", 1, 0, 0]]
    bars = _charts.classes({"counts": counts})["top"]
    assert [piece["x"] + piece["width"] for piece in bars[0]["pieces"]] == [60.0, 80.0, 100.0]
    assert bars[1]["pieces"] == [{"part": 0, "x": 0.0, "width": 10.0}]
    chart = _charts.sizes({"distinct": 2, "per_octave": 4, "cells": [[20, 20, 5], [39, 12, 1]]})
    for cell in chart["cells"]:
        assert 0 <= cell["x"] <= chart["extent"] - chart["side"] and 0 <= cell["y"] <= chart["extent"] - chart["side"]
        assert 0 < cell["opacity"] <= 1
    assert _charts.classes(None) is None and _charts.sizes(None) is None


# The command


def test_the_command_shows_the_worst_and_ends_as_asked(faulty, capsys):
    words = ["audit", "dataset=folder", f"dataset.root='{faulty}'", "dataset.loose=exclude"]
    assert cli.main(words) == cli.OK
    said = capsys.readouterr().out
    assert "round/01.png" in said and "dataset.duplicates=exclude" in said and "index.html" in said
    assert "Traceback" not in said
    assert cli.main([*words, "--json"]) == cli.OK
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["unreadable"] == 2
    assert cli.main([*words, "--strict", "--json"]) == cli.DIFFERS
    assert (paths.results() / "audits").is_dir()


def test_a_sound_folder_passes_a_strict_audit(tmp_path, capsys):
    for number in range(12):
        path = tmp_path / "sound" / ("a" if number % 2 else "b") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    assert cli.main(["audit", "dataset=folder", f"dataset.root={tmp_path / 'sound'}", "--strict"]) == cli.OK
    assert "Ready: 12 images in 2 classes" in capsys.readouterr().out


def test_the_help_teaches(capsys):
    with pytest.raises(SystemExit):
        cli.main(["audit", "--help"])
    said = capsys.readouterr().out
    assert "backbench audit ~/photos" in said and "dataset.duplicates=keep|exclude|fail" in said and "--strict" in said


# Real photographs


@pytest.mark.skipif("BACKBENCH_ASSETS" not in os.environ, reason="BACKBENCH_ASSETS names no folder of photographs")
def test_planted_versions_of_real_photographs(store, tmp_path):
    root = tmp_path / "photographs"
    with tarfile.open(Path(os.environ["BACKBENCH_ASSETS"]) / "data" / "caltech101_51.tar") as archive:
        chosen = sorted(member.name for member in archive if member.isfile() and "/cup/" in member.name)[:40]
        for name in chosen:
            image = Image.open(archive.extractfile(name)).convert("RGB")
            path = root / Path(name).name
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path.with_suffix(".png"))
            again(image, 60).save(path.with_suffix(".q60.png"))
            OTHER_PICTURE["mirror"](image).save(path.with_suffix(".mirror.png"))
    plugins.load("dataset", "folder")
    report = run(folder_stage(store, root)).info
    found = [names(group) for group in report["near_duplicates"]]
    stems = [Path(name).stem for name in chosen]
    recalled = sum(any({f"{stem}.png", f"{stem}.q60.png"} <= group for group in found) for stem in stems)
    mirrored = sum(any({f"{stem}.png", f"{stem}.mirror.png"} <= group for group in found) for stem in stems)
    assert recalled >= 38 and mirrored <= 2, (recalled, mirrored)
