"""Room in memory: huge pictures wait for each other, small ones for nobody, and nobody for ever."""

import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from filebytes import dng
from peaks import SCRIPT
from pictures import paint
from PIL import Image

from backbench.images import decoding, preparing, room
from backbench.images.policy import Image as Policy

SECONDS = 10


@pytest.fixture
def small(monkeypatch):
    """A room of 100 bytes in which those of 10 or fewer count as small."""
    monkeypatch.setattr(room, "SMALL", 10)
    return room.Room(100)


def hold(shared: room.Room, count: int) -> tuple[threading.Thread, threading.Event, threading.Event]:
    """A thread that holds `count` bytes: whether it has them, and what makes it give them back."""
    has, leave = threading.Event(), threading.Event()

    def work() -> None:
        with shared.taken(count):
            has.set()
            leave.wait(SECONDS)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, has, leave


def test_who_finds_no_room_waits_until_there_is(small):
    first, has_first, leave_first = hold(small, 60)
    assert has_first.wait(SECONDS)
    second, has_second, leave_second = hold(small, 50)
    assert not has_second.wait(0.1)
    third, has_third, leave_third = hold(small, 40)
    assert has_third.wait(SECONDS), "who fits passes by who waits"
    leave_first.set()
    assert has_second.wait(SECONDS) and small.free == 10
    leave_second.set()
    leave_third.set()
    for thread in (first, second, third):
        thread.join(SECONDS)
    assert small.free == 100


def test_small_ones_never_wait(small):
    thread, has, leave = hold(small, 100)
    assert has.wait(SECONDS)
    with small.taken(10):
        assert small.free == 0
    leave.set()
    thread.join(SECONDS)


def test_one_that_is_larger_than_all_runs_alone(small):
    thread, has, leave = hold(small, 11)
    assert has.wait(SECONDS)
    huge, has_huge, leave_huge = hold(small, 10**12)
    assert not has_huge.wait(0.1)
    leave.set()
    assert has_huge.wait(SECONDS) and small.free == 0
    leave_huge.set()
    for one in (thread, huge):
        one.join(SECONDS)
    assert small.free == 100


