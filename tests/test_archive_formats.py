"""Archives that are not read: said to be what they are, with the way out, and never called damaged."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from packing import pictures, png, tarred, unpacked, zipped

from backbench.datasets._unpack import UnpackError


def refusal(archive: Path, tmp_path: Path) -> str:
    with pytest.raises(UnpackError) as refused:
        unpacked(archive, tmp_path)
    return str(refused.value)


def with_method(archive: Path, method: int, name: str = "2.bin") -> Path:
    """The same zip with another method in both headers of one file."""
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        local = opened.getinfo(name).header_offset
    central = data.index(name.encode(), data.index(b"PK\x01\x02")) - 46
    assert data[central : central + 4] == b"PK\x01\x02" and data[local : local + 4] == b"PK\x03\x04"
    struct.pack_into("<H", data, local + 8, method)
    struct.pack_into("<H", data, central + 10, method)
    archive.write_bytes(data)
    return archive


@pytest.mark.parametrize(
    ("method", "title"),
    [(9, "Deflate64"), (1, "Shrink"), (6, "Implode"), (93, "Zstandard"), (95, "XZ"), (98, "PPMd"), (77, "method 77")],
)
def test_methods_that_python_cannot_read(tmp_path, method, title):
    archive = with_method(zipped(tmp_path / "a.zip", {"1.bin": b"1" * 99, "2.bin": b"2" * 99}), method)
    text = refusal(archive, tmp_path)
    assert f"is packed with {title}, which Python cannot read (the first such file is '2.bin')" in text
    assert text.endswith("; unpack it with 7-Zip or unzip and give dataset=folder dataset.root=FOLDER.")
    assert "damage" not in text
    assert list((tmp_path / "out").iterdir()) == [], "nothing of it is written"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_python_reads(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("x", b"1" * 1000)
    assert unpacked(tmp_path / "a.zip", tmp_path) == {"x": b"1" * 1000}


def test_encryption_by_aes(tmp_path):
    archive = with_method(zipped(tmp_path / "a.zip", {"1.bin": b"1", "2.bin": b"2"}), 99)
    assert "is encrypted; unpack it yourself" in refusal(archive, tmp_path)


@pytest.mark.parametrize(("at", "value", "reason"), [(6, 70, "zip file version 7.0"), (8, 0x20, "patched data")])
def test_other_zips_that_python_cannot_read(tmp_path, at, value, reason):
    archive = zipped(tmp_path / "a.zip", {"1.bin": b"1" * 99})
    data = bytearray(archive.read_bytes())
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + at, value)
    archive.write_bytes(data)
    text = refusal(archive, tmp_path)
    assert f"is packed in a way that Python cannot read ({reason}" in text or reason in text
    assert "damage" not in text and text.endswith("and give dataset=folder dataset.root=FOLDER.")


@pytest.mark.parametrize(
    ("head", "title"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
        (b"Rar!\x1a\x07\0", "a RAR archive"),
        (b"Rar!\x1a\x07\1\0", "a RAR archive"),
        (b"\x28\xb5\x2f\xfd", "packed with Zstandard"),
        (b"\x04\x22\x4d\x18", "packed with LZ4"),
        (b"LZIP\1", "packed with lzip"),
        (b"\x1f\x9d\x90", "packed with compress"),
        (lzma.compress(b"x" * 999, lzma.FORMAT_ALONE)[:13], "packed with LZMA"),
    ],
)
def test_archives_of_other_kinds_are_named(tmp_path, head, title):
    (tmp_path / "a.zip").write_bytes(head + bytes(2000))
    text = refusal(tmp_path / "a.zip", tmp_path)
    assert "is not an archive of a known kind; allowed: .zip, .tar, .tar.gz, " in text and f". It is {title}" in text
    assert text.endswith("and give dataset=folder dataset.root=FOLDER.")


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (gzip.compress(b"\0\0\x08\x03" + bytes(5000)), "gzip"),  # a file of MNIST
        (gzip.compress(png(1)), "gzip"),
        (gzip.compress(b"path,label\n"), "gzip"),
        (bz2.compress(b"path,label\n" * 100), "bzip2"),
        (lzma.compress(b"path,label\n" * 100), "xz"),
    ],
    ids=["numbers", "image", "table", "table in bzip2", "table in xz"],
)
def test_a_file_that_was_packed_by_itself(tmp_path, data, title):
    (tmp_path / "a.gz").write_bytes(data)
    text = refusal(tmp_path / "a.gz", tmp_path)
    assert f"is packed with {title} and holds no tar archive" in text and "unpack it and give that" in text


def test_an_empty_tar_and_one_of_old(tmp_path):
    """Neither has the mark of a later tar in its first block."""
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    (tmp_path / "empty.tgz").write_bytes(gzip.compress(empty.getvalue()))
    assert unpacked(tmp_path / "empty.tgz", tmp_path) == {}
    data = bytearray(tarred(tmp_path / "a.tar", {"x": b"1"}).read_bytes())
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    (tmp_path / "old.tgz").write_bytes(gzip.compress(bytes(data)))
    (tmp_path / "out").rmdir()
    assert unpacked(tmp_path / "old.tgz", tmp_path) == {"x": b"1"}


def spanned(tmp_path: Path) -> tuple[bytes, bytes]:
    """A zip cut in two, with the numbers of the disks as zip -s writes them."""
    data = bytearray(zipped(tmp_path / "whole.zip", pictures()).read_bytes())
    end, cut = data.rindex(b"PK\x05\x06"), len(data) // 2
    start = struct.unpack_from("<L", data, end + 16)[0]
    struct.pack_into("<HH", data, end + 4, 1, 1)
    struct.pack_into("<L", data, end + 16, start - cut)
    return b"PK\x07\x08" + bytes(data[:cut]), bytes(data[cut:])


@pytest.mark.parametrize("name", ["a.z01", "a.zip", "a.zip.001", "a.7z.001", "a.tar.gz.002", "first.zip", "begins.zip"])
def test_one_volume_of_several(tmp_path, name):
    first, last = spanned(tmp_path)
    whole = (tmp_path / "whole.zip").read_bytes()
    packed = gzip.compress(tarred(tmp_path / "whole.tar", pictures()).read_bytes())
    data = {
        "a.z01": first,
        "first.zip": first,
        "a.zip": last,
        "begins.zip": zipped(tmp_path / "o.zip", {"x": b"1"}).read_bytes()[:40] + last,
        "a.zip.001": whole[: len(whole) // 2],
        "a.7z.001": b"7z\xbc\xaf\x27\x1c" + bytes(600),
        "a.tar.gz.002": packed[len(packed) // 2 :],
    }
    (tmp_path / name).write_bytes(data[name])
    text = refusal(tmp_path / name, tmp_path)
    assert f"{name} is one volume of an archive in several files" in text and "damage" not in text
    assert text.endswith("unpack all of them with 7-Zip and give dataset=folder dataset.root=FOLDER.")


def test_a_whole_archive_may_have_the_name_of_a_volume(tmp_path):
    assert unpacked(zipped(tmp_path / "scans.001", {"x": b"1"}), tmp_path) == {"x": b"1"}


def test_a_zip_marked_as_one_disk_after_all(tmp_path):
    """zip -s leaves this mark on what came to fit into one file."""
    data = bytearray(zipped(tmp_path / "a.zip", {"x": b"1"}).read_bytes())
    (tmp_path / "a.zip").write_bytes(b"PK00" + data)
    assert unpacked(tmp_path / "a.zip", tmp_path) == {"x": b"1"}
