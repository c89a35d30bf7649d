"""Tables made elsewhere: every format gives the same numbers, nothing is unpickled, nothing odd passes."""

import os
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from safetensors.numpy import save_file

from backbench import arrays, hashing, machine
from backbench.arrays import lists
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError

N, D = 9, 4
TITLES = ["e0", "e1", "e2", "e3"]
NAMES = [f"cat/{number}.png" for number in range(N)]


def numbers(seed=0):
    return np.random.default_rng(seed).normal(size=(N, D)).astype(np.float32)


def write(path, x):
    """A file of the format that its name says."""
    if path.suffix == ".npy":
        np.save(path, x)
    elif path.suffix == ".npz":
        np.savez(path, features=x, names=np.array(NAMES))
    elif path.suffix == ".safetensors":
        save_file({"features": x}, path)
    elif "list" in path.stem:
        pd.DataFrame({"id": range(N), "name": NAMES, "features": list(x)}).to_parquet(path)
    else:
        pd.DataFrame(x, columns=TITLES).assign(id=range(N), name=NAMES).to_parquet(path)
    return path


FILES = ["x.npy", "x.npz", "x.safetensors", "x.parquet", "x_list.parquet"]


@pytest.mark.parametrize("name", FILES)
class TestEveryFormat:
    def test_the_same_numbers(self, name, tmp_path):
        x = numbers()
        path = write(tmp_path / name, x)
        assert arrays.shape(path) == (N, D)
        np.testing.assert_array_equal(arrays.floats(arrays.values(path)), x)
        assert arrays.digest(arrays.values(path), path) == hashing.array_digest(x)

    def test_what_is_not_finite_is_refused_with_its_rows(self, name, tmp_path):
        x = numbers()
        x[[2, 5], 1] = np.nan, np.inf
        path = write(tmp_path / name, x)
        with pytest.raises(ConfigError, match=r"not finite \(NaN or infinity\) in row 2, 5\."):
            arrays.digest(arrays.values(path), path)

    def test_a_damaged_file(self, name, tmp_path):
        path = write(tmp_path / name, numbers())
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ConfigError, match="x"):
            arrays.values(path)
        path.write_bytes(b"")
        with pytest.raises(ConfigError, match="x"):
            arrays.shape(path)


@pytest.mark.parametrize("name", [name for name in FILES if "list" not in name])
def test_no_rows(name, tmp_path):
    """A column of lists without rows has no length to speak of."""
    path = tmp_path / name
    if path.suffix == ".parquet":
        pd.DataFrame({"a": np.zeros(0, np.float32)}).to_parquet(path)
    else:
        write(path, np.zeros((0, D), np.float32))
    with pytest.raises(ConfigError, match="at least one each"):
        arrays.shape(path)


def test_types_are_made_float32(tmp_path):
    whole = np.arange(12).reshape(3, 4)
    for kind in (np.float16, np.float64, np.int8, np.int64, np.uint8):
        np.save(tmp_path / "x.npy", whole.astype(kind))
        found = arrays.values(tmp_path / "x.npy")
        assert arrays.digest(found, tmp_path / "x.npy") == hashing.array_digest(whole.astype(np.float32))
    np.save(tmp_path / "x.npy", np.full((2, 2), 1e300))
    with pytest.raises(ConfigError, match="not finite"):
        arrays.digest(arrays.values(tmp_path / "x.npy"), tmp_path / "x.npy")


def test_bfloat16(tmp_path):
    import torch
    from safetensors.torch import save_file as save

    x = torch.arange(12).reshape(3, 4)
    save({"a": x.bfloat16()}, tmp_path / "x.safetensors")
    assert arrays.shape(tmp_path / "x.safetensors") == (3, 4)
    np.testing.assert_array_equal(arrays.floats(arrays.values(tmp_path / "x.safetensors")), x.numpy())


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(4), r"shape \(4,\); allowed: \(rows, columns\)"),
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\)"),
        (np.zeros((2, 2), complex), "allowed: real numbers"),
        (np.array([["a"]]), "allowed: real numbers"),
    ],
)
def test_other_arrays_are_refused(array, words, tmp_path):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ConfigError, match=words):
        arrays.shape(tmp_path / "x.npy")