def test_who_holds_room_does_not_wait_for_more(small):
    """Two threads that take room twice would wait for each other."""
    ready = threading.Barrier(2)
    done = []

    def work() -> None:
        with small.taken(50):
            ready.wait(SECONDS)
            with small.taken(50):
                done.append(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(done) == 2 and small.free == 100


def test_an_error_gives_the_room_back(small):
    with pytest.raises(KeyError), small.taken(80), small.taken(30):
        raise KeyError
    assert small.free == 100
    with small.taken(100):
        assert small.free == 0


def test_many_threads_never_hold_more_than_there_is(small):
    held, most, lock = [0], [0], threading.Lock()

    def work(seed: int) -> None:
        for count in np.random.default_rng(seed).integers(11, 100, 40).tolist():
            with small.taken(count):
                with lock:
                    held[0] += count
                    most[0] = max(most[0], held[0])
                time.sleep(0.0005)
                with lock:
                    held[0] -= count

    threads = [threading.Thread(target=work, args=[seed], daemon=True) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads) and 50 < most[0] <= 100 and small.free == 100


# Pictures


@pytest.fixture
def all_room(monkeypatch):
    """The room of the package, in which no picture is small."""
    monkeypatch.setattr(room, "SMALL", 0)
    shared = room.Room(room.BUDGET)
    monkeypatch.setattr(room, "ALL", shared)
    return shared


def taken_by(path, leasts, shared: room.Room) -> int:
    with decoding.decode_each(path, None, leasts):
        return room.BUDGET - shared.free


def test_a_picture_holds_its_room_until_it_is_resized(tmp_path, all_room):
    paint(tmp_path / "a.png", 1, (300, 200))
    with decoding.decode_each(tmp_path / "a.png", None, [None]) as (picture,):
        assert all_room.free == room.BUDGET - room.of_pixels(300 * 200) - room.SIDE * 300
        preparing.resize(picture, Policy(8, "RGB", "squash", "bilinear"))
    assert all_room.free == room.BUDGET
    decoding.decode(tmp_path / "a.png")
    assert all_room.free == room.BUDGET


def test_at_a_scale_it_takes_less_and_for_all_scales_at_once(tmp_path, all_room):
    paint(tmp_path / "a.jpg", 1, (800, 600))
    whole, half, eighth = (taken_by(tmp_path / "a.jpg", [least], all_room) for least in (None, 300, 75))
    assert whole == 4 * half - 2 * room.SIDE * 400 == 64 * eighth - 56 * room.SIDE * 100
    assert taken_by(tmp_path / "a.jpg", [75, None, 300, 301, None], all_room) == whole + half + eighth
    Image.open(tmp_path / "a.jpg").save(tmp_path / "b.jpg", progressive=True)
    assert taken_by(tmp_path / "b.jpg", [75], all_room) == eighth + room.COEFFICIENTS * 800 * 600


def test_a_raw_file_takes_room(tmp_path, all_room):
    pytest.importorskip("rawpy")
    (tmp_path / "a.dng").write_bytes(dng(np.full((64, 96), 3000)))
    assert taken_by(tmp_path / "a.dng", [None], all_room) == room.of_pixels(64 * 96)
    assert all_room.free == room.BUDGET


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.webp"])
def test_a_damaged_picture_gives_its_room_back(tmp_path, all_room, name):
    paint(tmp_path / name, 1, (300, 200))
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(decoding.Unreadable):
        decoding.decode(tmp_path / name)
    assert all_room.free == room.BUDGET


def test_threads_with_huge_pictures_take_turns(tmp_path, monkeypatch, all_room):
    paint(tmp_path / "a.png", 1, (300, 200))
    shared = room.Room(room.of_pixels(300 * 200) * 5 // 2)
    monkeypatch.setattr(room, "ALL", shared)
    at_once, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        with decoding.decode_each(tmp_path / "a.png", None, [None]):
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            time.sleep(0.02)
            with lock:
                at_once[0] -= 1

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert most[0] == 2 and shared.free == shared.size


# What it needs is what it takes

MEASURED = (
    SCRIPT
    + """
import json, sys

from backbench.images import content, decoding, preparing, room
from backbench.images.policy import Image as Policy
from PIL import Image

policy = Policy(224, "RGB", "crop", "bicubic", 256)
preparing.resize(Image.new("RGB", (300, 300)), policy)
room.SMALL = 0
decoding.decoder_version()
decoding._opening.formats()
file = content.read(Path(sys.argv[1]))
before = peak_from_now()
with decoding.decode_each(file, None, json.loads(sys.argv[2])) as pictures:
    preparing.resize(pictures[0], policy)
    print(peak() - before, room.BUDGET - room.ALL.free)
"""
)
KINDS = {
    "a.jpg": ("RGB", {}),
    "turned.jpg": ("CMYK", {"exif": 6}),
    "scans.jpg": ("RGB", {"progressive": True, "subsampling": 0, "exif": 8}),
    "a.png": ("RGBA", {"compress_level": 1, "exif": 3}),
    "a.jp2": ("RGBA", {}),
    "a.webp": ("RGBA", {"method": 0, "exif": 6}),
    "a.avif": ("RGB", {"speed": 10}),
    "turned.tif": ("I", {"exif": 6}),
}
SLACK = 8 << 20  # what a library allocates once


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(
    ("name", "leasts"), [*((name, [None]) for name in KINDS), ("turned.jpg", [512, None]), ("scans.jpg", [512])]
)
def test_no_kind_of_file_needs_more_than_it_takes(tmp_path, name, leasts):
    mode, options = KINDS[name]
    exif = Image.Exif()
    exif[0x0112] = options.get("exif", 1)
    coarse = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    image = Image.fromarray(coarse).resize((2500, 2100)).convert("L" if mode == "I" else mode)
    if mode == "I":
        image = Image.fromarray(np.asarray(image).astype(np.int32) * 257)
    image.save(tmp_path / name, **{**options, "exif": exif})
    command = [sys.executable, "-c", MEASURED, tmp_path / name, json.dumps(leasts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, taken = map(int, done.stdout.split())
    assert taken / 4 - SLACK < grown < taken + SLACK
