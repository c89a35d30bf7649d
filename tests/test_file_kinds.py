"""What is no picture is called by its kind."""

import io
import zipfile

import pytest
from pictures import scene

from backbench.images import decoding


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    return buffer.getvalue()


def saved(kind: str) -> bytes:
    buffer = io.BytesIO()
    scene(1).save(buffer, kind)
    return buffer.getvalue()


KINDS = {
    "a.pdf": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
    "a.zip": (zipped(), "a ZIP archive"),
    "a.jxl": (b"\xff\x0a\xfa\x7f\x01\x90", "a JPEG XL image, which is not read"),
    "b.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl ", "a JPEG XL image, which is not read"),
    "a.psd": (b"8BPS\0\x01" + bytes(40), "a Photoshop document, which is not read"),
    "a.svg": (b"<?xml version='1.0'?>\n<!-- by hand -->\n<svg xmlns='http://www.w3.org/2000/svg'/>", "a drawing (SVG)"),
    "b.svg": (b"\xef\xbb\xbf <svg width='9'></svg>", "a drawing (SVG)"),
    "page.jpg": (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "a web page (HTML)"),
    "drawn.jpg": (b"<html><body><svg></svg></body></html>", "a web page (HTML)"),
    "denied.jpg": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML text, perhaps an error"),
    "error.jpg": (b'{"error": "not found"}', "JSON text, perhaps an error message"),
    "a.mp4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(40), "a video"),
    "a.mov": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(40), "a video"),
    "a.mkv": (b"\x1aE\xdf\xa3\x01" + bytes(40), "a video"),
    "a.avi": (b"RIFF\x10\0\0\0AVI LIST" + bytes(40), "a video"),
    "a.dcm": (bytes(128) + b"DICM" + bytes(40), "a DICOM image, which is not read"),
    "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer"),
    "zeros.jpg": (bytes(9000), "it starts with nothing but zeros"),
    "head.png": (b"\x89PNG\n\x1a\n" + saved("PNG")[8:], "it starts as PNG, but is damaged"),
    "head.jpg": (b"\xff\xd8\xff\xe0" + bytes(40), "it starts as JPEG, but is damaged"),
    "head.gif": (saved("GIF")[:9], "it starts as GIF, but is damaged"),
    "head.tif": (b"II*\0\xff\xff\xff\x00" + bytes(90), "a TIFF file that is damaged, or of a kind that is not read"),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_reason_names_the_kind(tmp_path, name):
    data, kind = KINDS[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(decoding.Unreadable) as caught:
        decoding.rgb(tmp_path / name)
    assert str(caught.value).startswith(f"no image of a known format: {kind}")


@pytest.mark.parametrize(
    "data", [b"no image", b"path,label\na.png,cat\n", b"\x01\x02\x03\x04" * 99, b"\0" * 20 + b"\1"]
)
def test_what_nobody_knows_has_no_kind(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(decoding.Unreadable, match=r"^no image of a known format$"):
        decoding.rgb(tmp_path / "a.jpg")
