"""Bad input: each file is read, or recorded with a reason; nothing hangs, nothing is invented."""

import errno
import io
import json
import os
import socket
import struct
import zlib

import numpy as np
import pytest
from pictures import FOLDER, digest_of, folder_describe, folder_load, paint, params_of, scene
from PIL import Image

from backbench import plugins
from backbench.images import content, decoding, preparing
from backbench.images.policy import Image as Policy
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import dataset as dataset_stage
from backbench.stages import pixels
from backbench.store import Store

pytestmark = pytest.mark.usefixtures("own_results")


def test_unreadable_files_are_recorded(folder):
    whole = (folder / "class0" / "00.png").read_bytes()
    (folder / "class0" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "class1" / "empty.jpg").write_bytes(b"")
    (folder / "class1" / "text.jpg").write_text("not an image")
    (folder / "class2" / "dangling.png").symlink_to(folder / "nowhere.png")
    (folder / "README.txt").write_text("beside the classes")
    (folder / ".hidden").write_text("passed over")
    found = folder_load(folder)
    reasons = found.info["excluded"]
    assert len(found.files) == 30 and sorted(reasons) == [
        "README.txt",
        "class0/cut.png",
        "class1/empty.jpg",
        "class1/text.jpg",
        "class2/dangling.png",
    ]
    assert reasons["class1/empty.jpg"] == "empty file"
    assert "truncated" in reasons["class0/cut.png"]
    assert reasons["class1/text.jpg"] == "no image of a known format"
    assert reasons["class2/dangling.png"] == "No such file or directory"
    about = plugins.load("dataset", "folder").describe(params_of(FOLDER, root=str(folder)))
    assert about.n == 30 and about.digest == digest_of(folder)
    with pytest.raises(ConfigError, match="4 unreadable files"):
        folder_load(folder, unreadable="fail")


def test_a_policy_of_fail_names_them(folder):
    (folder / "class1" / "empty.jpg").write_bytes(b"")
    with pytest.raises(
        ConfigError, match=r"1 unreadable file: class1/empty\.jpg \(empty file\)\. .*dataset\.unreadable=exclude"
    ):
        digest_of(folder, unreadable="fail")


def empty(path):
    path.write_bytes(b"")


def truncated(path):
    buffer = io.BytesIO()
    scene(1).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])


