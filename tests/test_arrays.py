"""Tables made elsewhere: every format gives the same numbers, nothing is unpickled, nothing odd passes."""

import os
import zipfile

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from backbench import arrays, hashing
from backbench.arrays import lists
from backbench.schema import ConfigError

N, D = 9, 4
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
        pd.DataFrame(x, columns=list("abcd")).assign(id=range(N), name=NAMES).to_parquet(path)
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
        assert arrays.shape(path, columns=["c", "a"]) == (N, 2)
        np.testing.assert_array_equal(arrays.values(path, columns=["c", "a"]), numbers()[:, [2, 0]])
        for columns, words in ((["e"], "received 'e'; allowed: a, b"), (["a", "name"], r"no numbers: name \(.*string")):
            with pytest.raises(ConfigError, match=words):
                arrays.shape(path, columns=columns)

    def test_lists_of_several_lengths(self, tmp_path):
        pd.DataFrame({"f": [[1.0, 2.0], [3.0], [4.0, 5.0]]}).to_parquet(tmp_path / "x.parquet")
        with pytest.raises(ConfigError, match=r"other lengths than 2 in row 1\."):
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
        with pytest.raises(ConfigError, match="head has 2 columns; other numbers have the rows 2"):
            lists.read(tmp_path / "n.csv", ["a"])
        (tmp_path / "n.txt").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match="cannot be read"):
            lists.read(tmp_path / "n.txt", [])
