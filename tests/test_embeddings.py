"""A data set of embeddings: which columns are features, labels, names and parts, and that it is said."""

import numpy as np
import pandas as pd
import pytest
import yaml

from backbench import paths, plugins
from backbench.schema import ConfigError
from backbench.stage import Context

N, D = 60, 8
TITLES = [f"e{number}" for number in range(D)]
KINDS = np.array(["cat", "dog", "eel"])[np.arange(N) % 3]
AUTO = {"source": "auto", "validation": 0.2, "test": 0.2}


def numbers(n=N, d=D, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def put(folder, x=None, index=None, **beside):
    """A parquet of a family of features and what stands beside it."""
    x = numbers() if x is None else x
    frame = pd.DataFrame(x, columns=TITLES, index=index)
    frame.assign(**beside).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


def params(path, **changes):
    values = yaml.safe_load((paths.conf() / "dataset" / "embeddings.yaml").read_text())
    return plugins.params("dataset", {**values, "path": str(path), **changes})


def described(path, **changes):
    return plugins.load("dataset", "embeddings").describe(params(path, **changes))


def loaded(path, **changes):
    return plugins.load("dataset", "embeddings").load(params(path, **changes), Context())


def labels_of(collection):
    return [collection.names[label] for label in collection.labels]


class TestWhatIsTaken:
    def test_a_label_that_pandas_made_float_is_the_label(self, tmp_path):
        path = put(tmp_path, label=(np.arange(N) % 3 * 10).astype(float), score=0.5, umap_x=1.0, umap_y=2.0)
        about, found = described(path), loaded(path)
        assert (about.width, about.classes) == (D, 3)
        assert found.names == ("0", "10", "20")
        np.testing.assert_array_equal(found.embeddings, numbers()[found.rows])
        (sentence,) = about.understood
        assert sentence == (
            "x.parquet: 60 rows; 8 features from columns e0..e7; 3 classes from `label`; "
            "not used: score, umap_x, umap_y"
        )
        assert found.info["features"] == D and found.info["features_from"] == "columns e0..e7"
        assert found.info["labels_from"] == "label" and found.info["parts_from"] is None
        assert found.info["columns_not_used"] == ["score", "umap_x", "umap_y"]

    @pytest.mark.parametrize("place", [0, D])
    def test_labels_that_were_put_into_the_family_as_reals(self, place, tmp_path):
        """As ``DataFrame(np.c_[x, y])`` writes them; a dead unit and columns of counts are features."""
        x = np.insert(numbers(), place, np.arange(N) % 3, axis=1)
        frame = pd.DataFrame(x).rename(columns=lambda number: f"e{number}")
        frame.to_parquet(tmp_path / "x.parquet")
        with pytest.raises(ConfigError, match=rf"but e{place} holds whole numbers, .*rename that column to label"):
            described(tmp_path / "x.parquet")
        assert described(tmp_path / "x.parquet", columns=("e*",)).width == D + 1
        for values in (np.zeros_like(x), np.round(x)):
            (frame * 0 + values).assign(e3=numbers()[:, 0]).to_parquet(tmp_path / "x.parquet")
            assert described(tmp_path / "x.parquet").width == D + 1

    def test_what_stands_beside_does_not_change_the_digest(self, tmp_path):
        plain = described(put(tmp_path, label=KINDS)).digest
        assert plain == "da80b665a2049813fef81721c35c172fc9accb13c6e065a1969988d06537179a", (
            "as it was before there was a family"
        )
        assert described(put(tmp_path, label=KINDS, score=0.5, umap_x=1.0)).digest == plain
        assert described(put(tmp_path, Label=KINDS, index=pd.Index(np.arange(N) / 2))).digest == plain
        np.savez(tmp_path / "x.npz", features=numbers(), labels=KINDS, umap=numbers(d=2))
        assert described(tmp_path / "x.npz").digest == plain

    def test_a_column_cannot_be_feature_and_label(self, tmp_path):
        path = put(tmp_path, label=np.arange(N) % 3)
        for columns in (["*"], ["e0", "label"]):
            with pytest.raises(ConfigError, match=r"'label' is among dataset\.columns, but also gives the labels"):
                described(path, columns=columns)
        assert described(path, columns=["e*"]).width == D
        assert described(path, columns=["*"], labels="none").width == D + 1


class TestLabels:
    @pytest.mark.parametrize(
        "title",
        ["label", "Label", "LABELS", "class_name", "Class", "category", "species", "Ground Truth", "y_true", "y"],
    )
    def test_usual_titles(self, title, tmp_path):
        found = loaded(put(tmp_path, **{title: KINDS}))
        assert labels_of(found) == [KINDS[row] for row in found.rows]

    @pytest.mark.parametrize("title", ["y", "targets", "labels", "Y"])
    def test_arrays(self, title, tmp_path):
        np.savez(tmp_path / "x.npz", features=numbers(), **{title: KINDS})
        found = loaded(tmp_path / "x.npz")
        assert labels_of(found) == [KINDS[row] for row in found.rows]

    def test_two_that_say_the_same_or_not(self, tmp_path):
        path = put(tmp_path, label=np.arange(N) % 3, class_name=KINDS)
        assert loaded(path).names == ("0", "1", "2")
        path = put(tmp_path, label=np.arange(N) % 3, category=np.where(KINDS == "eel", "fish", "mammal"))
        with pytest.raises(ConfigError, match=r"dataset\.labels=label or dataset\.labels=category"):
            described(path)
        assert described(path, labels="category").classes == 2
        assert described(path, labels="none").classes is None

    @pytest.mark.parametrize("missing", [np.nan, None])
    def test_rows_without_a_label(self, missing, tmp_path):
        values = np.arange(N, dtype=float).astype(object) % 3
        values[[4, 7]] = missing
        path = put(tmp_path, label=values.astype(float))
        with pytest.raises(ConfigError, match="2 rows have no 'label'"):
            described(path)
        assert described(path, labels="none").classes is None
        np.savez(tmp_path / "x.npz", features=numbers(), labels=values.astype(float))
        with pytest.raises(ConfigError, match=r"'labels'.* 2 of 60 rows have no entry .*dataset\.labels=none"):
            described(tmp_path / "x.npz")

    @pytest.mark.parametrize("title", ["fine_label", "coarseLabel", "class_code", "sub_species", "gt_2023"])
    @pytest.mark.parametrize("values", [KINDS, np.arange(N) % 3])
    def test_titles_that_may_be_those_of_labels(self, title, values, tmp_path):
        path = put(tmp_path, **{title: values, "pred_label": values, "class_weight": 0.5, "city": "x"})
        with pytest.raises(
            ConfigError, match=rf"may be in '{title}'; give dataset\.labels={title}, or dataset\.labels=none"
        ):
            described(path)
        assert described(path, labels=title).classes == 3
        assert described(path, labels="none").classes is None

    def test_arrays_without_names(self, tmp_path):
        np.savez(tmp_path / "x.npz", numbers(), np.arange(N) % 3)
        with pytest.raises(ConfigError, match=r"may be in 'arr_1'; give dataset\.labels=arr_1"):
            described(tmp_path / "x.npz")
        assert described(tmp_path / "x.npz", labels="arr_1").classes == 3

    def test_columns_that_say_nothing_of_labels(self, tmp_path):
        about = described(put(tmp_path, city=KINDS, class_score=0.5))
        assert about.classes is None
        assert "no labels; not used: city, class_score (dataset.labels=NAME takes" in about.understood[0]

    def test_one_column_of_two_dimensions(self, tmp_path):
        np.savez(tmp_path / "x.npz", X=numbers(), y=(np.arange(N) % 3)[:, None])
        found = loaded(tmp_path / "x.npz")
        assert labels_of(found) == [str(row % 3) for row in found.rows]

    def test_one_hot_labels_and_objects(self, tmp_path):
        np.savez(tmp_path / "x.npz", X=numbers(), y=np.eye(3)[np.arange(N) % 3])
        with pytest.raises(ConfigError, match=r"argmax\(axis=1\).*dataset\.labels=none"):
            described(tmp_path / "x.npz")
        np.savez(tmp_path / "x.npz", X=numbers(), y=KINDS.astype(object), names=KINDS.astype(object))
        with pytest.raises(ConfigError, match=r"never unpickled.*dataset\.names=none"):
            described(tmp_path / "x.npz")
        assert described(tmp_path / "x.npz", names="none", labels="none").n == N

    def test_places_on_a_map_are_no_labels(self, tmp_path):
        path = put(tmp_path, x=numbers(), **{"y": numbers()[:, 0]})
        with pytest.raises(ConfigError, match="allowed: text or whole numbers"):
            described(path)
        frame = pd.read_parquet(path).assign(x=0.5)
        frame.to_parquet(path)
        assert (described(path).classes, described(path).width) == (None, D)


class TestParts:
    @pytest.mark.parametrize(
        ("title", "names"),
        [
            ("split", ("train", "val", "test")),
            ("Split", ("Training", "Validation", "Testing")),
            ("part", ("train2017", "dev2017", "test2017")),
            ("subset", ("TRAIN", "VALID", "TEST")),
            ("split", (0, 1, 2)),
            ("split", (0.0, 1.0, 2.0)),
        ],
    )
    def test_synonyms(self, title, names, tmp_path):
        path = put(tmp_path, label=KINDS, **{title: np.array(names)[np.repeat([0, 1, 2], [40, 8, 12])]})
        about, found = described(path), loaded(path)
        assert about.given and about.counts == (40, 8, 12)
        assert found.split.tolist() == [0] * 40 + [1] * 8 + [2] * 12
        assert f"3 splits (train 40, validation 8, test 12) from `{title}`" in about.understood[0]
        mixed = described(path, split={**AUTO, "source": "random"})
        assert mixed.counts == (36, 12, 12) and "dataset.split.source=given keeps" in mixed.notice

    def test_a_validation_part_without_a_test_part_is_reported(self, tmp_path):
        path = put(tmp_path, label=KINDS, split=["train"] * 45 + ["val"] * 15)
        about, found = described(path), loaded(path)
        assert about.counts == (36, 9, 15) == tuple(np.bincount(found.split).tolist())
        assert set(found.rows[found.split == 2]) == set(range(45, 60))
        assert "no test: results are reported on validation" in about.understood[0]

    def test_rows_of_other_parts_are_left_out_and_recorded(self, tmp_path):
        parts = ["train"] * 30 + ["unlabeled"] * 12 + ["test"] * 15 + [None] * 3
        labels = np.where(np.array(parts) == "unlabeled", None, KINDS)
        path = put(tmp_path, label=labels, split=parts, name=[f"{row}.png" for row in range(N)])
        about, found = described(path), loaded(path)
        assert about.n == 45 and about.counts == (24, 6, 15) and about.classes == 3
        assert found.total == N and set(found.rows) == {*range(30), *range(42, 57)}
        np.testing.assert_array_equal(found.embeddings, numbers()[found.rows])
        assert labels_of(found) == [KINDS[row] for row in found.rows]
        assert list(found.files) == [f"{row}.png" for row in found.rows]
        assert found.info["rows_left_out"] == {"unlabeled": 12, "(empty)": 3}
        assert "15 rows of no split are left out (unlabeled, (empty))" in about.understood[0]

    @pytest.mark.parametrize("values", [["tset", "train"], ["a", "b"], ["0", "1", "2", "3"]])
    def test_values_that_are_no_parts(self, values, tmp_path):
        path = put(tmp_path, split=[values[row % len(values)] for row in range(N)])
        with pytest.raises(ConfigError, match=r"'split' holds .*dataset\.parts=none"):
            described(path)
        assert not described(path, parts="none").given

    @pytest.mark.parametrize("title", ["dataset", "usage", "whatever"])
    def test_a_column_of_another_title_whose_entries_are_parts(self, title, tmp_path):
        parts = np.repeat(["Training", "test"], [45, 15])
        about = described(put(tmp_path, label=KINDS, **{title: parts}))
        assert about.given and about.counts == (36, 9, 15) and f"from `{title}`" in about.understood[0]
        path = put(tmp_path, label=KINDS, **{title: parts, "other": parts[::-1]})
        with pytest.raises(ConfigError, match=rf"{title} and other give different splits; give dataset\.parts={title}"):
            described(path)
        assert not described(path, parts="none").given
        assert not described(put(tmp_path, label=KINDS, **{title: np.repeat(["train", "bus"], 30)})).given

    @pytest.mark.parametrize("title", ["train_mask", "is_holdout"])
    def test_masks_are_used_and_not_said_to_be_unused(self, title, tmp_path):
        yes = (np.arange(N) % 4 == 0) != (title == "train_mask")
        beside = {"test_mask": ~yes} if title == "train_mask" else {}
        (sentence,) = described(put(tmp_path, label=KINDS, **{title: yes}, **beside)).understood
        assert "(train 45, test 15;" in sentence and "not used" not in sentence

    @pytest.mark.parametrize("title", ["is_train", "is_valid", "isTest"])
    @pytest.mark.parametrize("kind", [bool, np.int64, np.float64, str])
    def test_columns_of_yes_and_no(self, title, kind, tmp_path):
        yes = (np.arange(N) % 4 == 0) != (title == "is_train")
        about = described(put(tmp_path, label=KINDS, **{title: yes.astype(kind)}))
        assert about.given and about.counts[2] == 15 and f"from `{title}`" in about.understood[0]

    def test_columns_of_yes_and_no_that_contradict_each_other(self, tmp_path):
        rows = np.arange(N)
        about = described(
            put(tmp_path, label=KINDS, is_train=rows % 4 > 1, is_val=rows % 4 == 1, is_test=rows % 4 == 0)
        )
        assert about.given and about.counts == (30, 15, 15)
        path = put(tmp_path, label=KINDS, is_train=rows % 2 == 0, is_test=rows % 4 == 0)
        with pytest.raises(
            ConfigError, match=r"is_train and is_test do not say which split row 0 .*dataset\.parts=none"
        ):
            described(path)
        assert not described(path, parts="none").given

    def test_folds_are_no_parts(self, tmp_path):
        about = described(put(tmp_path, label=KINDS, fold=np.arange(N) % 3))
        assert not about.given and "not used: fold" in about.understood[0]
        assert about.counts == (36, 12, 12)

    def test_one_part_alone_is_no_split(self, tmp_path):
        about = described(put(tmp_path, label=KINDS, split=["train"] * N))
        assert not about.given and about.counts == (36, 12, 12)


@pytest.mark.parametrize("seed", range(40))
def test_any_table_is_understood_or_refused(seed, tmp_path):
    """Random titles and kinds beside a family: the family, the label and the parts, or an error; never otherwise."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(KINDS)
    parts = rng.permutation(np.repeat(["train", "val", "test"], [36, 12, 12]))
    label = str(rng.choice(["label", "Label", "class", "target", "category", "species"]))
    coded = kinds if rng.integers(2) else np.searchsorted(["cat", "dog", "eel"], kinds) * 1.0
    beside = {label: coded}
    if rng.integers(2):
        beside[str(rng.choice(["split", "part", "subset", "partition"]))] = parts
    for title in rng.choice(["score", "umap_x", "tsne_1", "id", "age", "cluster", "pred_label", "Unnamed: 0"], 3):
        beside[str(title)] = rng.normal(size=N)
    if rng.integers(4) == 0:
        beside["labels"] = rng.permutation(kinds)
    titles = [str(title) for title in rng.permutation([*TITLES, *beside])]
    x = {title: numbers()[:, place] for place, title in enumerate(TITLES)}
    pd.DataFrame({title: (x | beside)[title] for title in titles}).to_parquet(tmp_path / "x.parquet")
    try:
        found = loaded(tmp_path / "x.parquet")
    except ConfigError as error:
        assert "labels" in beside, str(error)
        return
    order = [TITLES.index(title) for title in titles if title in TITLES]
    np.testing.assert_array_equal(found.embeddings, numbers()[found.rows][:, order])
    names = dict(zip(["0", "1", "2"], ["cat", "dog", "eel"], strict=True))
    assert [names.get(name, name) for name in labels_of(found)] == kinds[found.rows].tolist()
    if set(beside) & {"split", "part", "subset", "partition"}:
        assert [("train", "val", "test")[part] for part in found.split] == parts[found.rows].tolist()
