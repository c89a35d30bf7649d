"""`backbench paper`: which there are, what each needs, how the table is printed, and what MLflow is told."""

import csv
import dataclasses
import io
import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import sweeping
from sharing import once

from backbench import cli, papers, paths, planning
from backbench.cli import _paper_screen as screen
from backbench.cli import paper as command
from backbench.engine.results import ledger
from backbench.papers.line import Line
from backbench.papers.page import paper
from backbench.papers.stand_ins import StandIn
from backbench.papers.table import Table
from backbench.store import Store
from backbench.tracking import published, rows, sweeps

HEAVY = ("torch", "sklearn", "mlflow", "scipy", "pandas", "PIL", "matplotlib", "jinja2", "rich", "hydra", "numpy")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def call(capsys):
    """A function that runs the command: its exit status, and what it said on either stream."""

    def run(*words):
        status = cli.main(["paper", *words])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def table():
    """The table of the sweep `none`, as the tests of tracking have it."""
    own = {"metric": "purity", "called": "accuracy", "percent": True, "chance": True}
    lines = (
        Line(name="k-means, on pixels", published=0.55, ours=0.54, low=0.53, high=0.56, samples=5, fits=5, over="seeds",
             difference=-0.01, inside=True, why=("Inside.",), runs=("ab" * 32,), **own),
        Line(name="a figure with a name that no terminal has room for on one line", published=0.6, ours=None,
             why=("Failed: singular.",), **own),
        Line(name="shares", published=(0.9, 0.8), ours=(0.7, 0.6), why=("Stand-in: diag in place of full.",), **own),
    )  # fmt: skip
    return Table(
        name="none", title="A title", system="S.", measures="Purity.", images="300 images", sweep="0" * 64,
        command="backbench paper none", stand_ins=(StandIn("clusterer", "full", "diag"),), lines=lines, answers=(),
        circumstances={"versions": {}, "seconds": 1.0}, runs=3, failed=1,
    )  # fmt: skip


def test_every_paper_is_listed_with_what_it_needs(call, table):
    status, out, _ = call()
    assert status == 0
    for name in papers.names():
        own = papers.load(name)
        about = out.split(f"{name}\n", 1)[1].split("\n\n")[0]
        assert own.title in about and all(one.option in about for one in own.inputs)
    found = json.loads(call("--format", "json")[1])
    assert [one["paper"] for one in found] == papers.names() and all(one["made"] == [] for one in found)
    name = papers.names()[0]
    own = dataclasses.replace(table, name=name)
    paper.write(own, paper.folder(name, own.sweep))
    first = next(csv.DictReader(io.StringIO(call("--format", "csv")[1])))
    assert "with stand-ins; 3 runs, 1 failed" in first["made"] and own.sweep[:12] in first["made"]


def test_help_teaches_and_imports_nothing_heavy():
    program = "import sys; from backbench import cli\ntry: cli.main(['paper', '--help'])\nexcept SystemExit: pass\n"
    program += "print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said, loaded = done.stdout.rsplit("\n", 2)[:2]
    assert not {name.split(".")[0] for name in loaded.split()} & set(HEAVY)
    examples = re.findall(r"^  backbench (paper .*?)(?:  .*)?$", said, re.MULTILINE)
    assert len(examples) > 4
    for example in examples:
        own = shlex.split(example.split(" >")[0])
        name = cli._parsed(own).name
        assert name is None or name in papers.names()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["animals_vgg61"], "Did you mean 'animals_vgg16'"),
        (["animals_vgg16", "experiment=full"], "a paper has its own experiment"),
        (["fashion_mnist_autoencoder", "kk=3"], "kk"),
        (["fashion_mnist_autoencoder", "--to", __file__], "is a file; name a folder"),
    ],
)
def test_refusals(call, words, said):
    status, out, err = call(*words)
    assert (status, out) == (2, "") and said in err
    assert "To run it with your files:" not in err


def test_a_missing_input_is_explained_and_its_commands_are_right(call):
    status, _, err = call("animals_vgg16", "k=3,4")
    assert status == 2 and "animals_vgg16 needs dataset.root: a folder of photographs" in err
    supplied, instead = re.findall(r"^  backbench paper animals_vgg16 (.*)$", err, re.MULTILINE)
    assert supplied == "k=3,4 dataset.root=PATH"
    plan = planning.make(["experiment=animals_vgg16", *shlex.split(instead)], fingerprint=False).plan
    assert len(plan.runs) == 2 and "k=3,4" in instead


