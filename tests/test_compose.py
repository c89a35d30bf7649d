"""The cells of a grid are what Hydra composes, whatever is swept; what cannot be composed is refused with a reason."""

import json
import random
import re
import shutil
import textwrap

import pytest
from hydra import initialize_config_dir

from backbench import compose, paths
from backbench.schema import ConfigError

NONE = "experiment=none"
GRIDS = {
    "groups and values": [
        "backbone=pixels,efficientnet_lite0",
        "chain=none,pca50,l2_pca50",
        "clusterer=kmeans,dbscan,agglomerative",
        "classifier=glob(*)",
        "k=range(2,6)",
        "seed=0,1",
        "clusterer.eps_quantile=0.3,0.5",
        "clusterer.n_init=1,10",
    ],
    "packages": [
        "chain=none,standardise",
        "chain@clustering.chain=shared,l2,standardise_pca50",
        "chain@classification.chain=glob(*)",
        "retrieval=cosine,euclidean,none",
        "retrieval.at=5,10",
    ],
    "steps of a chain": [
        "chain=pca50,l2_pca50,none",
        "chain.steps.s1.n_components=10,20",
        "chain.steps.s2.whiten=true,false",
        "chain@retrieval.chain=pca50",
        "retrieval.chain.steps.s1.n_components=5,6",
    ],
    "interpolations": [
        "clusterer=kmeans,gaussian_mixture",
        "k=${seed},7",
        "seed=3,4",
        "clusterer.n_init=${k}",
        "dataset.root=${oc.env:BACKBENCH_TEST_ROOT},a-${k}-${.name}",
        "dataset.sample='${oc.decode:${oc.env:BACKBENCH_TEST_SAMPLE}}'",
        "backbone.image.size=${oc.env:BACKBENCH_TEST_UNSET,32}",
    ],
    "types and mappings": [
        "dataset.split={source:random,test:0.25}",
        "dataset.sample=null,100,100.0,'100',true",
        "k=[1,2],{},3",
        "classifier=svm,random_forest",
        "classifier.gamma=auto,0.5",
        "+clusterer.extra={a:[1,{b:2}]}",
        "~backbone.image.mode",
    ],
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("BACKBENCH_TEST_ROOT", "/data/photos")
    monkeypatch.setenv("BACKBENCH_TEST_SAMPLE", "250")


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A function that adds files to a copy of ``conf/``, which is then the one in use."""
    folder = tmp_path / "conf"
    shutil.copytree(paths.conf(), folder)
    monkeypatch.setenv("BACKBENCH_CONF", str(folder))

    def add(**files):
        for name, text in files.items():
            path = folder / (name.replace("__", "/") + ".yaml")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return add


def text(config) -> str:
    """A configuration as text in which 1, 1.0, '1' and true differ."""
    return json.dumps(config, sort_keys=True)


def cells(*overrides) -> list[compose.Cell]:
    return compose.expand(overrides).cells


def assert_equal_to_hydra(found: list[compose.Cell]) -> None:
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        for cell in found:
            config = compose.compose_one(cell.overrides)
            expected = {key: value for key, value in config.items() if key not in compose.NOT_IN_CELL}
            assert text(cell.config) == text(expected), cell.overrides


def refusal(*overrides) -> str:
    with pytest.raises(ConfigError) as caught:
        compose.expand(overrides)
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_random_cells_equal_what_hydra_composes(name):
    found = cells(NONE, *GRIDS[name])
    assert_equal_to_hydra(random.Random(0).sample(found, min(10, len(found))))


def test_the_grid_is_the_whole_product():
    found = cells(NONE, "backbone=pixels,efficientnet_lite0", "k=range(2,5)", "seed=0,1", "chain=none,l2")
    seen = {text([cell.config[key] for key in ("backbone", "k", "seed", "chain")]) for cell in found}
    assert len(found) == len(seen) == 2 * 3 * 2 * 2


@pytest.mark.parametrize("name", GRIDS)
def test_the_order_of_overrides_does_not_count(name):
    shuffled = [*GRIDS[name], NONE]
    random.Random(1).shuffle(shuffled)
    one, other = cells(NONE, *GRIDS[name]), cells(*shuffled)
    assert sorted(text(cell.config) for cell in one) == sorted(text(cell.config) for cell in other)


def test_a_glob_takes_every_option_but_none():
    names = [cell.config["clusterer"]["name"] for cell in cells(NONE, "clusterer=glob(*)")]
    assert sorted(names) == sorted(set(compose.groups()["clusterer"]) - {"none"})
    assert "no values" in refusal(NONE, "clusterer=glob(none)")


def test_all_heads_share_a_chain_unless_one_has_its_own():
    (cell,) = cells(NONE, "chain=l2", "chain@classification.chain=pca50")
    steps = {head: cell.config[head]["chain"]["steps"]["s1"]["name"] for head in ("clustering", "classification")}
    assert steps == {"clustering": "l2", "classification": "pca"}
    assert cell.config["retrieval"]["chain"] == cell.config["chain"]


@pytest.mark.parametrize("last", ["k=3", "k=3,5"])
def test_the_last_of_two_overrides_of_a_key_holds_and_is_told(last):
    found = compose.expand([NONE, "k=8,9", last])
    assert [cell.config["k"] for cell in found.cells] == ([3] if last == "k=3" else [3, 5])
    assert found.notices == [f"{last} replaces k=8,9: the last value given for a key is used"]
    assert compose.expand([NONE, "k=3", "k=3"]).notices == []


def test_a_grid_that_nobody_computes_is_refused_before_it_is_made():
    with pytest.raises(ConfigError, match=r"more than 200,000 runs.*k has 10,000 values"):
        compose.expand([NONE, "k=1..10000", "seed=0..99"])


def test_the_last_of_two_choices_holds():
    assert len(cells(NONE, "backbone=pixels,efficientnet_lite0", "backbone=pixels")) == 1


def test_options_that_touch_each_others_keys_are_composed_by_hydra(conf):
    knn = "{name: knn, n_neighbors: 3, metric: euclidean, weights: uniform}"
    conf(
        clusterer__greedy="# @package _global_\nclusterer: {name: dbscan, eps: 1.0}\nk: 4\nseed: 9\n",
        classifier__greedy=f"# @package _global_\nclassifier: {knn}\nk: 3\n",
        classifier__nested="defaults:\n  - knn\n  - _self_\nn_neighbors: 9\n",
    )
    found = cells(NONE, "clusterer=kmeans,greedy,dbscan", "classifier=knn,greedy,nested", "seed=0,1")
    assert len(found) == 18
    assert_equal_to_hydra(found)


def test_a_choice_that_hangs_on_another_is_composed_by_hydra(conf):
    conf(
        tuning__knn="n_init: 1\n",
        tuning__svm="n_init: 2\n",
        clusterer__tuned="defaults:\n  - kmeans\n  - /tuning@_here_: ${classifier}\n",
    )
    found = cells(NONE, "clusterer=kmeans,tuned,dbscan", "classifier=knn,svm")
    assert_equal_to_hydra(found)
    inits = [cell.config["clusterer"].get("n_init") for cell in found]
    assert inits == [4, 4, 1, 2, None, None]


def test_files_with_nested_defaults_are_merged(conf):
    conf(
        clusterer__many="defaults:\n  - kmeans\n  - _self_\nn_init: 20\n",
        chain__two="defaults:\n  - pca50\n  - /transform@steps.s2: l2\n",
    )
    found = cells(NONE, "clusterer=kmeans,many", "chain=none,two", "chain@retrieval.chain=shared,two", "k=2,3")
    assert len(found) == 16
    assert_equal_to_hydra(found)


def test_an_option_that_only_some_have_is_an_axis_for_them_alone():
    found = compose.expand([NONE, "clusterer=kmeans,dbscan", "clusterer.eps_quantile=0.3,0.5,0.7"])
    names = [cell.config["clusterer"]["name"] for cell in found.cells]
    assert names.count("kmeans") == 1 and names.count("dbscan") == 3
    assert found.notices == ["clusterer.eps_quantile applies only to the options that have it"]
    assert not compose.expand([NONE, "clusterer=dbscan", "clusterer.eps_quantile=0.3,0.5"]).notices


def test_values_of_an_experiment_are_left_out_with_the_option_that_they_are_for():
    """What the experiment says of DBSCAN is no fault of who asks for k-means; what one says himself is."""
    found = compose.expand(["backbone=pixels", "clusterer=kmeans"])
    assert {cell.config["clusterer"]["name"] for cell in found.cells} == {"kmeans"}
    assert found.notices == [
        f"clusterer.{option} of the experiment belongs to none of these options and is left out"
        for option in ("eps_quantile", "min_samples")
    ]
    with pytest.raises(ConfigError, match=r"'clusterer\.eps_quantile'"):
        compose.expand(["backbone=pixels", "clusterer=kmeans", "clusterer.eps_quantile=0.5"])


def test_values_of_an_experiment_are_not_for_other_options_of_the_group(conf):
    """Both have the key; the experiment's value is for its own choice, narrowed or not, and for no other."""
    conf(
        experiment__one=textwrap.dedent("""\
            # @package _global_
            defaults:
              - override /backbone: resnet50
            sweep:
              backbone.weights: IMAGENET1K_V1
              clusterer: kmeans,gaussian_mixture
              clusterer.n_init: 9
        """)
    )
    own = compose.expand(["experiment=one", "clusterer=gaussian_mixture"])
    assert [(cell.config["backbone"]["weights"], cell.config["clusterer"]["n_init"]) for cell in own.cells] == [
        ("IMAGENET1K_V1", 9)
    ]
    other = compose.expand(["experiment=one", "backbone=efficientnet_lite0", "clusterer=minibatch_kmeans"])
    assert {cell.config["backbone"]["weights"] for cell in other.cells} == {"imagenet"}
    assert all(cell.config["clusterer"]["n_init"] != 9 for cell in other.cells)


def test_a_misspelled_axis_of_an_experiment_is_refused(conf):
    conf(experiment__one="# @package _global_\nsweep:\n  clusterer.n_inits: 3\n")
    with pytest.raises(ConfigError, match=r"Did you mean 'clusterer\.n_init'"):
        compose.expand(["experiment=one"])


class TestExclude:
    GRID = (NONE, "clusterer=kmeans,gaussian_mixture", "k=2,3,4")

    def names(self, exclude):
        found = compose.expand([*self.GRID, exclude])
        return [(cell.config["clusterer"]["name"], cell.config["k"]) for cell in found.cells], found.notices

    def test_cells_with_all_values_of_an_entry_are_left_out(self):
        found, notices = self.names("exclude=[{clusterer.name:kmeans,k:3}]")
        assert found == [("kmeans", 2), ("kmeans", 4), *(("gaussian_mixture", k) for k in (2, 3, 4))]
        assert notices == ["1 of 6 combinations are left out (exclude)"]

    def test_several_entries_and_several_values(self):
        found, _ = self.names("exclude=[{clusterer.name:kmeans},{k:[2,4]}]")
        assert found == [("gaussian_mixture", 3)]

    def test_groups_go_by_the_names_of_their_options(self):
        found, _ = self.names("exclude=[{clusterer:kmeans,k:3},{clusterer:[gaussian_mixture],k:[2,3]}]")
        assert found == [("kmeans", 2), ("kmeans", 4), ("gaussian_mixture", 4)]

    def test_an_empty_list_takes_all(self):
        found, notices = self.names("exclude=[]")
        assert len(found) == 6 and not notices

    @pytest.mark.parametrize(
        ("exclude", "said"),
        [
            ("exclude=[{clusterer.nam:kmeans}]", "Did you mean 'clusterer.name'"),
            ("exclude=[{clusterer:kmens,k:3}]", "no combination has clusterer=kmens, k=3"),
            ("exclude=[{k:[2,3,4]}]", "nothing is left of the grid"),
            ("exclude=[3]", "a list of mappings"),
            ("exclude=[],[]", "one value in a sweep"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, exclude, said):
        with pytest.raises(ConfigError, match=re.escape(said)):
            compose.expand([*self.GRID, exclude])


class TestAdjust:
    """Values for the combinations of some options alone."""

    ENTRY = "{for:{backbone:[efficientnet_lite0],classifier:svm},backbone.image.size:96,backbone.image.shorter:null}"
    GRID = (NONE, "backbone=pixels,efficientnet_lite0,resnet50", "classifier=knn,svm", "k=2,3")

    def sizes(self, *overrides):
        found = cells(*self.GRID, *overrides)
        return {
            (
                *(cell.config[group]["name"] for group in ("backbone", "classifier")),
                cell.config["backbone"]["image"]["size"],
            )
            for cell in found
        }

    def test_only_the_combinations_that_are_meant_get_the_values(self):
        sizes = {"pixels": 28, "efficientnet_lite0": 224, "resnet50": 224}
        expected = {(name, classifier, size) for name, size in sizes.items() for classifier in ("knn", "svm")}
        expected ^= {("efficientnet_lite0", "svm", 224), ("efficientnet_lite0", "svm", 96)}
        assert self.sizes(f"adjust=[{self.ENTRY}]") == expected

    def test_cells_equal_what_hydra_composes(self):
        found = cells(*self.GRID, f"adjust=[{self.ENTRY}]")
        assert_equal_to_hydra(random.Random(0).sample(found, 4))

    def test_an_option_that_no_axis_names_is_known_by_its_name(self):
        entry = "{for:{dataset:fashion_mnist,backbone:pixels},backbone.image.size:14}"
        assert {size for name, _, size in self.sizes(f"adjust=[{entry}]") if name == "pixels"} == {14}

    def test_a_key_on_the_command_line_replaces_the_values(self):
        named = self.sizes(f"adjust=[{self.ENTRY}]", "backbone.image.size=64")
        assert {size for _, _, size in named} == {64}

    @pytest.mark.parametrize(
        ("adjust", "words"),
        [
            ("[3]", "a list of mappings"),
            ("[{backbone.image.size:96}]", "a list of mappings"),
            ("[{for:{backbone:pixels}}]", "a list of mappings"),
            ("[{for:{k:3},backbone.image.size:96}]", "adjust: for: received 'k'"),
            ("[{for:{backbone:pixels},backbone.image.sise:96}]", "Did you mean 'backbone.image.size'"),
            ("[],[]", "one value in a sweep"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, adjust, words):
        assert words in refusal(*self.GRID, f"adjust={adjust}")


def test_an_axis_of_the_command_line_replaces_the_experiments():
    default = compose.expand([])
    assert default.experiment == "quickstart" and len(default.cells) > 100
    found = compose.expand(["k=3", "backbone=pixels"])
    assert {cell.config["k"] for cell in found.cells} == {3}
    assert {cell.config["backbone"]["name"] for cell in found.cells} == {"pixels"}
    assert {cell.config["classifier"]["name"] for cell in found.cells} == {
        cell.config["classifier"]["name"] for cell in default.cells
    }
    assert found.explicit == {"k", "backbone"}


def test_an_axis_of_the_experiment_can_be_taken_away():
    assert {cell.config["k"] for cell in cells("~sweep.k")} == {10}


def test_without_an_experiment_there_is_one_cell():
    found = compose.expand([NONE])
    assert found.experiment == "none" and len(found.cells) == 1
    assert_equal_to_hydra(found.cells)


def test_settings_are_no_part_of_a_cell():
    found = compose.expand([NONE, "execution.batch_size=8", "store.root=/elsewhere", "tracking.uri=http://x"])
    expected = {"device": "auto", "batch_size": 8, "memory_mb": None, "on_device_loss": "fail", "job_minutes": None}
    assert found.settings["execution"] == expected
    assert found.settings["store"] == {"root": "/elsewhere", "keep_images": False} and found.settings["tracking"] == {
        "uri": "http://x",
        "artifacts": None,
    }
    assert not set(found.cells[0].config) & set(compose.NOT_IN_CELL)


def test_the_groups_are_the_folders():
    assert set(compose.groups()) == {path.name for path in paths.conf().iterdir() if path.is_dir()}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("backbon=pixels", ["'backbon'", "Did you mean 'backbone'"]),
        ("backbone=pixel", ["'pixel'", "efficientnet_lite0", "Did you mean 'pixels'"]),
        ("clusterer=kmeans,dbscn", ["'dbscn'", "Did you mean 'dbscan'"]),
        ("chain@clustering.chain=pca500", ["chain@clustering.chain", "'pca500'", "Did you mean 'pca50'"]),
        ("chain@clusterin.chain=pca50", ["clusterin", "chain@clustering.chain"]),
        ("experiment=quickstar", ["'quickstar'", "Did you mean 'quickstart'"]),
        ("experiment=none,quickstart", ["one value"]),
        ("backbone=null", ["backbone", "'null'", "pixels"]),
        ("clusterer={name:kmeans}", ["clusterer", "kmeans"]),
        ("kk=3", ["'kk'", "Did you mean 'k'"]),
        ("clusterer.n_inits=3", ["'clusterer.n_inits'", "clusterer.tol", "Did you mean 'clusterer.n_init'"]),
        ("backbone.image.sise=3,4", ["'backbone.image.sise'", "Did you mean 'backbone.image.size'"]),
        ("chain.steps.s1.n_components=3", ["'chain.steps.s1.n_components'", "chain.steps"]),
        ("execution.devise=cpu", ["Did you mean 'execution.device'"]),
        ("execution.device=cpu,cuda", ["execution", "one value"]),
        ("store.root=/a,/b", ["store", "one value"]),
        ("sweep.k=2", ["sweep.k", "own key"]),
        ("hydra.job.name=x", ["'hydra.job.name'"]),
        ("k=interval(1,3)", ["interval", "range()"]),
        ("+foo=1,2", ["+foo=1,2", "added key"]),
        ("clusterer=glob(nothing*)", ["no values"]),
        ("k", ["'k'", "key=value"]),
        ("k=1,", ["comma with no value beside it"]),
        ("k=range(1,)", ["'range(1,)'", "range(2,16)"]),
        ("k=choice()", ["'choice()'", "choice(2,5)"]),
        ("k=[1", ["'[1'", "unmatched"]),
        ("k=range(1,10000000)", ["9,999,999 numbers", "at most 10,000"]),
        ("k=range(1,5,0)", ["no end"]),
        ("k=1..99999999999999999999999", ["too many digits"]),
        ("k=99999999999999999999", ["20 digits"]),
        ("k=${a b}", ["interpolation", "${key}"]),
        ("n_neighbors=5", ["classifier.n_neighbors", "clusterer.n_neighbors"]),
        ("=3", ["''"]),
        ("k=${nothing}", ["interpolation", "nothing"]),
        ("k=${oc.env:BACKBENCH_TEST_UNSET}", ["interpolation", "BACKBENCH_TEST_UNSET"]),
        ("k=${k}", ["refers to itself", "${k}"]),
        ("k=a${k}", ["interpolation"]),
        ("chain=shared", ["refers to itself", "${chain.steps}"]),
        ("transform=pca", ["transform"]),
    ],
)
def test_what_cannot_be_composed_is_refused(override, words):
    message = refusal(NONE, override)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_an_error_in_an_experiment_is_refused_alike(conf):
    conf(experiment__typo="# @package _global_\nsweep:\n  clusterer: kmeans,dbscn\n")
    assert "Did you mean 'dbscan'" in refusal("experiment=typo")
    conf(experiment__typo="# @package _global_\nsweep:\n  kk: 1,2\n")
    assert "Did you mean 'k'" in refusal("experiment=typo")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (["seeds=0..9"], ["seed=0,1,2,3,4,5,6,7,8,9"]),
        (["seeds=3"], ["seed=3"]),
        (["seeds=4..4"], ["seed=4"]),
        (["k=2..4,8", "seeds=0,5..6"], ["k=2,3,4,8", "seed=0,5,6"]),
        (["dataset.sample=100..102"], ["dataset.sample=100,101,102"]),
        (["dataset.root=0..9/a"], ["dataset.root=0..9/a"]),
    ],
)
def test_ranges_of_numbers_are_written_out(asked, meant):
    dataset = ["dataset=folder"] if "dataset.root" in asked[0] else []
    found, expected = (compose.expand([NONE, *dataset, *words]) for words in (asked, meant))
    assert [cell.config for cell in found.cells] == [cell.config for cell in expected.cells]
    assert found.explicit == expected.explicit


@pytest.mark.parametrize("words", ["seeds=9..0", "k=0..10000"])
def test_a_range_of_no_or_too_many_numbers_is_refused(words):
    with pytest.raises(ConfigError, match=r"FIRST\.\.LAST"):
        compose.expand([NONE, words])


def test_an_experiment_may_name_seeds_as_a_range(tmp_path, monkeypatch):
    shutil.copytree(paths.conf(), tmp_path / "conf")
    (tmp_path / "conf/experiment/own.yaml").write_text("# @package _global_\nsweep:\n  seeds: 0..4\n  k: 2..3\n")
    monkeypatch.setenv("BACKBENCH_CONF", str(tmp_path / "conf"))
    cells = compose.expand(["experiment=own"]).cells
    found = sorted((cell.config["k"], cell.config["seed"]) for cell in cells)
    assert found == [(k, seed) for k in (2, 3) for seed in range(5)]
    assert {cell.config["seed"] for cell in compose.expand(["experiment=own", "seed=7"]).cells} == {7}


def parts(*overrides):
    return [cell.config for cell in compose.expand(["experiment=none", *overrides]).cells]


def test_cells_share_the_parts_in_which_they_are_equal():
    """By this a plan of 100,000 runs knows what it has made without a look at their values."""
    cells = parts("clusterer=kmeans,dbscan", "classifier=knn,svm", "k=2,3")
    assert len({id(cell["clustering"]) for cell in cells}) == len({id(cell["chain"]) for cell in cells}) == 1
    assert len({id(cell["clusterer"]) for cell in cells}) == len({id(cell["classifier"]) for cell in cells}) == 2


def test_an_axis_below_an_interpolation_changes_what_refers_to_it():
    """Interpolations are resolved once for many cells only where no axis can change them."""
    steps = [cell["clustering"]["chain"]["steps"] for cell in parts("chain=pca50", "chain.steps.s1.n_components=2,3")]
    assert [step["s1"]["n_components"] for step in steps] == [2, 3]
    assert [cell["seed"] for cell in parts("k=2,3", "seed=${k}")] == [2, 3]
