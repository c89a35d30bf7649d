"""Weights from a path are checked when a sweep is planned: files of something else, and of another network."""

import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from grids import photos

from backbench import paths, planning
from backbench.backbones import _nodes
from backbench.engine.plan import weights
from backbench.schema import ConfigError

HEADER = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
ONLY = ("experiment=none", "k=2", "classifier=none", "retrieval=none")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def planned(tmp_path):
    """A function that plans a sweep with weights from a path."""
    root = photos(tmp_path / "photos", count=4)

    def make(path, backbone="resnet18", *more):
        words = [f"backbone={backbone}", f"backbone.weights={path}", *more]
        return planning.make(["dataset=folder", f"dataset.root={root}", *ONLY, *words], fingerprint=False)

    return make


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return _nodes.build("resnet18", ()).state_dict()


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("holiday.txt", "sun")


def stolen(path):
    path.write_bytes(pickle.dumps({"weight": Trap()}))


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('code in weights was run')",)


NO_WEIGHTS = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "text": (lambda path: path.write_text("my weights"), "it is text"),
    "page": (lambda path: path.write_text("<!DOCTYPE html><html>404</html>"), "a web page; the download went wrong"),
    "pointer": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"),
    "keras": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)), "an HDF5 file"),
    "zip": (zipped, "a zip archive of 1 files without PyTorch's data.pkl"),
    "noise": (lambda path: path.write_bytes(bytes(range(7, 256)) * 4), "of no known format"),
    "list": (lambda path: torch.save([1, 2], path), "is not a state dict"),
    "code": (stolen, "without running code in it"),
    "module": (lambda path: torch.save(torch.nn.Linear(2, 2), path), "without running code in it"),
}


@pytest.mark.parametrize(("write", "reason"), NO_WEIGHTS.values(), ids=NO_WEIGHTS)
def test_what_holds_no_weights_is_refused(tmp_path, planned, write, reason):
    path = tmp_path / "w.pth"
    write(path)
    with pytest.raises(ConfigError, match="state dict") as caught:
        planned(path)
    assert reason in str(caught.value) and str(path) in str(caught.value)


def test_a_file_that_was_cut_short_is_refused(tmp_path, planned, state):
    path = tmp_path / "w.pth"
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ConfigError, match="a damaged archive; a download that was cut short"):
        planned(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "not in the safetensors format"),
        (struct.pack("<Q", 1000) + b'{"a":1}', "it should have 1,008 bytes and has 15"),
        (struct.pack("<Q", 7) + b'{"a":1}', "a damaged header"),
        (struct.pack("<Q", len(HEADER)) + HEADER + bytes(4), f"it should have {len(HEADER) + 16} bytes and has"),
    ],
)
def test_the_header_of_safetensors_says_how_long_a_file_is(tmp_path, planned, content, reason):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a weights file") as caught:
        planned(path)
    assert reason in str(caught.value)


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_of_the_network_are_planned_and_checked_once(tmp_path, planned, state, legacy, capsys):
    path = tmp_path / "w.pth"
    headless = {key: value for key, value in state.items() if not key.startswith("fc.")}
    torch.save(headless, path, _use_new_zipfile_serialization=not legacy)
    first = planned(path)
    assert "checking that w.pth holds the weights of resnet18" in capsys.readouterr().err
    assert len(list((paths.results() / "weights").glob("*.json"))) == 1
    assert set(planned(path).plan.runs) == set(first.plan.runs)
    assert capsys.readouterr().err == ""


def test_weights_of_another_network_are_refused_with_the_network_that_they_fit(tmp_path, planned, state):
    path = tmp_path / "w.pth"
    torch.save(state, path)
    with pytest.raises(
        ConfigError, match=r"does not hold the weights of mobilenet_v2 up to 'avgpool': missing keys \(\d+\)"
    ) as caught:
        planned(path, "mobilenet_v2")
    assert str(caught.value).endswith(f"They fit resnet18: backbone=resnet18 backbone.weights={path}")
    assert not (paths.results() / "weights").exists()


def test_other_shapes_are_named(tmp_path, planned, state):
    path = tmp_path / "w.pth"
    torch.save({**state, "conv1.weight": torch.zeros(64, 1, 7, 7)}, path)
    with pytest.raises(ConfigError, match=r"conv1.weight \(64, 1, 7, 7\) instead of \(64, 3, 7, 7\)"):
        planned(path)


def test_only_what_the_layer_needs_may_not_be_missing(tmp_path, planned, state):
    path = tmp_path / "w.pth"
    torch.save({key: value for key, value in state.items() if key.startswith(("conv1", "bn1", "layer1"))}, path)
    assert planned(path, "resnet18", "backbone.layer=layer1").plan.runs
    with pytest.raises(ConfigError, match="missing keys"):
        planned(path, "resnet18", "backbone.layer=layer2")


def test_a_file_that_is_changed_is_checked_anew(tmp_path, planned, state):
    path = tmp_path / "w.pth"
    torch.save(state, path)
    planned(path)
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(ConfigError, match=r"unexpected keys \(1\): weight"):
        planned(path)


@pytest.mark.parametrize(
    ("file", "own", "others"),
    [
        ("mobilenet_v2_features_torchvision.pth", "mobilenet_v2", ["resnet50", "efficientnet_lite0"]),
        ("vgg16_features_keras_bgr_caffe_fp16.pth", None, ["mobilenet_v2"]),
    ],
)
@pytest.mark.skipif("BACKBENCH_ASSETS" not in os.environ, reason="BACKBENCH_ASSETS names no folder of weights")
def test_real_weights_fit_their_network_alone(planned, file, own, others):
    path = Path(os.environ["BACKBENCH_ASSETS"]) / "weights" / file
    if own:
        assert planned(path, own).plan.runs
    for other in others:
        with pytest.raises(ConfigError, match=r"They fit (mobilenet_v2|vgg16)"):
            planned(path, other)


def test_what_may_be_weights_is_not_refused_by_its_first_bytes(tmp_path, state):
    path = tmp_path / "w.pth"
    torch.save(state, path)
    weights.refuse_other_files(path)
