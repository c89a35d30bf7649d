"""File names in archives: decoded as their owner wrote them, or kept and announced."""

import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from packing import LIMITS, load, params_of, pictures, png, tarred, unpacked, zipped

from backbench.datasets import _unpack, _zip_names
from backbench.datasets import archive as plugin
from backbench.datasets._unpack import UnpackError


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))


class Raw(zipfile.ZipInfo):
    """An entry whose name is written as the bytes that it is, without the flag for UTF-8."""

    def __init__(self, raw: bytes, extra: bytes = b""):
        super().__init__(raw.decode("latin-1"))
        self.raw, self.extra = raw, extra

    def _encodeFilenameFlags(self):
        return self.raw, self.flag_bits & ~0x800


def zipped_raw(path: Path, files: dict[bytes, bytes], *others: tuple[zipfile.ZipInfo, bytes], extras=None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for raw, data in files.items():
            archive.writestr(Raw(raw, (extras or {}).get(raw, b"")), data)
        for info, data in others:
            archive.writestr(info, data)
    assert sum(not info.flag_bits & 0x800 for info in zipfile.ZipFile(path).infolist()) >= len(files)
    return path


def names(archive: Path, tmp_path: Path) -> set[str]:
    return set(unpacked(archive, tmp_path))


def notes(archive: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "noted").mkdir()
    return _unpack.unpack(archive, tmp_path / "noted", LIMITS).notes


@pytest.mark.parametrize(
    "texts",
    [
        ["猫/1.png", "犬/1.png"],
        ["猫.png"],
        ["写真/ネコ.jpg", "写真/001.jpg", "plain.txt"],
        ["トリ/a.png"],
        ["いい/1.png"],
        ["カメ"],
        ["山"],
        ["馬/1.png", "人/1.png"],  # ön and Él in cp437
        ["表/ソ.png", "能/予.png"],  # the second byte is a backslash
        ["データセット/ねこ/IMG_0001.jpg", "データセット/いぬ/IMG_0002.jpg"],
        ["テスト①/「猫」・ﾈｺ.png"],
        ["髙橋/﨑.png"],  # of the extension by IBM
    ],
)
def test_japanese_names_of_windows(tmp_path, texts):
    archive = zipped_raw(tmp_path / "a.zip", {text.encode("cp932"): b"1" for text in texts})
    assert names(archive, tmp_path) == set(texts)
    (note,) = notes(archive, tmp_path)
    assert "read as Shift-JIS, as in " in note and repr(texts[0]) in note and "dataset=folder dataset.root=" in note


@pytest.mark.parametrize(
    "texts",
    [
        ["Käse/1.png", "Brötchen/1.png"],
        ["Köln.png"],
        ["Größe/Füße.png", "ÄPFEL/1.png"],
        ["Öle/1.png"],
        ["café/crème brûlée.jpg", "été/naïf.jpg"],
        ["niño/1.png", "gato/1.png"],
        ["20°C/1.png"],
        ["½ ─ α.png"],
    ],
)
def test_names_of_code_page_437(tmp_path, texts):
    archive = zipped_raw(tmp_path / "a.zip", {text.encode("cp437"): b"1" for text in texts})
    assert names(archive, tmp_path) == set(texts)
    (note,) = notes(archive, tmp_path)
    assert "read as cp437, as in " in note and "unzip -O ENCODING" in note


@pytest.mark.parametrize(
    ("texts", "encoding"),
    [
        (["狗/1.png", "大象/1.png", "鸟/1.png"], "gbk"),
        (["狗"], "gbk"),
        (["고양이/1.png", "개/1.png"], "cp949"),
        (["кот/1.png", "собака/1.png"], "cp866"),
        (["Löwe/1.png", "Käse/1.png"], "cp1252"),
        (["élan/1.png"], "cp1252"),
    ],
)
def test_other_code_pages_are_announced_and_never_taken_for_japanese(tmp_path, texts, encoding):
    raws = [text.encode(encoding) for text in texts]
    archive = zipped_raw(tmp_path / "a.zip", dict.fromkeys(raws, b"1"))
    assert names(archive, tmp_path) == {raw.decode("cp437") for raw in raws}
    (note,) = notes(archive, tmp_path)
    number = "1 name" if len(texts) == 1 else f"{len(texts)} names"
    assert note.startswith(f"{number} in the archive without a stated encoding: read as cp437, as in ")


def test_utf_8_without_its_flag(tmp_path):
    """macOS takes letters apart; they stay as they are."""
    texts = ["é/猫.png", "e\N{COMBINING ACUTE ACCENT}/ü.png", "plain.png"]
    archive = zipped_raw(tmp_path / "a.zip", {text.encode(): b"1" for text in texts})
    assert names(archive, tmp_path) == set(texts)
    assert notes(archive, tmp_path) == [
        "2 names in the archive without a stated encoding: read as UTF-8, as in 'é/猫.png'"
    ]


def test_names_that_say_their_encoding_need_no_note(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"é.png": b"1", "猫.png": b"2", "a.png": b"3"})
    assert names(archive, tmp_path) == {"é.png", "猫.png", "a.png"} and notes(archive, tmp_path) == []


