"""The benchmark of a GPU: its checks hold on PyTorch, its networks are torchvision's, a killed run leaves a page."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from backbench import paths

HERE = paths.CHECKOUT / "benchmarks"
DEVICES = ("torch", *(["cuda"] if torch.cuda.is_available() else []))
CHECKS = (
    *("neighbours", "scores", "components", "k-means", "mixtures", "learnt labels", "linear heads"),
    *("exact products", "extraction", "training"),
)
# What a machine with a GPU may lack.
LACKING = (
    *("PIL", "hydra", "jinja2", "matplotlib", "mlflow", "omegaconf", "openvino", "pooch", "rich"),
    *("safetensors", "skops", "snakemake", "statsmodels", "timm", "torchvision", "umap", "yaml"),
)


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """The modules of the folder can be imported."""
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """The environment of a process that has PyTorch, numpy, scikit-learn and pandas, and lacks everything else."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({LACKING}))\n")
    return os.environ | {"PYTHONPATH": str(tmp_path)}


def asked(**changes):
    from _gpu_part import Clock

    common = {
        "device": "cpu",
        "size": "tiny",
        "threads": 1,
        "before": {},
        "clock": Clock(60),
        "begin": lambda name: True,
    }
    return {**common, **changes}


def data(records):
    state = dict.fromkeys(("machine", "extraction"), "done")
    about = {"command": "c", "size": "tiny", "device": "cpu", "gpu": "", "planned": ["machine", "checks", "extraction"]}
    return {**about, "state": state, "breaks": [], "records": records}


# ------------------------------------------------------------------------------------------------ checks, networks


def test_every_check_is_run_here():
    import _device_checks

    assert tuple(_device_checks.EVERYWHERE) == CHECKS


@pytest.mark.parametrize("on", DEVICES)
@pytest.mark.parametrize("check", CHECKS)
def test_a_device_agrees_with_the_cpu(check, on):
    import _device_checks

    agreements = _device_checks.EVERYWHERE[check](on)
    assert agreements and not [each for each in agreements if not each.holds]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")
@pytest.mark.parametrize("check", ["compiled", "exhaustion"])
def test_a_gpu_compiles_and_runs_out_of_memory(check):
    import _device_checks

    assert not [each for each in _device_checks.ON_A_GPU[check]("cuda") if not each.holds]


def test_checks_see_what_is_off():
    from _device_agreement import Agreement, different, each, relative, turned, unlike

    x = torch.arange(12.0).reshape(4, 3).numpy()
    assert (
        different([x], [x]) == 0 and different([x], [x + (x == 5)]) == 1 and different([x * float("nan")] * 2, [x] * 2)
    )
    assert relative(x, 2 * x) == 0.5 and each([1.0, 2e-9], [1.0, 1e-9]) == 1
    assert relative([float("nan")], [1.0]) == each([float("nan")], [1.0]) == float("inf")
    assert turned(x, -x) == pytest.approx(2) and unlike(x[:, 0] > 3, x[:, 0] > 3) == 0
    assert not Agreement("", "", float("nan"), 1).holds


@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "resnet50", "vit_b_16", pytest.param("vgg16", marks=pytest.mark.thorough)]
)
def test_networks_are_those_of_torchvision(name):
    import _networks
    from torchvision import models

    with torch.device("meta"):
        options = {"image_size": 32} if name == "vit_b_16" else {}
        theirs, ours = getattr(models, name)(**options).eval(), _networks.build(name, 32)
    if name == "vgg16":
        theirs.classifier = theirs.classifier[:5]
    else:
        setattr(
            theirs, {"mobilenet_v2": "classifier", "resnet50": "fc", "vit_b_16": "heads"}[name], torch.nn.Identity()
        )
    torch.manual_seed(0)
    state = {key: torch.rand(each.shape).mul_(0.04).to(each.dtype) for key, each in theirs.state_dict().items()}
    theirs.load_state_dict(state, assign=True)
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)), assign=True)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-5)


def test_dinov2_has_its_shape():
    import _networks

    with torch.device("meta"):
        network = _networks.build("dinov2_s_14", 518)
        assert network(torch.zeros(1, 3, 518, 518)).shape == (1, 384)
    # Those of the published ViT-S/14, without the token that masks patches.
    assert sum(each.numel() for each in network.parameters()) == 22_056_192


# ------------------------------------------------------------------------------------------------ parts, page


def test_parts_measure_and_the_page_marks_what_is_missing():
    import _gpu_extraction
    import _gpu_families
    import _gpu_jpegs
    import _gpu_machine
    import _gpu_page

    parts = {
        "machine": _gpu_machine,
        "extraction": _gpu_extraction,
        "JPEG files": _gpu_jpegs,
        "200 rows": _gpu_families,
    }
    records = [{"part": name, **record} for name, module in parts.items() for record in module.measure(asked(rows=200))]
    made = data(json.loads(json.dumps(records, allow_nan=False)))
    assert _gpu_page.wrong(made) == []
    page = _gpu_page.page(made)
    assert _gpu_page.name(made) == "gpu-cpu-trial" and "A trial of the script on a CPU" in page
    assert "| mobilenet_v2 | float32 | torch |" in page and "8 files of" in page
    assert "- Part *checks*: not measured." in page and "### 600 rows of 128 columns" in page
    few = page[page.index("### 200 rows") : page.index("### 300 rows")]
    assert "not measured" not in few and few.count("1 - recall of") == 1
    assert page[page.index("### 300 rows") : page.index("### 600 rows")].count("not measured") == 8