class Trap:
    """What an unpickling would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_python_objects_are_not_unpickled(name, tmp_path):
    trap = np.array([[Trap(tmp_path / "ran")]], dtype=object)
    path = tmp_path / name
    np.save(path, trap) if name == "x.npy" else np.savez(path, a=trap)
    for call in (arrays.shape, arrays.values):
        with pytest.raises(ConfigError, match="Python objects, which are never unpickled"):
            call(path)
    assert not (tmp_path / "ran").exists()
    trap.dump(tmp_path / "pickle.npy")
    with pytest.raises(ConfigError, match=r"not in the \.npy format"):
        arrays.values(tmp_path / "pickle.npy")
    assert not (tmp_path / "ran").exists()


def test_objects_beside_the_table_are_passed_over(tmp_path):
    np.savez(tmp_path / "x.npz", features=numbers(), about=np.array([{"a": 1}], dtype=object))
    assert arrays.shape(tmp_path / "x.npz") == (N, D)
    with pytest.raises(ConfigError, match="never unpickled"):
        arrays.column(tmp_path / "x.npz", "about")


def test_the_array_of_several(tmp_path):
    np.savez(tmp_path / "x.npz", a=numbers(), b=numbers(1)[:, :2])
    with pytest.raises(ConfigError, match=r"holds 2 arrays of two dimensions \(a \(9, 4\), b \(9, 2\)\)"):
        arrays.shape(tmp_path / "x.npz")
    assert arrays.shape(tmp_path / "x.npz", key="b") == (N, 2)
    with pytest.raises(ConfigError, match=r"received 'c'; allowed: a, b"):
        arrays.shape(tmp_path / "x.npz", key="c")


def test_a_zip_that_is_no_npz(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as made:
        made.writestr("readme.txt", "hello")
    with pytest.raises(ConfigError, match=r"not in the \.npy format"):
        arrays.shape(tmp_path / "x.npz")


class TestParquet:
    def test_columns(self, tmp_path):
        path = write(tmp_path / "x.parquet", numbers())
        assert arrays.shape(path, columns=["e2", "e0"]) == (N, 2)
        np.testing.assert_array_equal(arrays.values(path, columns=["e2", "e0"]), numbers()[:, [2, 0]])
        np.testing.assert_array_equal(arrays.values(path, columns=["e[12]"]), numbers()[:, [1, 2]])
        for columns, words in (
            (["e"], "received 'e'; allowed: e0, e1"),
            (["f*"], r"received 'f\*'; allowed: e0, e1"),
            (["e0", "name"], r"not numeric: name \(.*string"),
        ):
            with pytest.raises(ConfigError, match=words):
                arrays.shape(path, columns=columns)

    def test_lists_of_several_lengths(self, tmp_path):
        pd.DataFrame({"f": [[1.0, 2.0], [3.0], [4.0, 5.0]]}).to_parquet(tmp_path / "x.parquet")
        with pytest.raises(ConfigError, match=r"do not all have 2 numbers; see row 1\."):
            arrays.values(tmp_path / "x.parquet")

    def test_missing_values(self, tmp_path):
        pd.DataFrame({"f": [[1.0, 2.0], None]}).to_parquet(tmp_path / "x.parquet")
        with pytest.raises(ConfigError, match="row 1"):
            arrays.values(tmp_path / "x.parquet")
        pd.DataFrame({"f": [1.0, None]}).to_parquet(tmp_path / "y.parquet")
        with pytest.raises(ConfigError, match="not finite"):
            arrays.digest(arrays.values(tmp_path / "y.parquet"), tmp_path / "y.parquet")
        pd.DataFrame({"f": [1.0, 2.0], "name": ["a", None]}).to_parquet(tmp_path / "z.parquet")
        with pytest.raises(ConfigError, match="1 rows have no 'name'"):
            arrays.column(tmp_path / "z.parquet", "name")

    def test_without_numbers(self, tmp_path):
        pd.DataFrame({"id": [1, 2], "name": ["a", "b"]}).to_parquet(tmp_path / "x.parquet")
        with pytest.raises(ConfigError, match="say which to take"):
            arrays.shape(tmp_path / "x.parquet")

    def test_several_row_groups(self, tmp_path):
        x = numbers()
        pd.DataFrame({"f": list(x), "name": NAMES}).to_parquet(tmp_path / "x.parquet", row_group_size=2)
        np.testing.assert_array_equal(arrays.values(tmp_path / "x.parquet"), x)
        assert lists.texts(arrays.column(tmp_path / "x.parquet", "name"), tmp_path) == NAMES


def table(path, reals=(), whole=(), lists=(), index=None, **text):
    """A parquet of columns of these titles, and the values of each."""
    rng = np.random.default_rng(0)
    columns = {title: rng.normal(size=N).astype(np.float32) for title in reals}
    columns |= {title: rng.integers(0, 9, N) for title in whole}
    columns |= {title: list(rng.normal(size=(N, 3)).astype(np.float32)) for title in lists}
    pd.DataFrame(columns | text, index=index).to_parquet(path)
    return columns


def family(before, *numbers, after=""):
    return [f"{before}{number}{after}" for number in range(*numbers)]


EVERYTHING_ELSE = (
    *("label", "Class", "target", "y", "split", "part", "fold", "set", "score", "prob_cat", "pred", "distance"),
    *(
        "umap_x",
        "umap_y",
        "tsne_1",
        "tsne_2",
        "UMAP1",
        "UMAP2",
        "x",
        "lat",
        "lon",
        "width",
        "Unnamed: 0",
        "index",
        "id",
    ),
    *("cluster", "weight", "file_size", "path_length", "scores_0", "scores_1", "scores_2"),
)


class TestFeaturesOfAParquet:
    """Without `columns`, the family of numbered titles or the column of lists; never what says what a row is."""

    @pytest.mark.parametrize(
        "titles",
        [
            family("e", 16),
            family("", 16),
            family("feat_", 1, 17),
            family("f", 16, after="_mean"),
            family("clip32_", 16),
        ],
    )
    def test_a_family_alone(self, titles, tmp_path):
        path = tmp_path / "x.parquet"
        columns = table(path, (*EVERYTHING_ELSE, *titles), whole=["count"], index=pd.Index(np.arange(N) * 0.5))
        expected = np.stack([columns[title] for title in titles], axis=1)
        np.testing.assert_array_equal(arrays.values(path), expected)
        assert arrays.table(path).words == f"columns {titles[0]}..{titles[-1]}"

    def test_padded_titles_and_a_float_index_that_is_named(self, tmp_path):
        titles = [f"f{number:03}" for number in range(12)]
        columns = table(tmp_path / "x.parquet", titles, index=pd.Index(np.arange(N) * 0.5, name="f012"))
        assert arrays.shape(tmp_path / "x.parquet") == (N, 12), "an index is no feature, whatever its title"
        np.testing.assert_array_equal(
            arrays.values(tmp_path / "x.parquet"), np.stack([columns[title] for title in titles], axis=1)
        )

    def test_whole_numbers_where_there_are_no_others(self, tmp_path):
        columns = table(tmp_path / "x.parquet", ["score"], whole=[*family("q", 8), "label"])
        found = arrays.values(tmp_path / "x.parquet")
        np.testing.assert_array_equal(found, np.stack([columns[title] for title in family("q", 8)], axis=1))
        table(tmp_path / "y.parquet", family("e", 8), whole=family("flag", 4))
        assert arrays.shape(tmp_path / "y.parquet") == (N, 8)

    def test_a_column_of_a_family_that_happens_to_be_whole(self, tmp_path):
        table(tmp_path / "x.parquet", ["e0", "e1", "e3"], whole=["e2"])
        assert arrays.shape(tmp_path / "x.parquet") == (N, 4)
        table(tmp_path / "y.parquet", ["e0", "e1", "e3"], e2=["a"] * N)
        with pytest.raises(ConfigError, match=r"columns e0\.\.e3 without e2 are numeric, but e2 among them are not"):
            arrays.shape(tmp_path / "y.parquet")

    @pytest.mark.parametrize("titles", [family("e", 8), family("", 8)])
    @pytest.mark.parametrize("place", [0, 7])
    def test_whole_numbers_at_an_end_may_be_labels(self, titles, place, tmp_path):
        path, whole = tmp_path / "x.parquet", titles[place]
        table(path, [title for title in titles if title != whole], whole=[whole])
        with pytest.raises(
            ConfigError, match=rf"but {whole} holds whole numbers.*rename that column to label.*columns=\["
        ):
            arrays.shape(path)
        assert arrays.shape(path, columns=titles) == (N, 8)

    def test_gaps_are_said(self, tmp_path):
        table(tmp_path / "x.parquet", ["e0", "e1", "e5"])
        assert arrays.table(tmp_path / "x.parquet").words == "columns e0..e5 without e2, e3, e4"

    def test_two_families_are_refused_with_what_to_type(self, tmp_path):
        path = tmp_path / "x.parquet"
        table(path, [*family("e", 8), *family("extra", 5), *family("", 6)])
        with pytest.raises(ConfigError) as caught:
            arrays.shape(path)
        for typed in ("columns=['e[0-9]*']", "columns=[extra*]", "columns=['[0-9]*']"):
            assert typed in str(caught.value)
        assert arrays.shape(path, columns=["e[0-9]*"]) == (N, 8)
        assert arrays.shape(path, columns=["extra*"]) == (N, 5)
        assert arrays.shape(path, columns=["[0-9]*"]) == (N, 6)

    @pytest.mark.parametrize(
        ("reals", "words"),
        [
            (["sepal_length", "sepal_width", "petal_length"], "not clear"),
            (["area", "perimeter", "moment1", "moment2"], r"several columns .*columns moment1\.\.moment2"),
            (["umap_x", "umap_y"], "not clear"),
            (["umap1", "umap2", "label"], "not clear"),
            ([*family("class_", 10)], "not clear"),
            (["age", "label"], "not clear"),
        ],
    )
    def test_what_is_not_clear(self, reals, words, tmp_path):
        table(tmp_path / "x.parquet", reals, species=["a"] * N)
        with pytest.raises(ConfigError, match=words):
            arrays.shape(tmp_path / "x.parquet")
        assert arrays.shape(tmp_path / "x.parquet", columns=reals) == (N, len(reals)), "what is asked for is taken"

    def test_lists(self, tmp_path):
        path = tmp_path / "x.parquet"
        columns = table(path, ["age", "label"], lists=["vec", "bbox", "probs"])
        np.testing.assert_array_equal(arrays.values(path), np.stack(columns["vec"]))
        assert arrays.table(path).words == "lists in column vec"
        table(path, lists=["vec", "embedding"])
        assert arrays.table(path).words == "lists in column embedding", "a usual title"
        for other in ({"lists": ["vec", "other"]}, {"lists": ["vec"], "reals": family("e", 8)}, {"lists": ["bbox"]}):
            table(path, **other)
            with pytest.raises(ConfigError, match="say which to take"):
                arrays.shape(path)
        table(path, family("e", 8), tags=[["a", "b"]] * N)
        assert arrays.shape(path) == (N, 8), "lists of text are no features"

    @pytest.mark.parametrize("seed", range(30))
    def test_any_table_is_understood_or_refused(self, seed, tmp_path):
        """Families with whatever stands beside them: exactly the family, or an error."""
        rng = np.random.default_rng(seed)
        before = rng.choice(["e", "", "feat_", "dim", "v.", "CLIP-"])
        titles = family(before, int(rng.integers(0, 2)), int(rng.integers(3, 20)))
        beside = list(rng.choice([*EVERYTHING_ELSE, "age", "size", "moment1"], int(rng.integers(0, 9)), replace=False))
        order = list(rng.permutation([*titles, *beside]))
        columns = table(tmp_path / "x.parquet", order, name=NAMES, label_name=["a"] * N)
        expected = [title for title in order if title in titles]
        try:
            found = arrays.values(tmp_path / "x.parquet")
        except ConfigError as error:
            assert {"age", "size", "moment1"} & set(beside), "refused only where others may be meant"
            assert "say which to take" in str(error)
        else:
            np.testing.assert_array_equal(found, np.stack([columns[title] for title in expected], axis=1))


class TestFeaturesOfAnNpz:
    @pytest.mark.parametrize("title", ["features", "embeddings", "X", "feats", "vectors", "data"])
    def test_beside_maps_and_one_hot_labels(self, title, tmp_path):
        beside = {"umap": numbers(1)[:, :2], "labels": np.eye(N), "tsne_2d": numbers(2)[:, :2]}
        np.savez(tmp_path / "x.npz", **beside, **{title: numbers()})
        np.testing.assert_array_equal(arrays.values(tmp_path / "x.npz"), numbers())
        assert arrays.table(tmp_path / "x.npz").words == f"the array {title}"

    def test_two_that_may_be_meant_or_none(self, tmp_path):
        np.savez(tmp_path / "x.npz", embeddings=numbers(), vectors=numbers(1))
        np.savez(tmp_path / "y.npz", labels=np.eye(N), y=np.arange(N))
        for name in ("x.npz", "y.npz"):
            with pytest.raises(ConfigError, match=r"say which are the features with key=NAME"):
                arrays.shape(tmp_path / name)

    @pytest.mark.parametrize("kind", [">f8", "<f2", ">f4", "?", ">i2", "u1"])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_any_order_of_bytes_and_axes(self, kind, order, tmp_path):
        x = (numbers() * 3).astype(kind)
        np.savez_compressed(tmp_path / "x.npz", features=np.asarray(x, order=order))
        np.save(tmp_path / "x.npy", np.asarray(x, order=order))
        for name in ("x.npz", "x.npy"):
            np.testing.assert_array_equal(arrays.floats(arrays.values(tmp_path / name)), x.astype(np.float32))


def npy(shape, content=b"", kind="<f4", version=1, head=None):
    """A .npy file whose head says what it likes."""
    text = head or f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + content


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return path


class TestFilesThatClaimMore:
    """Bounded by what the head says, before anything is read; an error, whatever the head."""

    @pytest.mark.parametrize("shape", [(10**12, 512), (2**40, 2**40), (10**6, 10), (100, 4)])
    def test_a_head_that_lies(self, shape, tmp_path):
        for path in (zipped(tmp_path / "x.npz", features=npy(shape, b"0" * 80)), tmp_path / "x.npy"):
            if path.suffix == ".npy":
                path.write_bytes(npy(shape, b"0" * 80))
            with pytest.raises(ConfigError, match=r"x\.np[yz].*(would take|but it holds 80)"):
                arrays.values(path)

    @pytest.mark.parametrize(
        "content",
        [
            npy((-3, 4)),
            npy((3, 4), head="(" * 9000),
            npy((3, 4), head="[" * 200 + "]" * 200),
            npy((3, 4), head="{'descr': '<f4'}"),
            b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + b" " * 100,
            b"\x93NUMPY\x02\x00" + (9000).to_bytes(4, "little") + b" " * 100,
            npy((3, 4), version=2, head=" " * 50_000),
            b"\x93NUMPY",
            b"\x93NUMPY\x09\x00",
        ],
    )
    def test_a_head_that_is_none(self, content, tmp_path):
        (tmp_path / "x.npy").write_bytes(content)
        for path in (zipped(tmp_path / "x.npz", features=content), tmp_path / "x.npy"):
            for call in (arrays.shape, arrays.values):
                with pytest.raises(ConfigError, match=r"x\.np[yz].*(head|version)"):
                    call(path)

    def test_a_small_file_that_unpacks_to_much(self, tmp_path):
        path = zipped(tmp_path / "x.npz", features=npy((1 << 12, 1 << 12), bytes(1 << 26)))
        assert path.stat().st_size < 100_000
        with pytest.raises(ConfigError, match=r"would take 0\.1 GiB; allowed: 0\.05 GiB.*raise dataset\.max_gb"):
            arrays.values(path, bounds=Bounds(0.05, "dataset."))
        assert arrays.values(path, bounds=Bounds(0.1)).shape == (1 << 12, 1 << 12)
        assert arrays.values(path, bounds=Bounds(None)).shape == (1 << 12, 1 << 12)

    def test_a_directory_that_lies_too(self, tmp_path):
        """The entry says that it is as large as its head says, and is not."""
        path = zipped(tmp_path / "x.npz", features=npy((1000, 25), b"0" * 80))
        content, size = path.read_bytes(), len(npy((1000, 25), b"0" * 80)).to_bytes(4, "little")
        path.write_bytes(content.replace(size, (200_000).to_bytes(4, "little")))
        with pytest.raises(ConfigError, match=r"x\.npz"):
            arrays.values(path)

    def test_more_than_the_memory_of_the_machine(self, tmp_path, monkeypatch):
        path = zipped(tmp_path / "x.npz", features=npy((1 << 12, 1 << 12), bytes(1 << 26)))
        monkeypatch.setattr(machine, "memory_mb", lambda: 32)
        with pytest.raises(ConfigError, match=r"this machine has 0\.0 GiB of memory"):
            arrays.values(path, bounds=Bounds(None))

    def test_a_sparse_npy(self, tmp_path):
        with (tmp_path / "x.npy").open("wb") as handle:
            handle.write(npy((1 << 20, 1 << 18)))
            handle.truncate((1 << 40) + 200)
        with pytest.raises(ConfigError, match=r"would take 1,024\.0 GiB; allowed: 100 GiB"):
            arrays.values(tmp_path / "x.npy")

    @pytest.mark.parametrize("lists", [False, True])
    def test_a_parquet_of_one_number_many_times(self, lists, tmp_path):
        n, path = 2_000_000, tmp_path / "x.parquet"
        column = pa.array([0.0]).take(pa.array(np.zeros(n, np.int64)))
        if lists:
            column = pa.FixedSizeListArray.from_arrays(column, 200)
        parquet.write_table(pa.table({"f": column}), path, compression="zstd")
        assert path.stat().st_size < 20_000
        with pytest.raises(ConfigError, match=r"values in f would take 0\.0 GiB; allowed: 0\.01 GiB"):
            arrays.values(path, bounds=Bounds(0.01))
        assert arrays.values(path).size == n

    def test_a_parquet_of_one_long_text_many_times(self, tmp_path):
        n, path = 20_000, tmp_path / "x.parquet"
        text = pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), pa.array(["a" * 50_000]))
        parquet.write_table(pa.table({"e0": np.zeros(n), "e1": np.zeros(n), "name": text}), path)
        assert path.stat().st_size < 100_000
        with pytest.raises(ConfigError, match=r"the text in name would take 0\.\d GiB"):
            arrays.column(path, "name", Bounds(0.1))

    @pytest.mark.parametrize(
        "content",
        [
            (2**60).to_bytes(8, "little"),
            (100).to_bytes(8, "little") + b"{}",
            (10**6).to_bytes(8, "little") + b"[" * 10**6,
            (70).to_bytes(8, "little")
            + b'{"a":{"dtype":"F32","shape":[1000000,512],"data_offsets":[0,80]}}     '
            + bytes(80),
            (70).to_bytes(8, "little")
            + b'{"a":{"dtype":"F32","shape":[4,5],"data_offsets":[0,99999999]}}       '
            + bytes(80),
        ],
    )
    def test_a_safetensors_whose_head_lies(self, content, tmp_path):
        (tmp_path / "x.safetensors").write_bytes(content)
        for call in (arrays.shape, arrays.values, arrays.beside):
            with pytest.raises(ConfigError, match=r"x\.safetensors cannot be read"):
                call(tmp_path / "x.safetensors")

    def test_entries_of_a_zip(self, tmp_path):
        path, content = tmp_path / "x.npz", npy((2, 2), np.arange(4, dtype="<f4").tobytes())
        with zipfile.ZipFile(path, "w") as made:
            for name in ("../up/features.npy", "folder/", "folder/labels.npy", "__MACOSX/._features.npy", "README.md"):
                made.writestr(name, npy((2,), bytes(8)) if "labels" in name else content if "up" in name else b"x")
        np.testing.assert_array_equal(arrays.values(path), [[0, 1], [2, 3]])
        assert set(arrays.beside(path)) == {"../up/features", "folder/labels"}
        assert not list(tmp_path.parent.glob("up"))
        with zipfile.ZipFile(path, "w") as made, pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("features.npy", content)
            made.writestr("features.npy", content)
        with pytest.raises(ConfigError, match=r"entries of the same name: features\.npy"):
            arrays.shape(path)
        zipped(path, features=content)
        locked = bytearray(path.read_bytes())
        for head, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            locked[locked.index(head) + flags] |= 1
        path.write_bytes(locked)
        with pytest.raises(ConfigError, match=r"features\.npy is encrypted"):
            arrays.shape(path)


class TestLists:
    def test_every_format(self, tmp_path):
        odd = ["a, b", "ü", 'say "x"', "10"]
        (tmp_path / "n.txt").write_text("\n".join(odd) + "\n")
        np.save(tmp_path / "n.npy", np.array(odd))
        pd.DataFrame({"x": range(4), "name": odd}).to_csv(tmp_path / "n.csv", index=False)
        for suffix in ("txt", "npy", "csv"):
            assert lists.read(tmp_path / f"n.{suffix}", ["names", "name"]) == odd

    def test_numbers_are_the_same_text(self, tmp_path):
        np.save(tmp_path / "n.npy", np.array([3, 10]))
        assert lists.read(tmp_path / "n.npy", []) == ["3", "10"]
        np.save(tmp_path / "n.npy", np.array([3.0, 10.0]))
        assert lists.read(tmp_path / "n.npy", []) == ["3", "10"]
        np.save(tmp_path / "n.npy", np.array([3.5, 10.0]))
        with pytest.raises(ConfigError, match="allowed: text or whole numbers"):
            lists.read(tmp_path / "n.npy", [])

    def test_errors(self, tmp_path):
        path = write(tmp_path / "x.npz", numbers())
        with pytest.raises(ConfigError, match=r"option: received 'nams'; allowed: a name in .*x\.npz, or a file"):
            lists.find(path, "nams", ["names"], "option")
        with pytest.raises(ConfigError, match="there is no such file"):
            lists.find(path, str(tmp_path / "none.txt"), ["names"], "option")
        (tmp_path / "n.csv").write_text("a,b\n1\n")
        with pytest.raises(ConfigError, match="no column name"):
            lists.find(path, str(tmp_path / "n.csv"), ["name"], "option")
        with pytest.raises(ConfigError, match="header has 2 columns, but row 2 does not"):
            lists.read(tmp_path / "n.csv", ["a"])
        (tmp_path / "n.txt").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match="cannot be read"):
            lists.read(tmp_path / "n.txt", [])
