"""What was published: the YAML of each paper, and what is said of one that is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from backbench import compose, papers, paths
from backbench.evaluate.configurations import is_seed
from backbench.papers import derived, described, figures, published, stand_ins
from backbench.papers.matching import Matching
from backbench.papers.results import task_of
from backbench.schema import ConfigError

BODY = {
    "title": "A trial",
    "system": "Nothing.\n",
    "measures": "Purity.",
    "images": {"words": "some"},
    "figures": [{"name": "one", "metric": "purity", "published": 0.5, "where": {"k": 10}}],
}


def parsed(**changes):
    return published.parse("trial", {**BODY, **changes})


def figure(**changes):
    return parsed(figures=[{**BODY["figures"][0], **changes}]).figures[0]


@pytest.mark.parametrize("name", papers.names())
def test_a_paper_has_a_preset_that_decides_its_figures(name):
    found = papers.load(name)
    assert (paths.conf() / "experiment" / f"{name}.yaml").is_file()
    theirs = described.of_cells(cell.config for cell in compose.expand([f"experiment={name}"]).cells)
    matching = Matching([], stand_ins.compare(theirs, theirs, None, True))
    known = {key for cell in theirs for key in cell} | {"chain"}
    for one in found.figures:
        assert set(one.where) <= known, f"{one.name}: {set(one.where) - known}"
        relevant, free = figures.RELEVANT[task_of(one.metric)], derived.OPEN.get(one.metric, ())
        keys = [key for key in known if key.startswith(relevant) and not (is_seed(key) or key.startswith(free or "?"))]
        assert matching.undecided(one.where, keys) == [], one.name


def test_fashion_mnist_has_the_published_figures():
    found = {one.name: one for one in papers.load("fashion_mnist_autoencoder").figures}
    assert found["k-means on pixels"].published == 0.5534
    assert found["k-means on codes"].published == round(34278 / 60000, 4)
    assert found["Gaussian mixture on codes, full"].published == round(36477 / 60000, 3)
    assert {one.metric for one in found.values() if one.published is not None} == {"purity"}
    assert "contradicts itself" in found["Gaussian mixture on pixels, diagonal"].differs


def test_an_unknown_paper_names_the_nearest():
    with pytest.raises(ConfigError, match=r"received 'fashion_mnist_autoencode'.*Did you mean 'fashion_mnist_autoen"):
        papers.load("fashion_mnist_autoencode")


def test_texts_are_stripped_and_defaults_filled_in():
    found = parsed()
    assert found.system == "Nothing."
    assert found.inputs == found.answers == found.pictures == () and found.export.where == {}
    assert (found.figures[0].percent, found.figures[0].decimals, found.figures[0].called) == (False, 2, None)


def test_a_list_of_published_figures_is_kept():
    assert figure(metric="majority_shares", published=[0.9939, 0.941]).published == (0.9939, 0.941)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"figure": []}, "trial: received 'figure'.*Did you mean 'figures'"),
        ({"title": None}, "trial: missing title"),
        ({"system": 3}, "trial.system: received 3; allowed: text"),
        ({"images": {"words": "some", "digests": "x"}}, "trial.images: received 'digests'.*Did you mean 'digest'"),
        ({"figures": "purity"}, "trial.figures: received 'purity'; allowed: a list"),
        ({"figures": [*BODY["figures"] * 2]}, "the name 'one' twice"),
        ({"answers": [{"question": "Which?", "figures": ["on"]}]}, "received 'on'.*Did you mean 'one'"),
        ({"inputs": [{"option": "dataset.root"}]}, "missing words"),
        ({"export": {"were": {}}}, "received 'were'.*Did you mean 'where'"),
        ({"pictures": [{"where": {"k": 2}}]}, "missing kinds"),
    ],
)
def test_a_wrong_paper_says_what_is_allowed(changes, message):
    with pytest.raises(ConfigError, match=message):
        parsed(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "puriti"}, "received 'puriti'.*Did you mean 'purity'"),
        ({"metric": "hit_rate_at_0"}, "received 'hit_rate_at_0'"),
        ({"metric": "precision"}, "precision, recall, f1 are of a class"),
        ({"class": "car"}, "no other metric is"),
        ({"part": "tests"}, "received 'tests'; allowed: train, validation, test or null"),
        ({"where": "k=10"}, "allowed: a mapping of parameters"),
        ({"where": {"clusterer": {"name": "kmeans"}}}, "allowed: a mapping of parameters"),
        ({"decimal": 2}, "received 'decimal'.*Did you mean 'decimals'"),
        ({"category": "car"}, "received 'category'"),
        ({"published": {"a": 1}}, "a list of a number"),
    ],
)
def test_a_wrong_figure_says_what_is_allowed(changes, message):
    with pytest.raises(ConfigError, match=message):
        figure(**changes)


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    (tmp_path / "broken.yaml").write_text("title: [")
    with pytest.raises(ConfigError, match=r"papers/broken.yaml cannot be read as YAML"):
        published.read(tmp_path / "broken.yaml")


def test_reading_imports_nothing_heavy():
    program = "import sys; from backbench import papers; papers.load(papers.names()[0]); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "backbench.papers.published" in loaded
    assert not {"numpy", "scipy", "torch", "hydra", "mlflow", "backbench.papers.table"} & set(loaded)


def test_the_example_in_the_documents_is_a_paper():
    page = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(title: .*?)```", page, re.DOTALL)
    assert published.parse("example", yaml.safe_load(example)).figures[0].published == 0.55
