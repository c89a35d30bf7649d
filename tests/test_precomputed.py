"""Embeddings made elsewhere: the right row for every image or a clear error, with images and without."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from backbench import compose, paths, plugins
from backbench.backbones import Rows
from backbench.datasets import Description, Reading
from backbench.engine.plan import builder
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import dataset as dataset_stage
from backbench.stages import features as features_stage
from backbench.store import Store

N, D = 12, 5
FILES = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(N // 2)]
RANDOM = {"source": "random", "validation": 0.2, "test": 0.2}


def numbers(n=N, d=D):
    return np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)


def plugin(kind, name, **changes):
    values = yaml.safe_load((paths.conf() / kind / f"{name}.yaml").read_text())
    return plugins.load(kind, name), plugins.params(kind, {**values, **changes})


def put(path, x, **beside):
    """An .npz of features and what stands beside them."""
    np.savez(path, features=x, **{name: np.array(values) for name, values in beside.items()})
    return str(path)


def embedded(path, rows=None, files=FILES, **changes):
    """What the rows of a data set get from a file."""
    rows = np.arange(N) if rows is None else np.asarray(rows)
    module, params = plugin("backbone", "precomputed", path=path, **changes)
    picked = None if files is None else [files[row] for row in rows]
    return module.embeddings(params, Rows(len(rows), N, rows, picked))


def refusal(*args, **changes):
    with pytest.raises(ConfigError) as caught:
        embedded(*args, **changes)
    return str(caught.value)


class TestByName:
    def test_the_order_of_the_file_does_not_matter(self, tmp_path):
        order = np.random.default_rng(1).permutation(N)
        path = put(tmp_path / "x.npz", numbers()[order], names=[FILES[row] for row in order])
        np.testing.assert_array_equal(embedded(path), numbers())
        np.testing.assert_array_equal(embedded(path, rows=[7, 2, 3]), numbers()[[7, 2, 3]])

    def test_rows_too_many_do_no_harm(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers(N + 3), names=[*FILES, "bird/0.png", "bird/1.png", "x"])
        np.testing.assert_array_equal(embedded(path), numbers(N + 3)[:N])

    @pytest.mark.parametrize("change", ["/data/pets/{}", "./{}", "C:\\pets\\{}"])
    def test_names_with_another_beginning(self, change, tmp_path):
        names = [change.format(name.replace("/", "\\") if "\\" in change else name) for name in FILES]
        np.testing.assert_array_equal(embedded(put(tmp_path / "x.npz", numbers(), names=names)), numbers())

    def test_base_names_where_they_are_unique(self, tmp_path):
        files = [f"part{row % 2}/{row:03}.png" for row in range(N)]
        path = put(tmp_path / "x.npz", numbers(), names=[f"elsewhere/{row:03}.png" for row in range(N)])
        np.testing.assert_array_equal(embedded(path, files=files), numbers())
        flat = put(tmp_path / "y.npz", numbers(), names=[f"{row}.png" for row in range(N)])
        message = refusal(flat)
        assert "12 of 12 images have no row, or more than one: cat/0.png, cat/1.png" in message, (
            "0.png may be the cat or the dog"
        )

    def test_a_missing_name(self, tmp_path):
        names = [name if row not in (3, 8) else f"other{row}" for row, name in enumerate(FILES)]
        message = refusal(put(tmp_path / "x.npz", numbers(), names=names))
        assert (
            "2 of 12 images have no row, or more than one: cat/3.png, dog/2.png." in message
            and "Its names are cat/0.png" in message
        )

    def test_a_name_twice(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers(), names=[*FILES[:-1], "./cat/0.png"])
        assert "names are in several rows: cat/0.png" in refusal(path)

    def test_names_beside_the_file(self, tmp_path):
        order = np.random.default_rng(1).permutation(N)
        np.save(tmp_path / "x.npy", numbers()[order])
        (tmp_path / "names.txt").write_text("\n".join(FILES[row] for row in order))
        pd.DataFrame({"file": [FILES[row] for row in order]}).to_csv(tmp_path / "names.csv")
        for names in ("names.txt", "names.csv"):
            found = embedded(str(tmp_path / "x.npy"), names=str(tmp_path / names))
            np.testing.assert_array_equal(found, numbers())
        (tmp_path / "names.txt").write_text("\n".join(FILES[:5]))
        assert "5 names for the 12 rows" in refusal(str(tmp_path / "x.npy"), names=str(tmp_path / "names.txt"))

    def test_a_parquet_with_names(self, tmp_path):
        order = np.random.default_rng(1).permutation(N)
        frame = pd.DataFrame({"file": [FILES[row] for row in order], "vector": list(numbers()[order])})
        frame.to_parquet(tmp_path / "x.parquet")
        np.testing.assert_array_equal(embedded(str(tmp_path / "x.parquet")), numbers())

    def test_names_that_are_asked_for(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers())
        assert "has no names: give backbone.names" in refusal(path, align="name")
        named = put(tmp_path / "y.npz", numbers(), names=FILES)
        assert "give backbone.align=order" in refusal(named, files=None)
        np.testing.assert_array_equal(embedded(named, files=None, align="order"), numbers())


def settled(path, files=FILES, n=None, digest="0" * 64, **changes):
    """The options and the sentence of planning, for a data set with these images."""
    module, params = plugin("backbone", "precomputed", path=str(path), **changes)
    count = n or len(files or FILES)
    return module.settle(params, Description(count, 2, digest, (count, 0, 0), files=files))


def planned_rows(path, files=FILES, rows=None, **changes):
    """What planning and then computing put beside the images."""
    params, (sentence,) = settled(path, files, n=None if rows is None else len(rows), **changes)
    module = plugins.load("backbone", "precomputed")
    picked = list(range(len(files))) if rows is None else rows
    source = Rows(len(picked), len(files), np.array(picked), [files[row] for row in picked])
    return module.embeddings(params, source), sentence


ORDER = np.random.default_rng(1).permutation(N)
SHUFFLED = [FILES[row] for row in ORDER]


class TestNamesUnderAnyTitle:
    @pytest.mark.parametrize("title", ["filepath", "image_path", "file_name", "image", "Bild", "0", "label"])
    def test_a_column(self, title, tmp_path):
        frame = pd.DataFrame(numbers()[ORDER], columns=[f"e{i}" for i in range(D)])
        frame.assign(caption=["a cat"] * N, **{title: SHUFFLED}).to_parquet(tmp_path / "x.parquet")
        found, sentence = planned_rows(tmp_path / "x.parquet")
        np.testing.assert_array_equal(found, numbers())
        assert "5 features from columns e0..e4" in sentence
        assert f"by names in `{title}` (relative paths)" in sentence

    @pytest.mark.parametrize("title", [None, "path", "key"])
    def test_an_index(self, title, tmp_path):
        frame = pd.DataFrame(numbers()[ORDER], columns=[f"e{i}" for i in range(D)])
        frame.set_index(pd.Index(SHUFFLED, name=title)).to_parquet(tmp_path / "x.parquet")
        np.testing.assert_array_equal(planned_rows(tmp_path / "x.parquet")[0], numbers())

    @pytest.mark.parametrize("kind", ["U", "S"])
    def test_an_array(self, kind, tmp_path):
        path = put(tmp_path / "x.npz", numbers()[ORDER], image=np.array(SHUFFLED).astype(kind), labels=["a"] * N)
        np.testing.assert_array_equal(planned_rows(path)[0], numbers())

    @pytest.mark.parametrize(
        "kind",
        [
            pa.large_string(),
            pa.string_view(),
            pa.binary(),
            pa.binary(len(FILES[0])),
            pa.dictionary(pa.int32(), pa.string()),
        ],
    )
    def test_every_kind_of_text(self, kind, tmp_path):
        columns = {f"e{i}": numbers()[ORDER][:, i] for i in range(D)}
        text = pa.array(SHUFFLED).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(SHUFFLED).cast(kind)
        parquet.write_table(pa.table({**columns, "where": text}), tmp_path / "x.parquet")
        np.testing.assert_array_equal(planned_rows(tmp_path / "x.parquet")[0], numbers())

    def test_the_path_within_a_column_of_images(self, tmp_path):
        columns = {f"e{i}": numbers()[ORDER][:, i] for i in range(D)}
        image = pa.array([{"bytes": b"x", "path": name} for name in SHUFFLED])
        parquet.write_table(pa.table({**columns, "image": image}), tmp_path / "x.parquet")
        found, sentence = planned_rows(tmp_path / "x.parquet")
        np.testing.assert_array_equal(found, numbers())
        assert "`image.path`" in sentence

    def test_a_path_deep_within_a_column(self, tmp_path):
        columns = {f"e{i}": numbers()[ORDER][:, i] for i in range(D)}
        sample = pa.array([{"image": {"file": {"path": name}, "size": 3}} for name in SHUFFLED])
        parquet.write_table(pa.table({**columns, "sample": sample}), tmp_path / "x.parquet")
        found, sentence = planned_rows(tmp_path / "x.parquet")
        np.testing.assert_array_equal(found, numbers())
        assert "`sample.image.file.path`" in sentence

    @pytest.mark.parametrize("kind", [pa.binary(), pa.binary(8)])
    def test_bytes_that_are_no_text_beside_the_names(self, kind, tmp_path):
        columns = {f"e{i}": numbers()[ORDER][:, i] for i in range(D)}
        image = pa.array([{"bytes": b"\x89PNG\r\n\x1a\n", "path": name} for name in SHUFFLED])
        columns |= {"phash": pa.array([b"\xff\xfe\x80\x81\x00\x01\x02\x03"] * N, kind), "image": image}
        parquet.write_table(pa.table(columns), tmp_path / "x.parquet")
        np.testing.assert_array_equal(planned_rows(tmp_path / "x.parquet")[0], numbers())

    def test_names_in_a_single_column_of_two_dimensions(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers()[ORDER], image=np.array(SHUFFLED)[:, None])
        np.testing.assert_array_equal(planned_rows(path)[0], numbers())
        np.save(tmp_path / "x.npy", numbers()[ORDER])
        np.save(tmp_path / "n.npy", np.array(SHUFFLED)[:, None])
        np.testing.assert_array_equal(planned_rows(tmp_path / "x.npy", names=str(tmp_path / "n.npy"))[0], numbers())

    def test_a_list_beside_whatever_its_title(self, tmp_path):
        np.save(tmp_path / "x.npy", numbers()[ORDER])
        for title in ("filepath", "File_Name", "image"):
            pd.DataFrame({"n": range(N), title: SHUFFLED}).to_csv(tmp_path / "n.csv", index=False)
            np.testing.assert_array_equal(planned_rows(tmp_path / "x.npy", names=str(tmp_path / "n.csv"))[0], numbers())

    def test_rows_without_a_name_and_of_other_images(self, tmp_path):
        frame = pd.DataFrame(numbers(N + 2), columns=[f"e{i}" for i in range(D)])
        frame.assign(key=[*FILES, None, "other.png"]).to_parquet(tmp_path / "x.parquet")
        np.testing.assert_array_equal(planned_rows(tmp_path / "x.parquet")[0], numbers(N + 2)[:N])

    def test_the_hash_is_that_of_names_with_a_usual_title(self, tmp_path):
        module = plugins.load("backbone", "precomputed")
        usual = put(tmp_path / "x.npz", numbers(), names=FILES)
        other = put(tmp_path / "y.npz", numbers(), whatever=FILES)
        before = module.identity(plugin("backbone", "precomputed", path=usual)[1])
        assert before == module.identity(settled(usual)[0]) == module.identity(settled(other)[0])


class TestNamesThatAreRefused:
    def test_a_column_that_matches_in_part(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers(), key=[*FILES[:-2], "x", "y"])
        with pytest.raises(ConfigError) as caught:
            settled(path)
        message = str(caught.value)
        assert (
            "by the names in 'key'" in message
            and "2 of 12 images have no row, or more than one: dog/4.png, dog/5.png" in message
        )
        assert "backbone.names=COLUMN" in message and "backbone.align=order" in message
        np.testing.assert_array_equal(planned_rows(path, align="order")[0], numbers())

    def test_two_columns_that_match_otherwise(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers()[ORDER], key=SHUFFLED, nearest=SHUFFLED[::-1])
        with pytest.raises(ConfigError, match=r"backbone\.names=key or backbone\.names=nearest"):
            settled(path)
        np.testing.assert_array_equal(planned_rows(path, names="key")[0], numbers())
        same = put(tmp_path / "y.npz", numbers()[ORDER], key=SHUFFLED, full=[f"/d/{name}" for name in SHUFFLED])
        np.testing.assert_array_equal(planned_rows(same)[0], numbers())

    def test_several_rows_of_an_image(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers(N + 1), key=[*FILES, FILES[0]])
        with pytest.raises(ConfigError, match=r"1 of 12 images have no row, or more than one: cat/0\.png"):
            settled(path)

    def test_text_that_names_no_image(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers(), caption=[f"a cat {row}" for row in range(N)])
        with pytest.raises(ConfigError, match=r"none of it names an image .*caption: a cat 0.*backbone\.align=order"):
            settled(path)
        with pytest.raises(ConfigError, match=r"text that may be names, in 'caption'.*backbone\.align=order"):
            settled(path, files=None)
        np.testing.assert_array_equal(planned_rows(path, align="order")[0], numbers())

    def test_objects_that_may_be_names(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers(), key=np.array(SHUFFLED, dtype=object))
        with pytest.raises(
            ConfigError, match="key holds Python objects, which are never unpickled: save names as text"
        ):
            settled(path)

    def test_labels_and_parts_are_no_names(self, tmp_path):
        kinds = [name.split("/")[0] for name in FILES]
        for beside in (
            {"label": ["a"] * 6 + ["b"] * 6},
            {"split": ["train"] * N},
            {"kind": kinds},
            {"model": ["clip"] * N},
        ):
            path = put(tmp_path / "x.npz", numbers(), **beside)
            found, sentence = planned_rows(path)
            np.testing.assert_array_equal(found, numbers())
            assert "by order" in sentence

    def test_whole_numbers_that_are_the_names_of_the_images(self, tmp_path):
        files = [f"{kind}/{number:03}.png" for kind in ("a", "b") for number in range(kind == "b", N, 2)]
        ids = [int(name[2:5]) for name in files]
        np.testing.assert_array_equal(planned_rows(put(tmp_path / "x.npz", numbers(), id=ids), files)[0], numbers())
        other = put(tmp_path / "y.npz", numbers(), id=range(N))
        with pytest.raises(ConfigError, match=r"but in another order; .*backbone\.names=id .*backbone\.align=order"):
            settled(other, files)
        np.testing.assert_array_equal(planned_rows(other, files, names="id")[0], numbers()[ids])

    def test_whole_numbers_that_are_stored_as_real_ones(self, tmp_path):
        files = [f"{number}.png" for number in range(N)]
        with pytest.raises(ConfigError, match=r"but in another order; .*backbone\.names=image_id"):
            settled(put(tmp_path / "x.npz", numbers(), image_id=ORDER.astype(float)), files)

    def test_names_of_another_number_than_the_rows(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers()[ORDER], image=SHUFFLED[:-1], class_names=["cat", "dog"])
        with pytest.raises(ConfigError, match="'image' names images, but has 11 entries for 12 rows"):
            settled(path)
        put(tmp_path / "x.npz", numbers(), class_names=["cat", "dog"])
        np.testing.assert_array_equal(planned_rows(path)[0], numbers())

    def test_lists_of_text(self, tmp_path):
        columns = {f"e{i}": numbers()[ORDER][:, i] for i in range(D)}
        parquet.write_table(pa.table({**columns, "where": [[name] for name in SHUFFLED]}), tmp_path / "x.parquet")
        with pytest.raises(ConfigError, match=r"where holds lists of text: save one name for each row"):
            settled(tmp_path / "x.parquet")

    def test_fewer_rows_than_images(self, tmp_path):
        np.save(tmp_path / "x.npy", numbers(8))
        with pytest.raises(ConfigError, match="has 8 rows, but the data set has 12 images"):
            settled(tmp_path / "x.npy", n=4)


class TestOrderThatTheFileContradicts:
    """Without names, rows go by order unless the file itself says that they are in another one."""

    @pytest.mark.parametrize("title", [None, "index", "Unnamed: 0", "image_id", "row"])
    @pytest.mark.parametrize("kind", [np.int64, np.float64])
    @pytest.mark.parametrize("first", [0, 1])
    def test_numbers_of_rows(self, title, kind, first, tmp_path):
        frame = pd.DataFrame(numbers(), columns=[f"e{i}" for i in range(D)])
        frame.set_index(pd.Index((np.arange(N) + first).astype(kind), name=title)).to_parquet(tmp_path / "x.parquet")
        np.testing.assert_array_equal(planned_rows(tmp_path / "x.parquet")[0], numbers())
        frame.set_index(pd.Index((ORDER + first).astype(kind), name=title)).to_parquet(tmp_path / "x.parquet")
        with pytest.raises(ConfigError, match=r"number the rows, but are not in order .*backbone\.align=order"):
            settled(tmp_path / "x.parquet")
        assert "by order" in planned_rows(tmp_path / "x.parquet", align="order")[1]

    def test_numbers_that_several_images_share(self, tmp_path):
        ids = np.array([int(name[4:-4]) for name in FILES])
        order = np.random.default_rng(1).permutation(N)
        path = put(tmp_path / "x.npz", numbers()[order], image=ids[order])
        assert "are those in the names of the images, but in another order" in refusal(path)
        np.testing.assert_array_equal(embedded(put(tmp_path / "y.npz", numbers(), image=ids)), numbers())

    def test_numbers_that_do_not_count_the_rows(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers(), id=ORDER * 7, count=ORDER)
        np.testing.assert_array_equal(planned_rows(path)[0], numbers())

    @pytest.mark.parametrize("labels", [["cat", "dog"], ["a", "b"], [0, 1]])
    def test_labels(self, labels, tmp_path):
        in_order = [labels[name.startswith("dog")] for name in FILES]
        path = put(tmp_path / "x.npz", numbers(), label=in_order)
        np.testing.assert_array_equal(planned_rows(path)[0], numbers())
        put(tmp_path / "x.npz", numbers(), label=[in_order[row] for row in ORDER])
        with pytest.raises(
            ConfigError, match=r"'label' are as frequent as the images of each folder.*backbone\.align=order"
        ):
            settled(path)
        put(tmp_path / "x.npz", numbers(), label=[labels[row % 5 == 0] for row in range(N)])
        assert "by order" in planned_rows(path)[1], "labels of another kind than the folders say nothing"


class TestNamesOfADraw:
    """Rows for the drawn images alone are enough; whether they are there is known when they are drawn."""

    def test_rows_of_the_drawn_images_alone(self, tmp_path):
        drawn = [7, 2, 9]
        path = put(tmp_path / "x.npz", numbers()[drawn], key=[FILES[row] for row in drawn])
        found, sentence = planned_rows(path, rows=[2, 7, 9])
        np.testing.assert_array_equal(found, numbers()[[2, 7, 9]])
        assert "3 of 12 images have a row" in sentence
        with pytest.raises(ConfigError, match=r"1 of 3 images have no row, or more than one: cat/3\.png"):
            planned_rows(path, rows=[2, 3, 7])
        with pytest.raises(ConfigError, match="9 of 12 images have no row"):
            settled(path, n=4)

    def test_a_folder_that_was_not_read_yet(self, tmp_path):
        path = put(tmp_path / "x.npz", numbers(), key=FILES)
        params, _ = settled(path, files=[*FILES, "broken.png"], digest=None)
        assert params.names == "key"


@pytest.mark.parametrize("seed", range(40))
def test_rows_are_those_of_their_own_images_or_refused(seed, tmp_path):
    """Tables of any titles and order, with other text among them, in one of three formats."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(N)
    way = [
        lambda n: n,
        lambda n: f"/d/{n}",
        lambda n: n[:-4],
        lambda n: n.replace("/", "\\"),
        lambda n: n.split("/")[1],
    ]
    written = way[int(rng.integers(len(way)))]
    beside = {str(rng.choice(["filepath", "key", "name", "image", "id", "0x"])): [written(FILES[row]) for row in order]}
    if rng.integers(2):
        beside["caption"] = [f"picture {row}" for row in order]
    if rng.integers(2):
        beside["label"] = [FILES[row].split("/")[0] for row in order]
    if rng.integers(4) == 0:
        beside["nearest"] = [FILES[row] for row in rng.permutation(N)]
    titles = [str(title) for title in rng.permutation(list(beside))]
    beside = {title: beside[title] for title in titles}
    if rng.integers(2):
        path = put(tmp_path / "x.npz", numbers()[order], **beside)
    else:
        path = tmp_path / "x.parquet"
        frame = pd.DataFrame(numbers()[order], columns=[f"e{i}" for i in range(D)]).assign(score=0.5, **beside)
        (frame.set_index(titles[0]) if rng.integers(2) else frame).to_parquet(path)
    try:
        found, _ = planned_rows(path)
    except ConfigError as error:
        assert written is way[4] or "nearest" in beside, str(error)
    else:
        np.testing.assert_array_equal(found, numbers())


