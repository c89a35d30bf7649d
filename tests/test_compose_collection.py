"""What a path is taken for, and paths as values of options."""

import os
import random
import tarfile
import zipfile

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from backbench import arrays, compose
from backbench.compose import collection, grammar, literal
from backbench.schema import ConfigError

NAMES = (
    "my photos (2023)",
    "IMG (2023)",
    "[2023] trip",
    "{braces}",
    "it's",
    'a "quoted" name',
    "a#b",
    "a&b;c|d",
    "50% @home + more",
    "é/ü",
    "日本",
    "a:b",
    "x = y",
    "$HOME",
    "2023",
    "true",
    "1e3",
    "C:\\photos\\",
    "end\\",
    "a\\'b",
    "line\nbreak",
    "-dash",
    "*",
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "photos").mkdir(parents=True)
    return tmp_path


def root_of(value: str, option: str = "root", dataset: str = "folder") -> list:
    cells = compose.expand(["experiment=none", f"dataset={dataset}", f"dataset.{option}={value}"]).cells
    return [cell.config["dataset"][option] for cell in cells]


def refusal(path) -> str:
    with pytest.raises(ConfigError) as caught:
        collection.overrides_of(path)
    return str(caught.value)


class TestKinds:
    def test_a_folder(self, folder):
        (folder / "my photos").mkdir()
        expected = ["dataset=folder", f"dataset.root={folder}/my photos"]
        for path in ("my photos", "my photos/", "./my photos", f"{folder}/my photos", f"file://{folder}/my%20photos"):
            assert collection.overrides_of(path) == expected
        assert collection.overrides_of(folder / "my photos") == expected

    def test_here_above_and_home(self, folder, monkeypatch):
        monkeypatch.chdir(folder / "home")
        assert collection.overrides_of(".") == ["dataset=folder", f"dataset.root={folder}/home"]
        assert collection.overrides_of("..") == ["dataset=folder", f"dataset.root={folder}"]
        assert collection.overrides_of("~/photos") == ["dataset=folder", f"dataset.root={folder}/home/photos"]

    def test_a_link_is_kept_as_it_is_named(self, folder):
        (folder / "link").symlink_to(folder / "home")
        assert collection.overrides_of("link") == ["dataset=folder", f"dataset.root={folder}/link"]
        (folder / "nowhere").symlink_to(folder / "gone")
        assert "a broken link" in refusal("nowhere")

    @pytest.mark.parametrize("name", ["c.zip", "c.ZIP", "c"])
    def test_a_zip_whatever_its_name(self, folder, name):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("ants/1.png", b"x")
        assert collection.overrides_of(name) == ["dataset=archive", f"dataset.archive={folder}/{name}"]

    @pytest.mark.parametrize(
        ("name", "mode"),
        [
            ("c.tar", "w"),
            ("c.tgz", "w:gz"),
            ("c.tar.gz", "w:gz"),
            ("c.tar.bz2", "w:bz2"),
            ("c.tar.xz", "w:xz"),
            ("c", "w:gz"),
        ],
    )
    def test_a_tar_however_packed(self, folder, name, mode):
        with tarfile.open(name, mode) as archive:
            archive.add(folder / "home", "home")
        assert collection.overrides_of(name) == ["dataset=archive", f"dataset.archive={folder}/{name}"]

    @pytest.mark.parametrize("suffix", arrays.FORMATS)
    def test_embeddings(self, folder, suffix):
        path, rows = folder / f"e{suffix}", np.ones((4, 3), "f4")
        if suffix == ".npy":
            np.save(path, rows)
        elif suffix == ".npz":
            np.savez(path, features=rows)
        elif suffix == ".parquet":
            import pandas as pd

            pd.DataFrame(rows).rename(columns=str).to_parquet(path)
        else:
            from safetensors.numpy import save_file

            save_file({"features": rows}, path)
        expected = ["dataset=embeddings", f"dataset.path={path}", "backbone=precomputed"]
        assert collection.overrides_of(path) == expected
        # Damaged files of that name are embeddings too: what reads them says what is wrong.
        path.write_bytes(b"damaged")
        assert collection.overrides_of(path) == expected

    @pytest.mark.parametrize("name", ["t.csv", "t.tsv", "T.CSV"])
    def test_a_table(self, folder, name):
        (folder / name).write_text("path,label\na.png,x\n")
        assert collection.overrides_of(name) == ["dataset=folder", f"dataset.csv={folder}/{name}"]

    @pytest.mark.parametrize("address", ["https://example.org/c.zip?a=1&b=2", "http://example.org/c.tar"])
    def test_an_address(self, address):
        assert collection.overrides_of(address) == ["dataset=archive", f"dataset.url={address}"]

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a", "a.webp", "a.bmp"])
    def test_one_image_is_refused(self, folder, name):
        kind = {".jpg": "jpeg", ".webp": "webp", ".bmp": "bmp"}.get(os.path.splitext(name)[1], "png")  # noqa: PTH122
        Image.new("RGB", (8, 8)).save(name, format=kind)
        assert f"is one image; give the folder: {folder}" in refusal(name)

    def test_a_table_that_begins_like_a_bitmap_is_a_table(self, folder):
        (folder / "t.csv").write_text("BMI,path,label\n1,a.png,x\n")
        assert collection.overrides_of("t.csv")[1] == f"dataset.csv={folder}/t.csv"

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("a.7z", b"7z\xbc\xaf\x27\x1c" + b"\0" * 40, "7z"),
            ("a.rar", b"Rar!\x1a\x07\0", "RAR"),
            ("a.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
            ("a.csv.gz", b"", "empty"),
            ("a.mp4", b"\0\0\0\x18ftypmp42", "a video"),
            ("a.pdf", b"%PDF-1.7", "PDF"),
            ("w.pth", b"\x80\x02}q", "backbone.weights="),
            ("notes.docx", None, "office document"),
            ("model.pt", None, "backbone.weights="),
            ("a.xyz", b"what is this", "no collection"),
        ],
    )
    def test_what_is_no_collection_says_what_it_is_and_what_is_allowed(self, folder, name, content, said):
        if content is None:
            with zipfile.ZipFile(name, "w") as archive:
                archive.writestr("[Content_Types].xml" if name.endswith("docx") else "model/data.pkl", b"x")
        else:
            (folder / name).write_bytes(content)
        message = refusal(name)
        assert said in message and "a folder of images" in message and str(folder / name) in message

    def test_one_compressed_file_is_no_archive(self, folder):
        import gzip

        (folder / "t.csv.gz").write_bytes(gzip.compress(b"path,label\n"))
        assert "one compressed file, not an archive" in refusal("t.csv.gz")

    def test_what_is_neither_file_nor_folder(self, folder):
        os.mkfifo("pipe")
        assert "neither a file nor a folder" in refusal("pipe")


