"""What is typed otherwise than it is meant: each says what was received, what is allowed and the line to type."""

import contextlib
import io
import os
import socket
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from backbench import cli

LEXER = ("mismatched input", "token recognition", "no viable alternative", "extraneous input", "<EOF>", "Traceback")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working folder, with collections of every kind in it."""
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    for name in ("BACKBENCH_STORE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    here = tmp_path / "here"
    for name in ("photos", "my photos", "a=b", "caltech101"):
        for label in ("ants", "bees"):
            (here / name / label).mkdir(parents=True)
            for i in range(6):
                Image.new("RGB", (16, 16), (i * 20, len(label), 7)).save(here / name / label / f"{i}.png")
    monkeypatch.chdir(here)
    rows = np.random.default_rng(0).normal(size=(90, 64)).astype("f4")
    np.savez("e.npz", features=rows, labels=np.arange(90) % 3)
    (here / "labels.csv").write_text(
        "path,label\n" + "".join(f"{c}/{i}.png,{c}\n" for c in ("ants", "bees") for i in range(6))
    )
    with zipfile.ZipFile("p.zip", "w") as archive:
        archive.write("photos/ants/0.png", "ants/0.png")
    return here


def status_of(*words) -> int:
    try:
        return cli.main(list(words))
    except SystemExit as stopped:
        return stopped.code or 0


def call(capsys, *words) -> tuple[int, str]:
    """Exit status and what is on stderr."""
    status = status_of(*words)
    err = capsys.readouterr().err
    assert not [phrase for phrase in LEXER if phrase in err]
    return status, err


def refusal(capsys, *words) -> str:
    status, err = call(capsys, *words)
    assert status == 2, err
    return err


# Overrides: what is typed, what the error says, and the whole line to type ('' where that is not certain)
OVERRIDES = [
    (["k=2-15"], "received '2-15', which is not a number", "k=2..15"),
    (["k=2–15"], "en dash", "k=2..15"),
    (["k=2...15"], "For 2 to 15 write k=2..15", "k=2..15"),
    (["k=2…15"], "horizontal ellipsis", "k=2..15"),
    (["k=2:15"], "For 2 to 15", "k=2..15"),
    (["k=2 to 15"], "For 2 to 15", "k=2..15"),
    (["k=15..2"], "has no numbers", "k=2..15"),
    (["k=2..10..2"], "has a step", "'k=range(2,11,2)'"),
    (["k=2-5,10"], "'2-5'", "k=2..5,10"),
    (["k=2.."], "without one of its ends", ""),
    (["k=..9"], "without one of its ends", ""),
    (["classifier.C=0.1..0.5"], "listed one by one", ""),
    (["clusterer.n_init=2-5"], "is not a number", "clusterer.n_init=2..5"),
    (["k=", "5"], "2 words", "k=5"),
    (["k", "=5"], "2 words", "k=5"),
    (["k", "=", "5"], "3 words", "k=5"),
    (["k=5", "10"], "2 words", "k=5,10"),
    (["k=5 10"], "several numbers", "k=5,10"),
    (["k=2;3"], "several numbers", "k=2,3"),
    (["k="], "k= has no value", ""),
    (["classifier="], "allowed: gradient_boosting", ""),
    (["dataset.root="], "has no value", ""),
    (["=5"], "received the key ''", ""),
    (["k==5"], "second =", "k=5"),
    (["k:5"], "colon", "k=5"),
    (["dataset.root:photos"], "colon", "dataset.root=photos"),
    (["-k", "5"], "k is a key", "k=5"),
    (["-k=5"], "k is a key", "k=5"),
    (["--k=5"], "k is a key", "k=5"),
    (["--k", "5"], "k is a key", "k=5"),
    (["–k", "5"], "2 words", "k=5"),
    (["K=5"], "Did you mean 'k'", "k=5"),
    (["k=[2,3"], "unmatched", "k=2,3"),
    (["k=[2,3]"], "list in brackets", "k=2,3"),
    (["k=(2,3)"], "list in brackets", "k=2,3"),
    (["k='5"], "unmatched", "k=5"),
    (["k=}"], "unmatched", ""),
    (["k=1,,2"], "comma with no value", "k=1,2"),
    (["classifier.C=1,10,"], "comma with no value", "classifier.C=1,10"),
    (["classifier=svm,"], "comma with no value", "classifier=svm"),
    (["classifier=svm,", "knn"], "2 words", "classifier=svm,knn"),
    (["classifier=svm;knn"], "separated by commas", "classifier=svm,knn"),
    (["classifier=svm knn"], "separated by commas", "classifier=svm,knn"),
    (["classifier=all"], "glob(*)", "'classifier=glob(*)'"),
    (["classifier=SVM"], "Did you mean 'svm'", "classifier=svm"),
    (["classifier=svn"], "Did you mean 'svm'", "classifier=svm"),
    (["clustererr=kmeans"], "Did you mean 'clusterer'", "clusterer=kmeans"),
    (["image.size=32"], "backbone.image.size", "backbone.image.size=32"),
    (["root=~/photos"], "dataset.root", "'dataset.root=~/photos'"),
    (["k=5,seed=1"], "2 overrides in one word", "k=5 seed=1"),
    (["k=5 seed=1"], "2 overrides in one word", "k=5 seed=1"),
    (["“k=5”"], "left double quotation mark", "k=5"),
    (["k=“5”"], "left double quotation mark", "k=5"),
    (["k\u00a0=5"], "no-break space", "k=5"),
    (["classifier=svm(rbf)"], "received 'svm(rbf)'", ""),
    (["classifier.kernel=r#f"], "is quoted", ""),
    (["dataset.classes=[IMG (2023),b]"], "others in quotes", "\"dataset.classes=['IMG (2023)',b]\""),
    (["k=99999999999999999999"], "20 digits", ""),
    (["k=1..10000000"], "10,000,000 numbers", ""),
    (["k=" + "9" * 5000], "5,000 digits", ""),
    (["seed=-1"], "axis.seed", ""),
    (["k=${seed}", "seed=${k}"], "refers to itself", ""),
    (["a=" + "[" * 10_000 + "]" * 10_000], "brackets 10,000 deep", ""),
    (["a=" + "[" * 10_000], "brackets 10,000 deep", ""),
    ([".".join(["a"] * 5000) + "=1"], "a key of 5,000 parts", ""),
    (["backbone=pixels", "backbone.precision=int8"], "allowed: backbone.image, backbone.name.\n", ""),
    (
        ["backbone=efficientnet_lite0", "backbone.presicion=int8"],
        "Did you mean 'backbone.precision'",
        "backbone=efficientnet_lite0 backbone.precision=int8",
    ),
    (["backbone=efficientnet_lite0", "backbone.precision=INT8"], "Did you mean 'int8'", ""),
    (["k=atuo"], "Did you mean 'auto'", ""),
    (["dataset=photos"], "A path is named alone", "photos"),
    (["dataset=~/photos"], "A path is named alone", "'~/photos'"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said", "line"), OVERRIDES, ids=[" ".join(words)[:30] for words, *_ in OVERRIDES])
def test_an_override_that_is_not_meant_so(capsys, words, said, line):
    err = refusal(capsys, "plan", "experiment=none", *words)
    assert said in err
    typed = [text.strip().removeprefix("type: ") for text in err.splitlines() if text.startswith("  type: ")]
    assert typed == ([f"backbench plan experiment=none {line}"] if line else [])


# Words that are no overrides
WORDS = [
    (["svm"], "classifier=svm", "classifier=svm"),
    (["svm,"], "classifier=svm", "classifier=svm"),
    (["svm,knn"], "classifier=svm,knn", "classifier=svm,knn"),
    (["svm,", "knn"], "classifier=svm,knn", "classifier=svm,knn"),
    (["none"], "classifier=none or", ""),
    (["kmens"], "Did you mean clusterer=kmeans", "clusterer=kmeans"),
    (["k"], "it is a key", ""),
    (["classifier"], "classifier=OPTION with", ""),
    (["mnist"], "dataset=mnist", "dataset=mnist"),
    (["./phots"], "Did you mean '{here}/photos'", "{here}/photos"),
    (["Photos/"], "Did you mean '{here}/photos'", "{here}/photos"),
    (["photos/antz"], "Did you mean '{here}/photos/ants'", "{here}/photos/ants"),
    (["nowhere/at/all"], "There is no {here}/nowhere", ""),
    (["~/no_such_folder"], "there is no such file or folder (looked for", ""),
    (["gone.zip"], "there is no such file or folder (looked for {here}/gone.zip)", ""),
    (["./c=d"], "looked for {here}/c=d", ""),
    (["my", "photos"], "quote a path that contains spaces", "'my photos'"),
    (["dataset.root=my", "photos"], "quote a path that contains spaces", "'dataset.root=my photos'"),
    (["photos/ants/0.png"], "is one image; give the folder: {here}/photos/ants", ""),
    (["caltech101"], "For the collection, type dataset=caltech101; for the path, type ./caltech101", ""),
    (["photos", "my photos"], "received 2 collections: photos, my photos; allowed: one", ""),
    (["photos", "e.npz"], "backbone=precomputed backbone.path={here}/e.npz", ""),
    (["labels.csv", "photos"], "dataset.root={here}/photos dataset.csv={here}/labels.csv", ""),
    (["photos", "dataset=caltech101"], "type backbench plan dataset=caltech101 dataset.root={here}/photos", ""),
    (["photos", "dataset.root=x"], "which names another", ""),
    (["photos", "dataset.path=e.npz"], "which names another", ""),
    (["e.npz", "dataset.root=photos"], "which names another", ""),
    (["p.zip", "dataset.url=https://example.org/p.zip"], "which names another", ""),
    (["labels.csv", "dataset.csv=labels.csv"], "which names another", ""),
    (["s3://bucket/x"], "allowed: http, https", ""),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said", "line"), WORDS, ids=[" ".join(words) for words, *_ in WORDS])
def test_a_word_that_is_neither_override_nor_collection(capsys, folder, words, said, line):
    err = refusal(capsys, "plan", "experiment=none", *words)
    assert said.format(here=folder) in err
    typed = [text.strip().removeprefix("type: ") for text in err.splitlines() if text.startswith("  type: ")]
    assert typed == ([f"backbench plan experiment=none {line.format(here=folder)}"] if line else [])


# Collections: what is typed, and the overrides that it stands for
COLLECTIONS = [
    (["photos"], "dataset=folder dataset.root={here}/photos"),
    (["./photos/"], "dataset=folder dataset.root={here}/photos"),
    (["photos/../photos/."], "dataset=folder dataset.root={here}/photos"),
    (["k=2", "photos"], "dataset=folder dataset.root={here}/photos"),
    (["my photos"], "dataset=folder 'dataset.root={here}/my photos'"),
    (["a=b"], "dataset=folder dataset.root={here}/a=b"),
    (["./caltech101"], "dataset=folder dataset.root={here}/caltech101"),
    (["file://{here}/my%20photos"], "dataset=folder 'dataset.root={here}/my photos'"),
    (["labels.csv", "dataset.root=photos"], "dataset=folder dataset.csv={here}/labels.csv dataset.root=photos"),
    (["photos", "dataset.csv=labels.csv"], "dataset=folder dataset.root={here}/photos dataset.csv=labels.csv"),
    (["photos", "dataset=folder", "dataset.sample=11"], "dataset.root={here}/photos"),
    (["e.npz"], "dataset=embeddings dataset.path={here}/e.npz backbone=precomputed"),
]


@pytest.mark.parametrize(("words", "meant"), COLLECTIONS, ids=[" ".join(words) for words, _ in COLLECTIONS])
def test_a_path_is_the_collection_and_is_shown_first(capsys, folder, words, meant):
    words = [word.format(here=folder) for word in words]
    status, err = call(capsys, "plan", "experiment=none", "classifier=none", "k=2", *words)
    assert status == 0, err
    assert err.splitlines()[0] == f"collection: {meant.format(here=folder)}"


def test_a_path_stands_behind_options_too(capsys, folder):
    status, err = call(capsys, "plan", "experiment=none", "--cores", "2", "photos")
    assert status == 0 and err.startswith(f"collection: dataset=folder dataset.root={folder}/photos\n")


def test_home_and_here(capsys, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert call(capsys, "plan", "experiment=none", "~/photos")[1].startswith(
        f"collection: dataset=folder dataset.root={folder}/photos\n"
    )
    assert call(capsys, "plan", "experiment=none", "dataset=folder", "dataset.root=~/my photos")[0] == 0
    monkeypatch.chdir(folder / "photos")
    assert f"dataset.root={folder}/photos\n" in call(capsys, "plan", "experiment=none", ".")[1]


def test_embeddings_alone_are_planned_by_the_default_experiment(capsys):
    status, err = call(capsys, "plan", "e.npz", "k=5,10")
    assert status == 0 and "backbone=precomputed" in err.splitlines()[0]


def test_a_backbone_that_was_asked_for_stays(capsys):
    assert "use backbone=precomputed" in refusal(capsys, "plan", "experiment=none", "e.npz", "backbone=pixels")


def test_an_audit_takes_a_path(capsys, folder):
    status, err = call(capsys, "audit", "photos", "--json")
    assert status == 0 and err.startswith("collection: dataset=folder")
    assert call(capsys, "audit", "p.zip", "--json")[1].startswith("collection: dataset=archive")


def test_a_paper_brings_its_own_collection(capsys, folder):
    err = refusal(capsys, "paper", "animals_vgg16", "photos", "k=3")
    assert f"type backbench paper animals_vgg16 dataset.root={folder}/photos k=3" in err
    assert f"type backbench paper animals_vgg16 dataset=folder dataset.root={folder}/photos k=3" in err


# Commands and options
COMMAND_LINES = [
    (["swep"], "did you mean sweep?", "backbench sweep"),
    (["swep", "photos", "--cores", "2"], "Commands: audit, doctor, plan", "backbench sweep photos --cores 2"),
    (["Sweep"], "did you mean sweep?", "backbench sweep"),
    (["photos"], "it is a path", "backbench sweep photos"),
    (["k=5"], "it is a key", "backbench sweep k=5"),
    (["--cores", "4", "sweep"], "options come after the command", "backbench sweep --cores 4"),
    (["qqqqq"], "there is no command 'qqqqq'.", ""),
    (["sweep", "--core", "4"], "did you mean --cores?", "backbench sweep --cores 4"),
    (["sweep", "photos", "--core=4", "k=2"], "did you mean --cores?", "backbench sweep photos --cores=4 k=2"),
    (["runs", "--sortt", "nmi"], "did you mean --sort?", "backbench runs --sort nmi"),
    (["runs", "--format", "jsn"], "Did you mean 'json'?", "backbench runs --format json"),
    (["export", "best", "--for=tensorbord"], "Did you mean 'tensorboard'?", "backbench export best --for=tensorboard"),
    (["store", "vrify"], "Did you mean 'verify'?", "backbench store verify"),
    (["sweeps", "remove", "x"], "action: received 'remove'; allowed: ls, rm.", "backbench sweeps rm x"),
    (["show", "--format", "x", "x"], "--format: received 'x'; allowed: table, json.", ""),
    (["export", "x", "y", "--format", "onnx"], "did you mean --onnx?", "backbench export x --onnx --to y"),
    (["export", "x", "--format=onnx"], "did you mean --onnx?", "backbench export x --onnx"),
    (["export", "x", "--format", "csv"], "did you mean --for?", ""),
    (["export", "--onxn"], "did you mean --onnx?", ""),
    (["exprt", "x", "y"], "did you mean export?", "backbench export x --to y"),
    (["report", "x", "y"], "received y, and there is no place for it", "backbench report x --to y"),
    (["show", "x", "y", "z"], "received y z, and there is no place for it", ""),
    (["sweep", "-n"], "Snakemake's options come after --: backbench sweep -- -n", ""),
    (["audit", "--xyz"], "Allowed: --cores, --help, --json, --labels, --strict, -h.", ""),
]


@pytest.mark.parametrize(("words", "said", "line"), COMMAND_LINES, ids=[" ".join(words) for words, *_ in COMMAND_LINES])
def test_a_command_or_option_that_there_is_not(capsys, words, said, line):
    err = refusal(capsys, *words)
    assert said in err
    typed = [text.strip().removeprefix("type: ") for text in err.splitlines() if text.startswith("  type: ")]
    assert typed == ([line] if line else [])


def test_what_stands_behind_the_dashes_stays_in_the_line_to_type(capsys):
    assert "type: backbench sweep k=2..5 -- -n" in refusal(capsys, "sweep", "k=2-5", "--", "-n")


@pytest.mark.parametrize("words", [["help"], ["help", "sweep"], ["sweep", "help"], ["--help"], ["plan", "--help"]])
def test_every_way_to_ask_for_help(capsys, words):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert not stopped.value.code and capsys.readouterr().out.startswith("usage: backbench")


def test_a_command_that_follows_its_own_advice_is_planned(capsys):
    line = refusal(capsys, "plan", "experiment=none", "./phots", "k=2-4").split("type: backbench ")[1].split()
    line = refusal(capsys, *line).split("type: backbench ")[1].split()
    assert call(capsys, *line)[0] == 0


# Ports


@pytest.mark.parametrize("port", ["80000", "0", "-5", "65536", "many", "5000.5", "", "9" * 5000, "٣"])
def test_a_port_that_is_none(capsys, port):
    assert f"--port: received {port}; allowed: 1 to 65535" in refusal(capsys, "ui", "--port", port)


def test_a_port_that_is_taken_names_a_free_one(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        err = refusal(capsys, "ui", "--port", str(port))
    assert f"--port: received {port}; the port is already in use" in err
    assert f"http://127.0.0.1:{port}, or type backbench ui --port " in err


@pytest.mark.parametrize("host", ["nowhere.invalid", "1.2.3.4", "a" * 300, "", " "])
def test_a_host_that_is_not_this_machine(capsys, host):
    assert f"--host: received {host!r}" in refusal(capsys, "ui", "--host", host)


# Anything

ATOMS = (
    "k seed dataset dataset.root dataset.csv classifier svm clusterer.n_init backbone.weights none = == : .. ... - -- "
    "~ ~/ ./ 2 15 1e3 -1 99999999999999999999 , [ ] { } ( ) ' \" \\ ${ ${k} range( choice( glob(*) é – “ * ? # @ + ++ "
    "& | ; photos labels.csv e.npz http:// file:// C:\\ % ! null nan help --list exclude"
)
ATOM = st.sampled_from([*ATOMS.split(), " ", "\t", "\n", "\0", "\u00a0", "\udcff"])
KEYS = st.sampled_from(
    ["k=", "seed=", "dataset.root=", "classifier=", "dataset.sample=", "exclude=", "dataset.classes="]
)
TYPED = st.builds(lambda start, rest: start + "".join(rest), st.just("") | KEYS, st.lists(ATOM, max_size=5))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TYPED, min_size=1, max_size=3))
@example(["file://\0"])
def test_nothing_that_is_typed_ends_in_a_traceback(words):
    environment = dict(os.environ)
    # As the interpreter's own: what cannot be encoded is escaped.
    screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    try:
        with contextlib.redirect_stderr(screen), contextlib.redirect_stdout(screen):
            status = status_of("plan", "experiment=none", *words)
    finally:
        os.environ.clear()
        os.environ.update(environment)
    screen.seek(0)
    assert status in (0, 2), (ascii(words), ascii(screen.read()))