class TestByOrder:
    def test_the_place_in_the_data_set_counts(self, tmp_path):
        np.save(tmp_path / "x.npy", numbers())
        np.testing.assert_array_equal(embedded(str(tmp_path / "x.npy"), rows=[7, 2]), numbers()[[7, 2]])

    @pytest.mark.parametrize("n", [N - 1, N + 1])
    def test_another_number_of_rows(self, n, tmp_path):
        np.save(tmp_path / "x.npy", numbers(n))
        assert f"has {n} rows, but the data set has 12 images" in refusal(str(tmp_path / "x.npy"))

    def test_too_few_rows_for_a_draw(self, tmp_path):
        np.save(tmp_path / "x.npy", numbers(8))
        assert "the data set has 12 images" in refusal(str(tmp_path / "x.npy"), rows=[2, 3]), "a draw changes nothing"


class TestPlanning:
    ABOUT = Description(N, 2, "0" * 64, (N, 0, 0))

    def test_width_is_told_by_the_head(self, tmp_path):
        module, params = plugin("backbone", "precomputed", path=put(tmp_path / "x.npz", numbers()))
        assert module.width(params, self.ABOUT) == D
        with pytest.raises(ConfigError, match="has 12 rows, but the data set has 13"):
            module.width(params, Description(13, 2, None, (13, 0, 0)))

    def test_the_data_sets_own(self):
        module, params = plugin("backbone", "precomputed")
        assert module.width(params, Description(N, 2, None, (N, 0, 0), images=False, width=7)) == 7
        with pytest.raises(ConfigError, match=r"give backbone\.path=FILE"):
            module.width(params, self.ABOUT)
        own = module.embeddings(params, Rows(N, N, np.arange(N), None, numbers()))
        np.testing.assert_array_equal(own, numbers())

    def test_identity_is_the_content(self, tmp_path):
        def identity(path, **changes):
            module, params = plugin("backbone", "precomputed", path=str(path), **changes)
            return module.identity(params)

        x = numbers()
        np.save(tmp_path / "x.npy", x)
        np.save(tmp_path / "copy.npy", x.astype(np.float64))
        put(tmp_path / "x.npz", x)
        plain = identity(tmp_path / "x.npy")
        assert plain["align"] == "order"
        assert plain == identity(tmp_path / "copy.npy") == identity(tmp_path / "x.npz")
        named = identity(put(tmp_path / "named.npz", x, names=FILES))
        assert named["align"] == "name" and named != plain
        assert named != identity(put(tmp_path / "other.npz", x, names=FILES[::-1]))
        assert identity(tmp_path / "named.npz", align="order") == plain, "names that do not count are not in it"
        x[3, 1] += 1e-3
        np.save(tmp_path / "x.npy", x)
        assert identity(tmp_path / "x.npy") != plain, "a file that changed in place"

    def test_a_wrong_path(self, tmp_path):
        module, params = plugin("backbone", "precomputed", path="/none/x.npy")
        with pytest.raises(ConfigError, match=r"path: received '/none/x\.npy'; there is no such file"):
            module.identity(params)
        with pytest.raises(ConfigError, match=r"x\.pt'; allowed: a file whose name ends in \.npy, \.npz"):
            module.identity(plugin("backbone", "precomputed", path="x.pt")[1])