class TestLiteral:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize(
        "option", ["dataset.root", "dataset.csv", "backbone.weights", "dataset.labels", "store.root"]
    )
    def test_a_path_is_itself(self, name, option):
        for path in (name, f"~/{name}", f"/data/{name}"):
            parsed = OverridesParser.create().parse_override(grammar.written_out(f"{option}={path}"))
            assert str(parsed.value()) == path and not parsed.is_sweep_override()

    def test_a_cell_has_it_as_it_stands(self):
        assert root_of("~/my photos (2023)") == ["~/my photos (2023)"]
        assert root_of("C:\\it's [2023]\\") == ["C:\\it's [2023]\\"]

    def test_other_options_with_paths_or_text(self):
        pattern = "^(?P<label>[a-z]{2,5})_"
        assert root_of(pattern, "label_pattern") == [pattern]
        assert root_of("https://example.org/c.zip?a=1&b=(2)", "url", "archive") == [
            "https://example.org/c.zip?a=1&b=(2)"
        ]
        (cell,) = compose.expand(["experiment=none", "backbone=resnet50", "backbone.weights=~/my (w).pth"]).cells
        assert cell.config["backbone"]["weights"] == "~/my (w).pth"
        assert compose.expand(["experiment=none", "store.root=~/my store"]).settings["store"]["root"] == "~/my store"

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("'/a b'", ["/a b"]),
            ('"/a,b"', ["/a,b"]),
            ("/a,/b", ["/a", "/b"]),
            ("choice(/a,/b)", ["/a", "/b"]),
            ("null", [None]),
            ("${oc.env:HOME}/x", None),
            ("file:///a%20b", ["/a b"]),
        ],
    )
    def test_what_means_something_to_hydra_keeps_its_meaning(self, folder, value, expected):
        assert root_of(value) == (expected or [f"{folder}/home/x"])

    def test_commas_in_a_name_that_is_there(self, folder):
        (folder / "a,b").mkdir()
        assert root_of("a,b") == ["a,b"]
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        with pytest.raises(ConfigError, match="of one path that is there, and of 2"):
            root_of("a,b")
        assert root_of("'a,b'") == ["a,b"] and root_of("choice(a,b)") == ["a", "b"]

    def test_commas_between_paths_that_hydra_does_not_read(self, folder):
        (folder / "home" / "more (2)").mkdir()
        assert root_of("~/photos,~/more (2)") == ["~/photos", "~/more (2)"]
        with pytest.raises(ConfigError, match=r"no such file or folder .*~/gone would be missing"):
            root_of("~/photos,~/gone")

    def test_a_tilde_that_is_nobodys_is_a_name(self, folder):
        assert root_of("~nobody_of_this_name/x") == [f"{folder}/~nobody_of_this_name/x"]

    def test_options_of_other_owners_are_no_paths(self):
        assert literal.is_text("backbone.weights") and not literal.is_text("classifier.weights")
        assert not literal.is_text("k") and not literal.is_text("dataset")

    def test_quotes_hold_any_text(self):
        rng, parser = random.Random(0), OverridesParser.create()
        for _ in range(500):
            text = "".join(rng.choice("ab'\"\\ ,()[]{}~=:;#$%&\n") for _ in range(rng.randint(1, 8)))
            if "${" not in text:
                assert str(parser.parse_override(f"key={literal.quoted(text)}").value()) == text
