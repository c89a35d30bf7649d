"""The bytes of a file: read once, digested as they are decoded, and never those of a file that changes."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from filebytes import dng
from pictures import scene
from PIL import Image

from backbench.images import content, decoding


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(content, "HELD", 10)


def test_the_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"12345" * 1000)
    read = content.read(tmp_path / "a")
    assert (read.path, read.size, read.data) == (tmp_path / "a", 5000, b"12345" * 1000)
    assert read.sha256 == hashlib.sha256(b"12345" * 1000).hexdigest()
    assert read.head(7) == b"1234512" and read.whole() == read.data and read.source().read() == read.data


def test_a_large_file_is_not_held(tmp_path, small_limit):
    (tmp_path / "a").write_bytes(b"12345" * 1000)
    read = content.read(tmp_path / "a")
    assert (read.size, read.data, read.source()) == (5000, None, tmp_path / "a")
    assert read.sha256 == hashlib.sha256(b"12345" * 1000).hexdigest()
    assert read.head(7) == b"1234512" and read.whole() == b"12345" * 1000
    read.check()


def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "to_pipe").symlink_to(tmp_path / "pipe")
    for name, reason in {"pipe": "no regular file", "to_pipe": "no regular file", "empty": "empty file"}.items():
        with pytest.raises(decoding.Unreadable, match=reason):
            content.read(tmp_path / name)
    with pytest.raises(decoding.Unreadable, match="no regular file"):
        content.read(tmp_path)
    with pytest.raises(FileNotFoundError):
        content.read(tmp_path / "gone")


class Written(type(Path())):
    """A path whose file somebody writes to each time that it is opened, as often as `writes` says."""

    writes = 0

    def open(self, *args, **options):
        file = super().open(*args, **options)
        if Written.writes:
            Written.writes -= 1
            with super().open("ab") as other:
                other.write(b"more")
        return file


@pytest.mark.parametrize("held", [True, False])
def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path, monkeypatch, held):
    monkeypatch.setattr(content, "HELD", 1000 if held else 1)
    monkeypatch.setattr(Written, "writes", 1)
    (tmp_path / "a").write_bytes(b"before")
    read = content.read(Written(tmp_path / "a"))
    assert (read.size, read.whole()) == (10, b"beforemore")
    assert read.sha256 == hashlib.sha256(b"beforemore").hexdigest()


@pytest.mark.parametrize("held", [True, False])
def test_one_that_keeps_changing_is_told_from_a_damaged_one(tmp_path, monkeypatch, held):
    monkeypatch.setattr(content, "HELD", 1000 if held else 1)
    monkeypatch.setattr(Written, "writes", 9)
    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(content.Changed, match="a was changed while it was being read") as caught:
        decoding.decode(Written(tmp_path / "a"))
    assert isinstance(caught.value, OSError) and not isinstance(caught.value, decoding.Unreadable)
    assert (tmp_path / "a").stat().st_size == 6 + 4 * content.ATTEMPTS


def test_a_file_that_is_not_held_must_stay_until_it_is_decoded(tmp_path, small_limit):
    scene(1).save(tmp_path / "a.png")
    read = content.read(tmp_path / "a.png")
    assert decoding.decode(read).sides == (96, 80)
    scene(2).save(tmp_path / "a.png")
    with pytest.raises(content.Changed):
        decoding.decode(read)


def test_a_file_that_is_held_may_go(tmp_path):
    scene(1).save(tmp_path / "a.png")
    read = content.read(tmp_path / "a.png")
    (tmp_path / "a.png").unlink()
    np.testing.assert_array_equal(np.asarray(decoding.rgb(read)), np.asarray(scene(1)))


def heif() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(scene(1)).save(buffer)
    return buffer.getvalue()


def saved(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    scene(1).save(buffer, kind, **options)
    return buffer.getvalue()


KINDS = {
    "a.jpg": lambda: saved("JPEG"),
    "a.png": lambda: saved("PNG"),
    "a.tif": lambda: saved("TIFF"),
    "packed.tif": lambda: saved("TIFF", compression="tiff_lzw"),
    "a.tga": lambda: saved("TGA"),
    "a.webp": lambda: saved("WEBP"),
    "a.avif": lambda: saved("AVIF"),
    "a.heic": heif,
    "a.dng": lambda: dng(np.arange(64 * 96).reshape(64, 96) * 10),
}


@pytest.mark.parametrize("name", KINDS)
def test_held_or_not_it_is_the_same_picture(tmp_path, monkeypatch, name):
    if name.endswith(".dng"):
        pytest.importorskip("rawpy")
    (tmp_path / name).write_bytes(KINDS[name]())
    held = decoding.decode(content.read(tmp_path / name))
    monkeypatch.setattr(content, "HELD", 10)
    opened = decoding.decode(content.read(tmp_path / name))
    assert held.format == opened.format and np.asarray(held.image).std() > 10
    np.testing.assert_array_equal(np.asarray(held.image), np.asarray(opened.image))


@pytest.mark.parametrize("held", [True, False])
def test_reasons_name_neither_the_path_nor_an_address(tmp_path, monkeypatch, held):
    monkeypatch.setattr(content, "HELD", 1 << 20 if held else 1)
    for name, make in KINDS.items():
        (tmp_path / name).write_bytes(make()[: 400 if name.endswith(".dng") else -40])
        try:
            decoding.decode(tmp_path / name)
        except decoding.Unreadable as error:
            assert str(tmp_path) not in str(error) and "0x" not in str(error), name


def test_the_bytes_are_read_once(tmp_path, monkeypatch):
    data = saved("PNG")
    (tmp_path / "a.png").write_bytes(
        data[: len(data) // 2]
    )  # each way to open it fails, and the second needs all bytes
    opened, real = [], Path.open
    monkeypatch.setattr(Path, "open", lambda self, *args: opened.append(self) or real(self, *args))
    with pytest.raises(decoding.Unreadable):
        decoding.decode(tmp_path / "a.png")
    assert opened == [tmp_path / "a.png"]


def test_pillow_opens_what_source_gives(tmp_path):
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    with Image.open(content.read(tmp_path / "a.png").source()) as image:
        assert image.size == (96, 80)