class TestDatasetOfEmbeddings:
    def described(self, path, **changes):
        module, params = plugin("dataset", "embeddings", path=str(path), **changes)
        return module.describe(params)

    def loaded(self, path, **changes):
        module, params = plugin("dataset", "embeddings", path=str(path), **changes)
        return module.load(params, Context())

    def test_what_planning_sees_is_what_is_loaded(self, tmp_path):
        labels = [name.split("/")[0] for name in FILES]
        path = put(tmp_path / "x.npz", numbers(), labels=labels, names=FILES)
        for changes in ({}, {"sample": 8}, {"split": {**RANDOM, "test": 0.4}}):
            about, found = self.described(path, **changes), self.loaded(path, **changes)
            assert (about.images, about.width, about.classes) == (False, D, 2)
            assert about.digest == found.digest
            assert about.n == len(found.split) == len(found.rows)
            assert about.counts == tuple(np.bincount(found.split, minlength=3).tolist())
            np.testing.assert_array_equal(found.embeddings, numbers()[found.rows])
            assert [found.names[label] for label in found.labels] == [labels[row] for row in found.rows]
            assert list(found.files) == [FILES[row] for row in found.rows]

    def test_classes_are_sorted_numbers_as_numbers(self, tmp_path):
        values = np.array([10, 9, -1] * 4)
        inside = self.loaded(put(tmp_path / "x.npz", numbers(), labels=values))
        assert inside.names == ("-1", "9", "10")
        np.save(tmp_path / "x.npy", numbers())
        np.save(tmp_path / "l.npy", values)
        pd.DataFrame({"label": values}).to_csv(tmp_path / "l.csv", index=False)
        for name in ("l.npy", "l.csv"):
            beside = self.loaded(tmp_path / "x.npy", labels=str(tmp_path / name))
            np.testing.assert_array_equal(beside.labels, inside.labels)
            assert beside.digest == inside.digest, "where the labels stand does not matter"

    def test_a_given_split(self, tmp_path):
        parts = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
        given = {**RANDOM, "source": "given"}
        path = put(tmp_path / "x.npz", numbers(), labels=[0, 1] * 6, split=parts)
        assert self.loaded(path, split=given).split.tolist() == [0] * 8 + [1] * 2 + [2] * 2
        assert self.described(path, split=given).counts == (8, 2, 2)
        coded = put(tmp_path / "y.npz", numbers(), labels=[0, 1] * 6, split=[0] * 8 + [1] * 2 + [2] * 2)
        assert self.described(coded).digest == self.described(path).digest
        with pytest.raises(ConfigError, match="no split"):
            self.described(put(tmp_path / "z.npz", numbers()), split=given)
        with pytest.raises(ConfigError, match="received 'tset'"):
            self.described(put(tmp_path / "w.npz", numbers(), split=["tset"] * N))

    def test_without_labels(self, tmp_path):
        np.save(tmp_path / "x.npy", numbers())
        assert self.described(tmp_path / "x.npy").classes is None
        assert self.loaded(tmp_path / "x.npy").labels is None

    def test_errors(self, tmp_path):
        with pytest.raises(ConfigError, match=r"give dataset\.path=FILE"):
            module, params = plugin("dataset", "embeddings")
            module.describe(params)
        with pytest.raises(ConfigError, match="labels: 3 entries for the 12 rows"):
            self.described(put(tmp_path / "x.npz", numbers(), labels=[1, 2, 3]))
        with pytest.raises(ConfigError, match="no label in row 1"):
            self.described(put(tmp_path / "y.npz", numbers(), labels=["a", ""] + ["b"] * 10))
        bad = numbers()
        bad[4] = np.nan
        with pytest.raises(ConfigError, match="not finite"):
            self.described(put(tmp_path / "z.npz", bad))
        with pytest.raises(ConfigError, match="as planned or pinned"):
            self.loaded(put(tmp_path / "w.npz", numbers()), digest="0" * 64)