def test_one_archive_of_two_tools(tmp_path):
    files = {"ü.png".encode(): b"1", "Käse.png".encode("cp437"): b"2"}
    archive = zipped_raw(tmp_path / "a.zip", files, (zipfile.ZipInfo("猫.png"), b"3"))
    assert names(archive, tmp_path) == {"ü.png", "Käse.png", "猫.png"}
    assert [note.partition(",")[0].rpartition(" ")[2] for note in notes(archive, tmp_path)] == ["UTF-8", "cp437"]


def unicode_path(raw: bytes, text: str, crc: int | None = None) -> bytes:
    body = struct.pack("<BI", 1, zlib.crc32(raw) if crc is None else crc) + text.encode()
    return struct.pack("<HH", 0x7075, len(body)) + body


def test_the_field_for_a_unicode_path(tmp_path):
    raws = [b"\x84\x81/1.png", b"stale.png", b"B\x84r.png"]
    extras = {
        raws[0]: struct.pack("<HH", 0x9999, 2) + b"xy" + unicode_path(raws[0], "猫/1.png"),
        raws[1]: unicode_path(b"another name", "wrong.png"),
    }
    archive = zipped_raw(tmp_path / "a.zip", dict.fromkeys(raws, b"1"), extras=extras)
    assert names(archive, tmp_path) == {"猫/1.png", "stale.png", "Bär.png"}
    assert len(notes(archive, tmp_path)) == 1, "of the third alone"


@pytest.mark.parametrize("target", ["../x", "/etc/x", "a/../../x", "a\0b", "..\\x"])
def test_a_unicode_path_is_not_to_be_trusted_either(tmp_path, target):
    extras = {b"good.png": unicode_path(b"good.png", target)}
    archive = zipped_raw(tmp_path / "a.zip", {b"good.png": b"1"}, extras=extras)
    with pytest.raises(UnpackError, match=r"leads out of the folder|absolute path|not a file name"):
        unpacked(archive, tmp_path)


def test_two_names_that_are_read_as_one(tmp_path):
    archive = zipped_raw(tmp_path / "a.zip", {"é.png".encode(): b"1", "é.png".encode("cp437"): b"2"})
    with pytest.raises(UnpackError, match=r"holds 'é\.png' twice"):
        unpacked(archive, tmp_path)


def test_links_in_the_encoding_of_the_names(tmp_path):
    link = Raw("リンク.png".encode("cp932"))
    link.create_system, link.external_attr = 3, 0o120777 << 16
    files = {"猫/表.png".encode("cp932"): b"1", "犬/1.png".encode("cp932"): b"2"}
    archive = zipped_raw(tmp_path / "a.zip", files, (link, "猫/表.png".encode("cp932")))
    assert unpacked(archive, tmp_path) == {"猫/表.png": b"1", "犬/1.png": b"2", "リンク.png": b"1"}


def test_classes_with_japanese_names(tmp_path):
    files = {
        f"{name}/{n}.png".encode("cp932"): png(n + 10 * i) for i, name in enumerate(["猫", "犬"]) for n in range(6)
    }
    archive = zipped_raw(tmp_path / "a.zip", files)
    assert list(load(archive=str(archive)).names) == ["犬", "猫"]
    assert "read as Shift-JIS" in " ".join(plugin.describe(params_of(archive=str(archive))).understood)


@pytest.mark.parametrize("encoding", ["latin-1", "cp932"])
def test_names_in_a_tar_that_are_no_utf_8(tmp_path, encoding):
    """They stay the bytes that they are, as tar itself leaves them; what is shown of them can be printed."""
    label = {"latin-1": "Käse", "cp932": "猫"}[encoding].encode(encoding)
    files = {os.fsdecode(label) + f"/{n}.png": png(n) for n in range(6)} | pictures(classes=("dog",), each=6)
    archive = tarred(tmp_path / "a.tar", files)
    assert set(unpacked(archive, tmp_path)) == set(files)
    collection = load(archive=str(archive))
    assert all(name.isprintable() and name.encode() for name in collection.names) and len(collection.names) == 2
    (note,) = plugin.describe(params_of(archive=str(archive))).understood[-1:]
    assert note.startswith("6 names in the archive not in UTF-8: their bytes are kept unchanged, as in ")
    assert note.isprintable() and note.encode()


def test_pax_headers_in_another_encoding(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("猫.png"))
    assert set(unpacked(tmp_path / "a.tar", tmp_path)) == {"猫.png"}


@pytest.mark.parametrize("raws", [[], [b"\x82"], [b"\xff\xfe"], [b"\x81\x40"], [b"\xb1\xb2\xb3"]])
def test_what_is_no_japanese(raws):
    """Nothing, half a character, no character, a blank of full width, kana of half the width alone."""
    assert _zip_names.legacy_encoding(raws) == "cp437"
