"""The command line: help, exit statuses, and what goes to which stream."""

import os
import re
import subprocess
import sys
import time

import pytest

from backbench import cli, first_words, paths, planning
from backbench.cli import _first_words
from backbench.engine.plan import frozen
from backbench.engine.results import ledger
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import describing

HEAVY = ("torch", "sklearn", "mlflow", "scipy", "pandas", "torchvision", "umap", "PIL", "matplotlib")
GRID = ("plan", "sweep")


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("BACKBENCH_STORE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "results"


@pytest.fixture
def sweep():
    """The plan of two runs, saved, with a record of every member but one clustering, which failed."""
    made = planning.make(["experiment=none", "dataset.sample=100", "k=2,3"]).plan
    frozen.save(made)
    store = Store(paths.store())
    metrics = {
        "clustering": {"nmi": 0.25, "silhouette": None},
        "classification": {"val_accuracy": 0.5, "accuracy": 0.75},
    }
    failed = max(key for key, stage in made.stages.items() if stage.kind == "clustering")
    for key, stage in made.stages.items():
        body = {
            "status": "failed" if key == failed else "done",
            "reason": "did not converge" if key == failed else None,
            "config": dict(stage.config),
            "code": stage.code,
            "metrics": {} if key == failed else metrics.get(stage.kind, {}),
            "notes": {"silhouette": "one cluster", "nmi": "a remark"} if stage.kind == "clustering" else {},
            "info": {"label_digest": "0" * 64},
            "provenance": {"seconds": 0.5, "finished": 1e9, "versions": {"numpy": "2"}, "device": "cpu", "threads": 1},
        }
        store.write(stage.kind, key, body, {})
    return made


def call(capsys, *words) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    try:
        code = cli.main(list(words))
    except SystemExit as stopped:
        code = stopped.code
    found = capsys.readouterr()
    return code or 0, found.out, found.err


def assert_refused(capsys, *words) -> str:
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, ""), err
    assert "Traceback" not in err
    return err


# Help


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_of_every_command(capsys, name):
    code, out, err = call(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert f"backbench {name}" in out
    about = cli.COMMANDS[name]
    assert about[1:20] in " ".join(out.split())


def test_a_command_that_takes_longer_says_what_it_does_on_stderr_alone(monkeypatch, capsys):
    assert list(_first_words.DOING) == list(cli.COMMANDS)
    monkeypatch.setattr(first_words, "PATIENCE", 0.0)
    with _first_words.announced("audit"):
        while not (printed := capsys.readouterr()).err:
            pass
    assert (printed.out, printed.err) == ("", "backbench audit: looking at the collection\n")


def test_a_command_that_has_said_something_says_no_more_of_what_it_does(monkeypatch, capsys):
    monkeypatch.setattr(first_words, "PATIENCE", 0.2)
    with _first_words.announced("sweep"):
        describing.say("266 runs")
        time.sleep(0.3)
    assert capsys.readouterr().err == "266 runs\n"


@pytest.mark.parametrize("name", GRID)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_a_grid_lists_every_group_and_option(capsys, name, flag):
    _, out, _ = call(capsys, name, flag)
    for folder in paths.conf().iterdir():
        if folder.is_dir():
            (line,) = re.findall(rf"^  {folder.name} +(.*)$", out, re.MULTILINE)
            assert line.split(", ") == sorted(path.stem for path in folder.glob("*.yaml"))


def test_help_lists_every_command(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0 and all(re.search(rf"^ +{name}\b", out, re.MULTILINE) for name in cli.COMMANDS)


def test_it_is_a_module_as_well():
    shown = subprocess.run([sys.executable, "-m", "backbench", "sweep", "--help"], capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("usage: backbench sweep ")


def test_the_version(capsys):
    from backbench import __version__

    assert call(capsys, "--version")[:2] == (0, f"backbench {__version__}\n")


@pytest.mark.parametrize("words", [["--help"], ["sweep", "--help"], ["plan", "--help"], ["reproduce", "--help"]])
def test_help_imports_nothing_heavy(words):
    program = (
        f"import sys; from backbench import cli\ntry: cli.main({words!r})\nexcept SystemExit: pass\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "backbench" in loaded and not loaded & {*HEAVY, "numpy", "hydra", "snakemake", "rich"}


# Refusals


def test_without_a_command_it_says_which_there_are(capsys):
    assert "COMMAND" in assert_refused(capsys)
    assert "leaderboard" in assert_refused(capsys, "leaderbord")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "clustererr=kmeans"], "Did you mean 'clusterer'"),
        (["plan", "clusterer=kmean"], "Did you mean 'kmeans'"),
        (["plan", "experiment=none", "k=3001"], "3001"),
        (["plan", "k"], "it is a key. Allowed: k=VALUE"),
        (["plan", "experiment=none", "execution.device=gpu"], "execution.device"),
        (["plan", "--cores", "many"], "--cores"),
        (["plan", "--cores", "0"], "--cores"),
        (["plan", "--cores", "²"], "--cores"),
        (["sweep", "experiment=none", "k=0"], "axis.k"),
        (["sweep", "experiment=none", "dataset=folder"], "dataset.root"),
        (["runs", "--limit", "many"], "--limit"),
        (["runs", "--format", "xml"], "xml"),
        (["runs", "--filter", "k~3"], "--filter"),
        (["leaderboard"], "backbench sweep"),
        (["show", "abc"], "No runs are recorded"),
        (["diff", "abc", "abd"], "No runs are recorded"),
        (["reproduce", "abc"], "abc"),
        (["show"], "hash"),
    ],
)
def test_what_is_refused_says_so_on_stderr_alone(capsys, words, said):
    assert said in assert_refused(capsys, *words)