def test_the_table_fits_a_terminal(capsys, table):
    screen.show(table, "table")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= screen.WIDTH
    (shown,) = [text for text in out.splitlines() if text.startswith("k-means, on pixels")]
    assert re.search(r"55.00 % +54.00 % \[53.00, 56.00\], 5 seeds +-1.00 points +inside +1 *$", shown)
    joined = " ".join(out.split())
    assert "a diag in place of full" in joined and "2 Failed: singular." in joined
    for word in table.lines[1].name.split():
        assert word in out


@pytest.mark.parametrize("kind", ["json", "csv", "markdown"])
def test_formats_for_machines(capsys, table, kind):
    screen.show(table, kind)
    out = capsys.readouterr().out
    expected = {"json": lambda: json.dumps(table.record(), indent=1, sort_keys=True) + "\n"}
    expected |= {"csv": lambda: paper.csv(table), "markdown": lambda: paper.markdown(table)}
    assert out == expected[kind]()


def test_only_what_broke_makes_it_end_with_1(table):
    assert command._lacking(table)
    assert not command._lacking(dataclasses.replace(table, lines=table.lines[::2]))
    absent = dataclasses.replace(table.lines[1], why=("Not in this sweep: no run has k=20.",))
    assert not command._lacking(dataclasses.replace(table, lines=(absent,)))


# MLflow


def swept(folder):
    """The results folder of a joined sweep."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        plan = sweeping.computed(
            *sweeping.collection(folder / "pictures", ("red", "green"), each=10),
            *("experiment=none", "backbone=pixels", "k=2", "classifier=none", "retrieval=none"),
        )
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
    return str(folder / "results")


@pytest.fixture
def sweep(tmp_path_factory, tmp_path):
    shutil.copytree(once(tmp_path_factory, "paper", swept)[1], tmp_path / "results")
    plan = ledger.saved_plans()[-1]
    return plan, sweeping.rows_of(plan), f"sqlite:///{tmp_path}/results/mlflow.db"


def test_a_table_is_recorded_once_and_changed_in_place(sweep, table):
    plan, found, uri = sweep
    before = sweeps.record(sweeping.answer_of(plan, found), uri)
    own = dataclasses.replace(table, sweep=plan.sweep)
    paper.write(own, paper.folder(own.name, own.sweep))
    reports = [sweeps.record(sweeping.answer_of(plan, found), uri) for _ in range(2)]
    assert (before.created, before.updated) == (len(found) + 1, 0)
    assert [(one.created, one.updated) for one in reports] == [(0, 1), (0, 0)]
    better = dataclasses.replace(own, lines=(dataclasses.replace(own.lines[0], ours=0.55, difference=0.0),))
    paper.write(better, paper.folder(own.name, own.sweep))
    assert sweeps.record(sweeping.answer_of(plan, found), uri).updated == 1
    told = sweeps.summary(sweeping.answer_of(plan, found), "pictures", "")
    assert told.metrics["paper/k-means_ on pixels"] == 0.55


def test_what_a_table_tells_mlflow(sweep, table):
    plan, found, _ = sweep
    own = dataclasses.replace(table, sweep=plan.sweep)
    paper.write(own, paper.folder(own.name, own.sweep))
    told = sweeps.summary(sweeping.answer_of(plan, found), "pictures", "")
    assert {name: value for name, value in told.metrics.items() if name.startswith("paper/")} == {
        "paper/k-means_ on pixels": 0.54,
        "paper/k-means_ on pixels published": 0.55,
        "paper/k-means_ on pixels difference": -0.01,
        f"paper/{own.lines[1].name} published": 0.6,
    }
    assert told.curves["paper/shares"] == {1: 0.7, 2: 0.6} and told.curves["paper/shares published"] == {1: 0.9, 2: 0.8}
    attached = {file.path.name for file in told.files if file.folder == "paper"}
    assert attached == {"paper.md", "paper.csv", "index.html", "published.png"}
    note = told.tags[sweeps.NOTE]
    assert "| k-means, on pixels | 55.00 % | 54.00 % [53.00, 56.00], 5 seeds | -1.00 points |" in note
    assert "diag in place of full" in note and len(note) <= rows.TAG_CHARACTERS
    early = sweeps.summary(sweeping.answer_of(plan, found), "pictures", "", pages=False)
    assert not [name for name in early.metrics if name.startswith("paper/")], "another job may be writing it"


def test_a_sweep_of_no_paper_has_no_table(sweep):
    plan, found, _ = sweep
    assert published.table_of(plan) is None
    assert not [
        name
        for name in sweeps.summary(sweeping.answer_of(plan, found), "pictures", "").metrics
        if name.startswith("paper/")
    ]
