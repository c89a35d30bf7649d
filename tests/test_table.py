"""Tables of files, classes and parts: what people write is understood as they mean it, or refused with the line."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pictures import FOLDER, GIVEN, folder_describe, folder_load, paint, params_of

from backbench import plugins
from backbench.datasets import TEST, TRAIN, VALIDATION, _files, _table
from backbench.datasets._table import Columns
from backbench.schema import ConfigError

PETS = ("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
MEANT = [("cat/1.png", "cat"), ("cat/2.png", "cat"), ("dog/3.png", "dog"), ("dog/4.png", "dog")]
PLAIN = "path,label\ncat/1.png,cat\ncat/2.png,cat\ndog/3.png,dog\ndog/4.png,dog\n"


def place(root: Path, files=PETS) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


@pytest.fixture
def read(tmp_path):
    """A function that reads a table beside a folder of files."""

    def of(text, files=PETS, name="labels.csv", **columns):
        root = place(tmp_path / "photos", files)
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return _table.read(root, tmp_path / name, Columns(**columns))

    return of


def labelled(listing):
    return [(entry.path, entry.label) for entry in listing.entries]


def parts(listing):
    return {entry.path: entry.part for entry in listing.entries}


def column(title, cells, header="path,label", rows=MEANT):
    """A table with another column."""
    return f"{header},{title}\n" + "".join(f"{','.join(row)},{cell}\n" for row, cell in zip(rows, cells, strict=True))


# Rows


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PLAIN + "dog/5.png,dog, domestic\n", r'line 6: 3 cells, while the header has 2 .* dog/5\.png,"dog, domestic"'),
        (PLAIN + "\n\ndog/5.png\n", "line 8: 1 cells, while the header has 2"),
        (PLAIN.replace("\n", ",x\n"), None),
        (PLAIN.replace("\n", ",,\n"), None),
        (PLAIN.replace("cat\n", "cat,\n"), None),
        (PLAIN.replace("label", "label,note"), "line 2: 2 cells, while the header has 3 .*3 more such rows"),
        (PLAIN + "\n , \n,\n", None),
        (
            PLAIN.replace("dog/3.png,dog", '"dog/3.png,dog'),
            "line 4: the file is not a valid table .* A quote that opens",
        ),
        (PLAIN.replace("dog/3.png,dog\ndog/4.png", '"dog/3.png,dog\ndog/4.png"'), "line 4: received a path of several"),
        (PLAIN.replace("cat\ndog/3.png,dog", '"cat\ndog/3.png,dog"'), "line 3: received a label of several lines"),
        (PLAIN.replace("cat/2", "cat/\0"), "line 3: a NUL byte"),
        (PLAIN.encode("utf-16-le"), "line 1: a NUL byte; .* UTF-16 without"),
        (PLAIN.encode("utf-16") + b"x", "is not UTF-16"),
        (
            PLAIN.replace(",cat", ",K\xe4fer").encode("latin-1") + "dog/5.png,\xe4\n".encode(),
            "line 2: .* line 6 is UTF-8",
        ),
        (PLAIN.encode() + b"dog/5.png,\x81\n", "line 6: this is not UTF-8"),
        (b"PK\x03\x04" + bytes(40), r"labels\.csv is not a text file but a spreadsheet .* save it as CSV"),
        (b"\x1f\x8b" + bytes(40), "compressed with gzip"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("path,label\n\n", "no rows below its header"),
        (PLAIN.split("\n", 1)[1], "has no header: its first line names a file, 'cat/1.png'"),
        (
            "path,label;note\ncat/1.png,x;y\n",
            "2 columns separated by commas or 2 columns separated by semicolons.*sep=, or sep=;",
        ),
    ],
)
def test_rows_are_whole_or_refused(read, text, reason):
    if reason is None:
        assert labelled(read(text)) == MEANT
    else:
        with pytest.raises(ConfigError, match=reason):
            read(text)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_tables_of_every_program(read, separator, end, encoding):
    for quote in ("", '"'):
        rows = [[f"{quote}{cell}{quote}" for cell in (path, label, "Käfer")] for path, label in MEANT]
        lines = [[f"{quote}{title}{quote}" for title in ("path", "label", "note")], *rows]
        listing = read(end.join(separator.join(line) for line in lines).encode(encoding))
        assert labelled(listing) == MEANT
        assert ("Windows-1252: Käfer" in str(listing.understood)) == (encoding == "cp1252")


def test_separators_in_quotes_and_the_line_of_excel(read):
    rows = "".join(f'{path};"{label}; tame"\n' for path, label in MEANT)
    expected = [(path, f"{label}; tame") for path, label in MEANT]
    for head in ('path;"label"\n', '"path";"label"\n', "sep=;\npath;label\n", '"sep=;"\r\npath;label\n'):
        assert labelled(read(head + rows)) == expected
    noted = read('path;label;"note, with, commas"\n' + "".join(f"{path};{label};x\n" for path, label in MEANT))
    assert labelled(noted) == MEANT
    spaced = read("path, label\n" + "".join(f'{path}, "{label}, tame"\n' for path, label in MEANT))
    assert labelled(spaced) == [(path, f"{label}, tame") for path, label in MEANT]
    assert labelled(read("sep=:\n" + PLAIN.replace(",", ":"))) == MEANT


def test_names_of_files_in_the_encoding_of_the_table(read):
    """Files copied from an old machine have names that are not UTF-8."""
    listing = read(b"path,label\nK\xe4fer.png,K\xe4fer\n", files=["K\udce4fer.png"])
    assert labelled(listing) == [("K\udce4fer.png", "Käfer")]


# Columns


@pytest.mark.parametrize(
    "path", ["Path", "file_name", "filename", "File Path", "image", "IMG-PATH", "images", "whatever"]
)
@pytest.mark.parametrize("label", ["Label", "labels", "class", "Class_Name", "category", "target", "species", "y"])
def test_titles_that_people_use(read, path, label):
    listing = read(PLAIN.replace("path,label", f"{path},{label}"))
    assert labelled(listing) == MEANT
    assert f"labels from column `{label}`, paths from `{path}` of labels.csv (4 rows)" in listing.understood


@pytest.mark.parametrize(
    ("header", "cells", "label"),
    [
        ("label,label_name", ("0,cat", "0,cat", "1,dog", "1,dog"), ["0", "0", "1", "1"]),
        ("class_id,class_name", ("0,cat", "0,cat", "1,dog", "1,dog"), ["cat", "cat", "dog", "dog"]),
        ("target,species", ("0,cat", "0,cat", "1,dog", "1,dog"), ["cat", "cat", "dog", "dog"]),
        ("class,x,y", ("a,1,2", "a,3,4", "b,1,5", "b,5,6"), ["a", "a", "b", "b"]),
        ("label,class", (",a", ",a", ",b", ",b"), ["a", "a", "b", "b"]),
        ("label,species", ("a,1", "a,2", "b,3", "b,4"), ["a", "a", "b", "b"]),
    ],
)
def test_one_of_several_label_columns(read, header, cells, label):
    rows = "".join(f"{path},{cell}\n" for path, cell in zip(PETS, cells, strict=True))
    assert [text for _, text in labelled(read(f"path,{header}\n{rows}"))] == label


def test_another_label_column_is_named(read):
    text = column("species", ["felis", "lynx", "canis", "canis"])
    listing = read(text)
    assert labelled(listing) == MEANT
    assert "other labels are in `species`; to use them, give dataset.columns.label=species" in listing.understood
    assert [label for _, label in labelled(read(text, label="species"))] == ["felis", "lynx", "canis", "canis"]


@pytest.mark.parametrize(
    ("text", "columns", "reason"),
    [
        (column("class", "aabb", "path,species"), {}, None),
        (
            column("class", "abab", "path,species"),
            {},
            r"'class' \(2 values: a, b\) or 'species' .*columns\.label=class or",
        ),
        (
            column("kind", "aabb", "path,note"),
            {},
            r"no column label; .*columns\.label=TITLE, if it is one of note, kind",
        ),
        (
            column("kind", "aabb"),
            {"label": "knd"},
            r"columns\.label: received 'knd'; allowed: path, label, kind.*'kind'",
        ),
        (column("Label", "aabb"), {}, "2 columns for the label, 'label', 'Label'; rename"),
        (
            column("file", reversed(PETS), "image,label"),
            {},
            r"'image' .*columns\.path=file or dataset\.columns\.path=image",
        ),
        (column("name", reversed(PETS), "title,label"), {}, r"columns\.path=title or dataset\.columns\.path=name"),
        ("width,label\n640,cat\n", {}, r"no column path; received the header 'width,label'"),
        (
            "path,MEL,NV\ncat/1.png,1.0,0.0\ncat/2.png,0.0,1.0\n",
            {},
            "no column label; received the header 'path,MEL,NV'",
        ),
    ],
)
def test_columns_that_can_be_two(read, text, columns, reason):
    if reason is None:
        assert labelled(read(text, **columns))
    else:
        with pytest.raises(ConfigError, match=reason):
            read(text, **columns)


def test_columns_that_are_named(read):
    text = column(
        "breed", "abcd", "title,name", [(f"{path}", other) for path, other in zip(PETS, PETS[::-1], strict=True)]
    )
    listing = read(text, path="name", label="Breed")
    assert labelled(listing) == list(zip(PETS, "dcba", strict=True))
    assert [entry.label for entry in read(PLAIN, label="none").entries] == [None] * 4
    assert [entry.label for entry in read("path,2\ncat/1.png,a\n", label=2).entries] == ["a"]


def test_columns_of_no_table_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"received label=species; these are columns of a table: give dataset\.csv"):
        params_of(FOLDER, root=str(tmp_path), columns={"label": "species"})
    for name in ("folder", "archive"):
        assert "columns" in plugins.load("dataset", name).UNHASHED


# Paths


@pytest.mark.parametrize(
    ("style", "how"),
    [
        ("{}", ""),
        ("./{}", ""),
        ("/{}", ""),
        ("  {} ", ""),
        ("'{}'", ""),
        ("photos/{}", ""),
        (".\\{}", ""),
        ("C:\\data\\photos\\{}", "without their first 3 folders, C:/data/photos"),
        ("\\\\server\\share\\{}", "without their first 2 folders, server/share"),
        ("/home/somebody/photos/{}", "without their first 3 folders, home/somebody/photos"),
        ("../raw/{}", "without their first 2 folders, ../raw"),
        ("file:///home/photos/{}", "without their first 2 folders, home/photos"),
        ("https://example.org/{}", "without their first 2 folders, https:/example.org"),
    ],
)
def test_paths_as_another_machine_wrote_them(read, style, how):
    def written(path):
        return style.format(path.replace("/", "\\") if "\\" in style else path)

    listing = read("path,label\n" + "".join(f"{written(path)},{label}\n" for path, label in MEANT))
    assert labelled(listing) == MEANT and listing.left_out == {}
    assert f"paths from `path`{f' ({how})' if how else ''} of labels.csv (4 rows)" in listing.understood[0]


@pytest.mark.parametrize(
    ("files", "cells", "how"),
    [
        (("a/0001.jpg", "b/0002.JPG", "b/0002.json"), ("0001", "0002"), "the missing folders and extension added"),
        (("0001.jpg", "0002.png"), ("0001", "0002"), "with the missing extension added"),
        (("a/v1.2.jpg", "a/v1.3.jpg"), ("a/v1.2", "a/v1.3"), "with the missing extension added"),
        (("a/1.JPG", "B/2.jpg"), ("a/1.jpg", "b/2.JPG"), "ignoring case"),
        (("a/A\u0308.png", "a/b.png"), ("a/\xc4.png", "a/b.png"), "ignoring case"),
        (("x/a/1.png", "x/b/1.png"), ("a/1.png", "b/1.png"), "with the missing folders added"),
        (("x/1.png", "y/2.png"), ("t/1.png", "q/r/2.png"), "by file name only"),
        (("x/1.png", "y/2.png"), ("/a/x/1.png", "/b/c/y/2.png"), "without those of their first folders that are not"),
        (("a b.png", "c.png"), ("a%20b.png", "c.png"), "with % and two digits decoded"),
        (("a%20b.png", "a b.png"), ("a%20b.png", "a b.png"), ""),
    ],
)
def test_paths_that_lack_something(read, files, cells, how):
    listing = read("path,label\n" + "".join(f"{cell},{number}\n" for number, cell in enumerate(cells)), files)
    assert {entry.label: entry.path for entry in listing.entries} == {"0": files[0], "1": files[1]}
    assert (how or "`path` of") in listing.understood[0]


@pytest.mark.parametrize(
    ("files", "cells"),
    [
        (("a/1.png", "b/1.png"), ("1.png", "2.png")),
        (("0001.jpg", "0001.png"), ("0001", "0002")),
        (("x/A.png", "x/a.png"), ("X/A.PNG", "X/b.png")),
        (("1.png", "2.png"), ("train/1.png", "test/1.png")),
    ],
)
def test_names_of_several_files_are_refused(read, files, cells):
    with pytest.raises(ConfigError, match="none of its 2 rows names an existing file"):
        read("path,label\n" + "".join(f"{cell},a\n" for cell in cells), files)


def test_one_way_is_taken_for_all_rows(read):
    """A row that is not there does not get the file of another folder that has its name."""
    files = ("cat/1.png", "cat/2.png", "dog/3.png", "old/4.png")
    listing = read(PLAIN, files)
    assert labelled(listing) == MEANT and listing.left_out == {"old/4.png": "not in the table"}
    assert "1 row of 4 without a file: dog/4.png (line 5)" in listing.understood
    listing = read(PLAIN.replace("cat/", "D:/cat/").replace("dog/", "D:/dog/"), files)
    assert labelled(listing) == [("D:/dog/4.png", "dog"), *MEANT[:3]] and listing.left_out == {
        "old/4.png": "not in the table"
    }


def test_paths_that_are_not_there_get_one_message(read, tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(PLAIN.replace("png", "jpg"))
    text = str(caught.value)
    assert "none of its 4 rows names an existing file" in text and "'cat/1.jpg' (line 2), 'cat/2.jpg' (line 3)" in text
    assert str(tmp_path / "photos" / "cat" / "1.jpg") in text and "dataset.root=PATH" in text
    with pytest.raises(ConfigError, match=r"2 files have its name: cat/1\.png, dog/1\.png"):
        read("path,label\n1.png,a\n", ("cat/1.png", "dog/1.png"))


def test_paths_outside_the_root_are_refused(read, tmp_path):
    place(tmp_path, ["elsewhere/cat/2.png"])
    for path in ("../elsewhere/cat/2.png", f"{tmp_path}/elsewhere/cat/2.png", "elsewhere/cat/2.png"):
        with pytest.raises(ConfigError, match=f"line 3: received the path '{path}'; allowed: files below dataset.root"):
            read(PLAIN.replace("cat/2.png", path))


def test_a_root_that_is_a_link(tmp_path):
    place(tmp_path / "disk")
    (tmp_path / "photos").symlink_to(tmp_path / "disk")
    (tmp_path / "labels.csv").write_text(PLAIN.replace("cat/", f"{tmp_path}/disk/cat/"))
    assert labelled(_table.read(tmp_path / "photos", tmp_path / "labels.csv")) == MEANT


# Parts


@pytest.mark.parametrize(
    ("title", "cells", "expected"),
    [
        ("split", ("train", "val", "test", "train"), (TRAIN, VALIDATION, TEST, TRAIN)),
        ("Subset", ("Training", "VAL", "seg_train", "training"), (TRAIN, TEST, TRAIN, TRAIN)),
        ("set", ("trn", "holdout", "trn", "holdout"), (TRAIN, TEST, TRAIN, TEST)),
        ("Usage", ("Training", "PublicTest", "PrivateTest", "Training"), (TRAIN, TEST, TEST, TRAIN)),
        ("whatever", ("train", "test", "train", "test"), (TRAIN, TEST, TRAIN, TEST)),
        ("is_test", ("0", "1", "0", "1"), (TRAIN, TEST, TRAIN, TEST)),
        ("is_training_image", ("0", "1", "0", "1"), (TEST, TRAIN, TEST, TRAIN)),
        ("is_valid", ("False", "True", "False", "True"), (TRAIN, TEST, TRAIN, TEST)),
        ("is_train,is_val", ("1,0", "0,1", "1,0", "0,1"), (TRAIN, TEST, TRAIN, TEST)),
        ("is_holdout", ("0", "1", "0", "1"), (TRAIN, TEST, TRAIN, TEST)),
        ("in_test_set", ("no", "yes", "no", "yes"), (TRAIN, TEST, TRAIN, TEST)),
        ("for training", ("1", "0", "1", "0"), (TRAIN, TEST, TRAIN, TEST)),
        ("is_val,is_test", ("0,0", "0,1", "1,0", "0,0"), (TRAIN, TEST, VALIDATION, TRAIN)),
    ],
)
def test_columns_that_name_parts(read, title, cells, expected):
    listing = read(column(title, cells))
    assert listing.given and listing.apart and parts(listing) == dict(zip(PETS, expected, strict=True))
    assert "splits from `" in listing.understood[0] and "splits (train" in listing.understood[0]


def test_an_answer_that_is_missing_is_refused(read):
    text = column("is_train", ("1", "0", "", "1"))
    with pytest.raises(ConfigError, match=r"line 4: no is_train, .* dataset\.columns\.split=none"):
        read(text)
    assert set(parts(read(text, split="none")).values()) == {TRAIN}


@pytest.mark.parametrize("title", ["valid", "test_score", "training hours"])
def test_answers_to_other_questions_are_no_parts(read, title):
    assert set(parts(read(column(title, ("1", "0", "1", "0")))).values()) == {TRAIN}


def test_rows_of_no_part_are_passed_over(read):
    rows = [*MEANT[:3], (PETS[3], "")]
    listing = read(column("split", ("train", "test", "train", "unlabeled"), rows=rows))
    assert labelled(listing) == MEANT[:3] and listing.left_out == {PETS[3]: _table.OTHER_SPLIT}
    assert _table.OTHER_SPLIT in _files.PASSED_OVER
    assert "rows ignored because `split` names no split: unlabeled (1)" in listing.understood


@pytest.mark.parametrize(
    ("title", "cells", "reason"),
    [
        ("split", ("train", "train", "unlabeled", "train"), "line 4, split: received 'unlabeled'; allowed: train"),
        ("split", ("train", "test", "tset", "train"), "line 4, split: received 'tset'.*Did you mean 'test'"),
        ("partition", "0121", r"line 2, partition: received '0'; .* dataset\.columns\.split=none"),
        ("split", ("train", "test", "", "train"), "line 4: no split, while other rows have one"),
        ("subset,phase", ("train,test", "test,train", "train,test", "test,train"), r"columns\.split=subset or"),
        ("is_train,is_val", ("1,0", "0,0", "1,0", "0,1"), "line 3: `is_train` and `is_val` do not say"),
    ],
)
def test_parts_that_can_be_two(read, title, cells, reason):
    text = column(title, cells)
    with pytest.raises(ConfigError, match=reason):
        read(text)
    listing = read(text, split="none")
    assert not listing.given and labelled(listing) == MEANT


@pytest.mark.parametrize(
    ("title", "cells", "note"),
    [
        ("fold", "0123", "column `fold` (0, 1, 2, ...) names no splits and is ignored"),
        ("phase", ("adult", "larva", "adult", "larva"), "column `phase` (adult, larva, ...) names no splits"),
        ("split", ("train",) * 4, "column `split` holds only train, so it does not divide the rows"),
        ("is_test", "0000", "labels from column `label`, paths from `path` of"),
    ],
)
def test_columns_that_name_no_parts(read, title, cells, note):
    listing = read(column(title, cells))
    assert not listing.given and set(parts(listing).values()) == {TRAIN} and labelled(listing) == MEANT
    assert note in "\n".join(listing.understood)


def test_parts_from_the_folders_of_the_paths(read):
    files = ("in/train/a/1.png", "in/train/b/2.png", "in/val/a/3.png", "in/extra/4.png")
    text = "path,label\n" + "".join(f"{path},x\n" for path in files[:3])
    listing = read(text, files)
    assert listing.given and not listing.apart and list(parts(listing).values()) == [TRAIN, TRAIN, TEST]
    with pytest.raises(ConfigError, match=r"line 5: 'in/extra/4\.png' is in no split, .*dataset\.columns\.split=none"):
        read(text + "in/extra/4.png,x\n", files)
    assert not read(text + "in/extra/4.png,x\n", files, split="none").given


# Labels


@pytest.mark.parametrize(
    ("cells", "expected", "note"),
    [
        (("1.0", "1.0", "2.0", "2.0"), ["1", "1", "2", "2"], "labels such as 1.0 are read as whole numbers"),
        (("1", "1.0", "2", "2.0"), ["1", "1", "2", "2"], "labels such as 1.0 are read as whole numbers"),
        (("1.5", "1.0", "2.0", "2.0"), ["1.5", "1.0", "2.0", "2.0"], None),
        (("01", "1", "2", "2"), ["01", "1", "2", "2"], None),
        (("NA", "none", "dog", "dog"), ["NA", "none", "dog", "dog"], None),
        (("Cat ", "cat", " dog", "dog"), ["Cat", "cat", "dog", "dog"], "differ only in case or blanks: 'Cat', 'cat'"),
        (("red fox", "redfox", "dog", "dog"), ["red fox", "redfox", "dog", "dog"], "blanks: 'red fox', 'redfox'"),
        (("", "", "", ""), [None] * 4, "column `label` is empty: the images have no labels"),
        (("nan",) * 4, [None] * 4, "column `label` is empty: the images have no labels"),
    ],
)
def test_labels_as_they_are_meant(read, cells, expected, note):
    listing = read("path,label\n" + "".join(f"{path},{cell}\n" for path, cell in zip(PETS, cells, strict=True)))
    assert [label for _, label in labelled(listing)] == expected
    assert listing.understood[1:] == () if note is None else note in listing.understood[1]


def test_measurements_are_no_labels(tmp_path):
    for number in range(12):
        paint(tmp_path / f"{number}.png", number)
    table = tmp_path / "t.csv"
    table.write_text("path,label\n" + "".join(f"{number}.png,{number * 0.37}\n" for number in range(12)))
    with pytest.raises(ConfigError, match=r"'label' holds measurements .*12 values in 12 rows.*columns\.label=none"):
        _table.read(tmp_path, table)
    table.write_text("path,label\n" + "".join(f"{number}.png,{number % 3 * 0.5}\n" for number in range(12)))
    assert {label for _, label in labelled(_table.read(tmp_path, table))} == {"0.0", "0.5", "1.0"}


def test_a_header_in_the_midst_of_a_table_is_no_row(read):
    listing = read(PLAIN.replace("cat/2.png,cat", "path,label\ncat/2.png,cat"))
    assert labelled(listing) == labelled(read(PLAIN))
    assert listing.understood[-1] == "the header is repeated in line 3 and ignored there"


@pytest.mark.parametrize(
    "text", [f"# by me\n{PLAIN}", f"# by me, today\n{PLAIN}", PLAIN + "# end\n", f"# by me\n{PLAIN}# end\n"]
)
def test_comments_are_refused_with_what_to_do(read, text):
    with pytest.raises(ConfigError, match=r"This line begins with #; if it is a comment, remove it"):
        read(text)


@pytest.mark.parametrize("text", ["nan", "NaN", "<NA>", "None", "null", "N/A", "#N/A"])
def test_missing_labels_are_refused(read, text):
    with pytest.raises(ConfigError, match=f"line 3: received '{text}', which stands for a missing value"):
        read(PLAIN.replace("cat/2.png,cat", f"cat/2.png,{text}"))


# The whole way


@pytest.mark.usefixtures("own_results")
def test_a_collection_from_a_table_of_another_machine(tmp_path):
    for number in range(12):
        paint(tmp_path / "in" / f"IMG_{number:02}.JPG", number)
    rows = "".join(f"C:\\x\\img_{i:02}.jpg;{'ab'[i % 2]};{('train', 'val', 'extra')[i // 4]}\r\n" for i in range(12))
    (tmp_path / "t.csv").write_bytes(f"Image;Breed;Subset\r\n{rows}".encode("utf-16"))
    options = {"csv": str(tmp_path / "t.csv"), "columns": {"label": "breed"}, "split": GIVEN}
    assert folder_describe(tmp_path / "in", **options).n == 8
    collection = folder_load(tmp_path / "in", **options)
    assert collection.names == ["a", "b"] and (collection.split == TEST).sum() == 4
    assert set(collection.info["excluded"].values()) == {_table.OTHER_SPLIT} and len(collection.info["excluded"]) == 4


# Random tables with a known meaning

LETTERS = st.text("abcdefghijkl", min_size=1, max_size=6)
STYLES = (
    lambda path: path,
    lambda path: path.replace("/", "\\"),
    lambda path: f"C:\\some where\\{path}".replace("/", "\\"),
    lambda path: f"/mnt/nas/photos/{path}",
    lambda path: f" {path} ",
    lambda path: path.rsplit(".", 1)[0],
    lambda path: path.rsplit("/", 1)[-1],
    lambda path: path.upper(),
)
WORDS = {
    TRAIN: ("train", "Training", "seg_train", "TRAIN"),
    VALIDATION: ("val", "valid", "Validation", "dev"),
    TEST: ("test", "Testing", "holdout"),
}


@st.composite
def tables(draw):
    """Files with labels and parts, and a table of them: its text as bytes, and whether it has parts."""
    names = draw(st.lists(LETTERS, min_size=3, max_size=8, unique=True))
    labels = draw(st.lists(LETTERS | st.just("a, b; c"), min_size=len(names), max_size=len(names)))
    files = [f"f{draw(st.integers(0, 2))}/{name}.png" for name in names]
    some = st.lists(st.sampled_from(list(WORDS)), min_size=len(names), max_size=len(names))
    given_parts = draw(some.filter(lambda drawn: TRAIN in drawn and len(set(drawn)) > 1) | st.none())
    style = draw(st.sampled_from(STYLES))
    columns = [
        (draw(st.sampled_from(("path", "File Name", "image_path", "img", "xyz"))), [style(file) for file in files]),
        (draw(st.sampled_from(("label", "Class", "category", "species"))), labels),
    ]
    if given_parts is not None:
        words = [draw(st.sampled_from(WORDS[part])) for part in given_parts]
        columns.append((draw(st.sampled_from(("split", "Subset", "phase", "is it"))), words))
    if draw(st.booleans()):
        columns.append(("width", [str(draw(st.integers(10_000, 99_999))) for _ in names]))
    columns = draw(st.permutations(columns))
    separator, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(("\n", "\r\n", "\r")))

    def cell(text):
        return f'"{text}"' if any(mark in text for mark in ",;\t|") or draw(st.booleans()) else text

    lines = [separator.join(map(cell, row)) for row in zip(*([title, *cells] for title, cells in columns), strict=True)]
    content = end.join(lines).encode(draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16"))))
    return files, labels, given_parts, content, separator, end


def meaning(files, labels, given_parts):
    used = {VALIDATION: TEST} if given_parts and TEST not in given_parts else {}
    rows = given_parts or [TRAIN] * len(files)
    return sorted((path, label, used.get(part, part)) for path, label, part in zip(files, labels, rows, strict=True))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=tables())
def test_random_tables_are_understood(tmp_path_factory, table):
    files, labels, given_parts, content, _, _ = table
    folder = tmp_path_factory.mktemp("random")
    (folder / "t.csv").write_bytes(content)
    listing = _table.read(place(folder / "in", files), folder / "t.csv")
    assert [entry[:3] for entry in listing.entries] == meaning(files, labels, given_parts)
    assert listing.given == (given_parts is not None) and listing.left_out == {}


@settings(max_examples=60, deadline=None)
@given(table=tables(), more=st.booleans(), data=st.data())
def test_random_ragged_tables_are_refused(tmp_path_factory, table, more, data):
    files, _, _, content, separator, end = table
    text = content.decode("utf-16" if content.startswith(b"\xff\xfe") else "utf-8-sig")
    lines = text.split(end)
    row = data.draw(st.integers(1, len(lines) - 1))
    lines[row] = f"{lines[row]}{separator}stray" if more else lines[row].rsplit(separator, 1)[0]
    folder = tmp_path_factory.mktemp("ragged")
    (folder / "t.csv").write_bytes(end.join(lines).encode())
    with pytest.raises(ConfigError) as caught:
        _table.read(place(folder / "in", files), folder / "t.csv")
    assert re.search(rf"line {row + 1}\b|can be read as", str(caught.value))


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=60) | st.text('path,label\n"\r;\t 1./\\cat', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "t.csv").write_bytes(b"path,label\n" + content)
    try:
        listing = _table.read(place(folder / "in"), folder / "t.csv")
    except ConfigError as error:
        assert str(error).startswith("dataset.")
    else:
        assume(listing.entries)
        assert any((folder / "in" / entry.path).exists() for entry in listing.entries)