def test_what_is_wrong_is_named():
    import _gpu_page

    agreement = {"what": "labels", "measure": "share", "off": 0.2, "allowed": 0.1, "holds": False}
    record = {
        "family": "lloyd",
        "n": 1000,
        "way": "CPU",
        "measure": "inertia",
        "off": 2.0,
        "allowed": 1,
        "holds": False,
    }
    made = data([{"part": "checks", "check": "k-means", "agreements": [agreement]}, {"part": "1,000 rows", **record}])
    made["breaks"].append("extraction, vgg16: it broke: no word")
    made["state"]["checks"] = "ended after its 95 s, at training"
    assert _gpu_page.wrong(made) == [
        "k-means: labels, share: 0.2, allowed 0.1",
        "lloyd of 1,000 rows: CPU, inertia: 2, allowed 1",
        "the checks are not complete",
        "extraction, vgg16: it broke: no word",
    ]
    assert _gpu_page.page(made).count("**wrong**") == 5


def test_a_gpu_names_the_page():
    import _gpu_page

    assert _gpu_page.name(data([]) | {"device": "cuda", "gpu": "NVIDIA GeForce RTX 4090"}) == "gpu-rtx-4090"
    assert _gpu_page.name(data([]) | {"device": "cuda", "gpu": "NVIDIA H200"}) == "gpu-h200"


def test_what_cannot_be_compiled_is_named_and_not_wrong(monkeypatch, tmp_path):
    import _gpu_extraction
    import _gpu_machine
    import _gpu_page

    monkeypatch.setenv("CC", str(tmp_path / "absent"))
    monkeypatch.setenv("CXX", str(tmp_path / "absent"))
    about = _gpu_machine.about("cpu")
    assert about["compiler"] == "none" and about["lacking"] == "no C++ compiler"
    begun = []
    measured = asked(size="small", begin=lambda name: begun.append(name))
    assert [*_gpu_extraction.measure(measured)] == [] and begun and not [name for name in begun if "inductor" in name]
    absent = {"part": "checks", "check": "compiled", "absent": "not measured: no C++ compiler"}
    made = data([{"part": "machine", "about": about}, absent]) | {"size": "small"}
    page = _gpu_page.page(made)
    assert "| compiled | not measured: no C++ compiler |" in page and "Compiled networks: not measured, no C++" in page
    assert "| tiny | float32 | inductor | not measured: no C++ compiler |" in page and _gpu_page.wrong(made) == []


def test_headers_are_looked_for_with_the_compiler(monkeypatch):
    import sysconfig

    import _gpu_machine

    if not _gpu_machine.compiler("cpu"):
        pytest.skip("there is no C++ compiler")
    monkeypatch.setattr(sysconfig, "get_paths", lambda scheme: {"include": "/nowhere"})
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", "")
    assert _gpu_machine.lacking("cpu") == "no Python headers"


# ------------------------------------------------------------------------------------------------ the command


def test_the_environment_of_a_part(monkeypatch):
    import gpu

    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    for visible, first in (("2,3", "2"), ("", ""), ("MIG-a", "MIG-a"), (None, "0")):
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        made = gpu._environment()
        assert made["CUDA_VISIBLE_DEVICES"] == first and "NVIDIA_TF32_OVERRIDE" not in made
    assert made["PYTHONPATH"] == str(paths.CHECKOUT / "workflow")


def test_the_folder_of_the_page_is_not_on_it():
    import gpu

    assert gpu._public(["--output", "a", "--small", "--output=b"]) == [
        "--output",
        "FOLDER",
        "--small",
        "--output=FOLDER",
    ]


def command(folder, *words):
    return [sys.executable, str(HERE / "gpu.py"), "--device", "cpu", "--tiny", "--output", str(folder), *words]


def test_a_killed_run_leaves_what_was_measured(tmp_path, bare):
    rounds, page = (tmp_path / "out" / f"gpu-cpu-trial.{ending}" for ending in ("json", "md"))
    process = subprocess.Popen(command(tmp_path / "out"), env=bare, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        while not rounds.exists() or "linear heads" not in rounds.read_text():
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    made = json.loads(rounds.read_text())
    assert made["state"]["machine"] == "done" and made["state"]["checks"] == "stopped while it ran"
    assert "PIL" in made["records"][0]["about"]["absent"]
    text = page.read_text()
    assert "| linear heads | coefficients of linear probes |" in text and "- Part *extraction*: not measured." in text


@pytest.mark.thorough
def test_a_run_on_a_bare_machine(tmp_path, bare):
    done = subprocess.run(command(tmp_path / "out"), env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads((tmp_path / "out" / "gpu-cpu-trial.json").read_text())
    assert set(made["state"].values()) == {"done"} and len(made["state"]) == 7
    assert "Pillow, which decodes JPEG files, is not installed" in (tmp_path / "out" / "gpu-cpu-trial.md").read_text()


@pytest.mark.thorough
def test_without_a_gpu_it_says_how_to_try_it():
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, str(HERE / "gpu.py")], capture_output=True, text=True, env=environment)
    message = "sees no CUDA device; to try this on a CPU: --device cpu --small --output FOLDER"
    assert done.returncode == 2 and message in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "cpu"], "is a trial: give --output FOLDER"),
        (["--parts", "extractions"], "received extractions; allowed: machine, checks, extraction"),
    ],
)
def test_what_cannot_be_is_refused(words, message):
    done = subprocess.run([sys.executable, str(HERE / "gpu.py"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and message in done.stderr