def test_a_refused_sweep_leaves_no_plan(capsys, results):
    assert_refused(capsys, "sweep", "experiment=none", "k=0")
    assert not list(results.glob("plans/*"))


@pytest.mark.parametrize("command", [["show"], ["diff"], ["reproduce"]])
def test_an_unknown_hash_names_the_nearest(capsys, sweep, command):
    known = next(iter(sweep.runs))
    wrong = known[:9] + ("0" if known[9] != "0" else "1")
    if command == ["reproduce"]:
        plan_rows = ledger.rows(sweep, ledger.read_records(sweep, Store(paths.store())))
        ledger.join(sweep, plan_rows[0].records)
    err = assert_refused(capsys, *command, wrong, *([known] if command == ["diff"] else []))
    assert wrong in err and known[:12] in err


def test_a_beginning_that_several_hashes_share_is_refused(capsys, sweep):
    assert "2 runs start with it" in assert_refused(capsys, "show", "")


def test_unknown_columns_are_refused(capsys, sweep):
    assert "Did you mean 'nmi'" in assert_refused(capsys, "runs", "--columns", "name,nmii")
    assert "Did you mean 'k'" in assert_refused(capsys, "runs", "--filter", "kk=3")
    assert "Did you mean 'nmi'" in assert_refused(capsys, "runs", "--sort=-nmii")
    assert "no recorded run" in assert_refused(capsys, "leaderboard", "--filter", "k=99")


# What the commands print


def test_plan_counts_what_is_there(capsys, sweep):
    code, out, err = call(capsys, "plan", "experiment=none", "dataset.sample=100", "k=2,3,4", "--list", "--cores", "2")
    assert code == 0
    assert re.search(r"clustering +3 +1 +2 +1 +0", err)
    assert re.search(r"retrieval +1 +1 +0 +0 +0", err)
    lines = [line.split(" ", 2) for line in out.splitlines()]
    assert sorted(status for _, status, _ in lines) == ["failed", "finished", "pending"]
    assert {full[:12] for full in sweep.runs} < {short for short, _, _ in lines}


def test_plan_writes_nothing(capsys, results):
    assert call(capsys, "plan", "experiment=none")[:2] == (0, "")
    assert not results.exists() or not [path for path in results.rglob("*") if path.is_file()]


def test_runs_for_machines_are_clean_on_stdout(capsys, sweep):
    import csv
    import io
    import json

    _, out, _ = call(capsys, "runs", "--format", "csv", "--sort", "k")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["k"] for row in rows] == ["2", "3"] and {row["status"] for row in rows} == {"finished", "failed"}
    _, out, _ = call(capsys, "runs", "--format", "json", "--filter", "status=failed", "--columns", "reason,nmi")
    assert json.loads(out) == [{"reason": "clustering: did not converge", "nmi": None}]
    _, out, _ = call(capsys, "leaderboard", "--format", "json")
    assert {row["board"] for row in json.loads(out)} == {"classification", "clustering"}


def test_show_says_why_a_metric_is_undefined(capsys, sweep):
    done = min(row.config_hash for row in ledger.all_rows(Store(paths.store())) if not row.reason)
    code, out, err = call(capsys, "show", done[:6])
    assert code == 0 and done in out and "undefined: one cluster" in out and err == ""
    assert re.search(r"^notes *\n *nmi +a remark", out, re.MULTILINE)
    (failed,) = (row.config_hash for row in ledger.all_rows(Store(paths.store())) if row.reason)
    assert "did not converge" in call(capsys, "show", failed)[1]


def test_diff_shows_what_differs(capsys, sweep):
    code, out, _ = call(capsys, "diff", *sweep.runs)
    assert code == 0 and re.search(r"^ *k +[23] +[23]", out, re.MULTILINE)
    assert "clusterer.n_init" not in out


def test_a_reader_that_goes_away_is_no_error(sweep):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    program = "from backbench.cli import main; raise SystemExit(main(['runs', '--format', 'json']))"
    reading = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    reading.stdout.close()
    assert "Traceback" not in reading.stderr.read()
    assert reading.wait() in (0, 120)


def test_overrides_and_paths_may_stand_behind_options(capsys):
    args = cli._parsed(["plan", "k=3", "--cores", "2", "seed=1", "~/photos"])
    assert args.overrides == ["k=3", "seed=1", "~/photos"] and args.cores == "2"
    assert "classifier=svm" in assert_refused(capsys, "plan", "k=3", "--cores", "2", "svm")
    with pytest.raises(ConfigError, match="received k=3, and there is no place for it"):
        cli._parsed(["runs", "--limit", "2", "k=3"])


def test_a_value_may_begin_with_a_dash():
    assert cli._parsed(["runs", "--sort", "-nmi", "--limit", "3"]).sort == "-nmi"
    assert cli._parsed(["runs", "--sort=-nmi"]).sort == "-nmi"