def test_the_whole_way(tmp_path):
    """From a file to a plan, a data set stage and features, without an image."""
    path = put(tmp_path / "x.npz", numbers(40, 6), labels=np.repeat(["cat", "dog"], 20))
    (cell,) = compose.expand(
        [
            *("experiment=none", "dataset=embeddings", f"dataset.path={path}", "dataset.sample=30"),
            *("backbone=precomputed", "chain=l2", "k=2", "classifier.n_neighbors=1"),
        ]
    ).cells
    built = builder.build([cell.config], lambda module, params: module.fingerprint(params, Reading()))
    stages = {stage.kind: stage for stage in built.stages.values()}
    assert not {"images", "audit"} & set(stages)
    store = Store(tmp_path / "store")

    def compute(compute, stage):
        member = Member(stage.hash, {**stage.config, **stage.local})
        context = Context(scratch=tmp_path / "scratch")
        (outcome,) = compute([member], Inputs(store, stage.parents), context)
        store.write(stage.kind, stage.hash, {"config": stage.config, "info": dict(outcome.info)}, outcome.arrays)

    compute(dataset_stage.compute, stages["dataset"])
    compute(features_stage.compute, stages["features"])
    rows = store.array("dataset", stages["dataset"].hash, "rows")
    found = store.array("features", stages["features"].hash, "features")
    assert len(rows) == 30
    np.testing.assert_array_equal(found, numbers(40, 6)[rows])


def test_images_are_refused_where_there_are_none(tmp_path):
    path = put(tmp_path / "x.npz", numbers())
    (cell,) = compose.expand(["experiment=none", "dataset=embeddings", f"dataset.path={path}", "backbone=pixels"]).cells
    with pytest.raises(ConfigError, match="use backbone=precomputed"):
        builder.build([cell.config], lambda module, params: module.fingerprint(params, Reading()))