def bomb(path):
    """A small file that says it is 30,000 x 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


REFUSED = {
    "empty.jpg": (empty, "empty file"),
    "cut.jpg": (truncated, "image file is truncated"),
    "text.jpg": (lambda path: path.write_text("no image"), "no image of a known format"),
    "page.jpg": (
        lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"),
        "no image of a known format",
    ),
    "bomb.png": (bomb, "pixels"),
    "float.tif": (lambda path: Image.new("F", (9, 9)).save(path), "floating-point pixels have no known range"),
    "dangling.png": (lambda path: path.symlink_to("nowhere.png"), "No such file or directory"),
    "loop.png": (lambda path: path.symlink_to("loop.png"), "Too many levels of symbolic links"),
    "pipe.png": (os.mkfifo, "no regular file"),
    "socket.png": (listening, "no regular file"),
    "device.png": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "folder.jpg/": (lambda path: path.mkdir(), "a folder without files"),
    "back/": (lambda path: path.symlink_to(".."), "a link back to a folder above it"),
    "line\nbreak.jpg": (empty, "empty file"),
    os.fsdecode(b"caf\xe9.jpg"): (empty, "empty file"),
}


@pytest.fixture
def short(tmp_path_factory):
    """A folder of thirty pictures whose path is short enough for a socket."""
    root = tmp_path_factory.mktemp("s") / "in"
    for number in range(30):
        paint(root / f"class{number % 3}" / f"{number:02}.png", number)
    return root


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_what_is_no_image_is_recorded(short, name):
    make, reason = REFUSED[name]
    before = digest_of(short)
    make(short / "class1" / name)
    found = folder_load(short)
    assert list(found.info["excluded"]) == [f"class1/{name}"] and reason in found.info["excluded"][f"class1/{name}"]
    assert found.digest == before and len(found.files) == 30
    assert folder_describe(short).counts == (18, 6, 6)
    assert json.loads(json.dumps(found.info)) == found.info
    if name.endswith("/"):
        assert folder_load(short, unreadable="fail").files == found.files, "a folder is passed over"
        return
    with pytest.raises(ConfigError) as caught:
        folder_load(short, unreadable="fail")
    assert str(caught.value).isprintable() and reason in str(caught.value)


def test_what_may_not_be_read_is_recorded(folder):
    (folder / "class1" / "01.png").chmod(0)
    if os.access(folder / "class1" / "01.png", os.R_OK):
        pytest.skip("this user may read everything")
    (folder / "class2").chmod(0)
    excluded = folder_load(folder).info["excluded"]
    (folder / "class2").chmod(0o755)
    assert excluded == {"class1/01.png": "Permission denied", "class2/": "Permission denied"}
    (folder / "class1" / "01.png").chmod(0o644)
    assert folder_load(folder).info["excluded"] == {}, "what could not be read is looked at again"


def test_errors_of_the_machine_are_not_remembered(folder, monkeypatch):
    def read(path):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(content, "read", read)
        with pytest.raises(OSError, match="Too many open files"):
            digest_of(folder)
    assert folder_load(folder).info["excluded"] == {}


# Unusual images that are whole


def palette(path):
    image = scene(1).convert("P")
    image.info["transparency"] = bytes(range(256))
    image.save(path, transparency=bytes(range(256)))


READ = {
    "png in disguise.jpg": lambda path: scene(1).save(path, "PNG"),
    "dot.png": lambda path: Image.new("RGB", (1, 1)).save(path),
    "wide.png": lambda path: paint(path, 1, (30000, 10)),
    "animated.gif": lambda path: scene(1).save(path, save_all=True, append_images=[scene(2)]),
    "palette.png": palette,
    "sixteen.png": lambda path: Image.fromarray(np.arange(6000, dtype=np.uint16).reshape(60, 100)).save(path),
    "cmyk.jpg": lambda path: scene(1).convert("CMYK").save(path),
    "line\nbreak.png": lambda path: scene(1).save(path),
    os.fsdecode(b"caf\xe9.png"): lambda path: scene(1).save(path),
    "no extension": lambda path: scene(1).save(path, "PNG"),
}


@pytest.mark.parametrize("name", READ, ids=ascii)
def test_unusual_images_are_read_and_found_again(folder, tmp_path, name):
    READ[name](folder / "class1" / name)
    found = folder_load(folder)
    assert f"class1/{name}" in found.files and found.info["excluded"] == {}
    images = stored_images(tmp_path, folder)
    row = found.files.index(f"class1/{name}")
    expected = preparing.resize(decoding.rgb(folder / "class1" / name), Policy(**IMAGE))
    np.testing.assert_array_equal(images[row], expected)


IMAGE = {"size": 16, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}


def stored_images(tmp_path, folder):
    """The images as a backbone is given them, of the record that the dataset stage leaves in a store."""
    store, config = Store(tmp_path / "store"), {**FOLDER, "root": str(folder), "digest": digest_of(folder)}
    (outcome,) = dataset_stage.compute([Member("d" * 64, config)], Inputs(store, {}), Context(threads=2))
    store.write("dataset", outcome.hash, {"config": config, "info": dict(outcome.info)}, outcome.arrays)
    images = pixels.Prepared(Inputs(store, {"dataset": ("dataset", outcome.hash)}), Policy(**IMAGE))
    assert outcome.info["n"] == len(images)
    return images[:]


# Unusual collections


def test_a_class_may_have_an_odd_name(folder):
    odd = os.fsdecode(b"caf\xe9\n")
    (folder / "class1").rename(folder / odd)
    found = folder_load(folder)
    assert sorted(found.names) == ["caf\\udce9\\n", "class0", "class2"] and all(map(str.isprintable, found.names))
    assert sum(file.startswith(odd) for file in found.files) == 10


def test_an_empty_class_folder_is_recorded(folder):
    (folder / "class9").mkdir()
    (folder / "class8").mkdir()
    (folder / "class8" / ".hidden").write_text("")
    found = folder_load(folder)
    assert found.names == ["class0", "class1", "class2"]
    assert found.info["excluded"] == dict.fromkeys(["class8/", "class9/"], "a folder without files")


def test_a_class_without_a_readable_image_is_no_class(folder):
    for path in (folder / "class1").iterdir():
        path.write_bytes(b"")
    digest = digest_of(folder)
    assert folder_load(folder).names == ["class0", "class2"]
    assert folder_describe(folder, digest=digest).classes == 2


def test_one_class_only(tmp_path):
    for number in range(10):
        paint(tmp_path / "in" / "cat" / f"{number}.png", number)
    found = folder_load(tmp_path / "in")
    assert (
        found.names == ["cat"] and found.labels.tolist() == [0] * 10 and folder_describe(tmp_path / "in").classes == 1
    )


def test_a_folder_of_nothing_but_bad_files(tmp_path):
    (tmp_path / "in" / "cat").mkdir(parents=True)
    empty(tmp_path / "in" / "cat" / "a.jpg")
    with pytest.raises(ConfigError, match=r"holds no readable image: cat/a\.jpg \(empty file\)"):
        digest_of(tmp_path / "in")
    with pytest.raises(ConfigError, match="is not a folder"):
        digest_of(tmp_path / "in" / "cat" / "a.jpg")
    (tmp_path / "in" / "cat" / "a.jpg").unlink()
    with pytest.raises(ConfigError, match="holds no files"):
        digest_of(tmp_path / "in")
